#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The broker as its clients see it: broker.py SERVER. Each line reaches all, in one order for each sender; who does not read is cut
off, and costs the others nothing; who is silent is sent away; and at the end everybody gets what was published, the good-bye, and
the end, those who come at that moment, too.
"""
import os
import signal
import socket
import subprocess
import sys
import threading

LIMIT = 20  # seconds, after which whatever waits gives up; no result depends on it
MUCH = 16 << 20  # bytes, more than the kernel keeps for a connection


class Client:
    def __init__(self, port, room=None):
        self.socket = socket.socket()
        self.socket.settimeout(LIMIT)
        if room:  # what the kernel keeps of what is not read
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.socket.connect(('127.0.0.1', port))
        self.left = b''

    def send(self, line):
        self.socket.sendall(line)

    def line(self):
        while b'\n' not in self.left:
            data = self.socket.recv(65536)
            if not data:
                return b''
            self.left += data
        line, self.left = self.left.split(b'\n', 1)
        return line + b'\n'

    def rest(self):
        data = self.left
        while piece := self.socket.recv(65536):
            data += piece
        self.socket.close()
        return data


def start(*options):
    server = subprocess.Popen([sys.argv[1], '--port=0', *options], stdout=subprocess.PIPE, text=True)
    return server, int(server.stdout.readline().rsplit(':', 1)[1])


def everybody(port, count=5):
    """Clients that all know of each other: each has read the line of the last that came."""
    clients = []
    for number in range(count):
        clients.append(Client(port))
        greeting = b'I am %d\n' % number
        clients[-1].send(greeting)
        for client in clients:
            while client.line() != greeting:
                pass
    return clients


def reaches_all(clients):
    for turn in range(20):
        for number, client in enumerate(clients):
            client.send(b'%d: %d\n%d: ' % (number, 2 * turn, number))
            client.send(b'%d\n' % (2 * turn + 1))
    for client in clients:
        lines = [client.line() for _ in range(40 * len(clients))]
        for number in range(len(clients)):
            mine = [line for line in lines if line.startswith(b'%d: ' % number)]
            assert mine == [b'%d: %d\n' % (number, turn) for turn in range(40)], 'lines are lost, or in another order'


def cuts_the_slow(port, clients):
    slow = Client(port)
    slow.send(b'I do not read\n')
    for client in clients:
        assert client.line() == b'I do not read\n'
    line = b'x' * 1000 + b'\n'
    for _ in range(MUCH // len(line) // 50):
        clients[0].send(line * 50)
        for client in clients:
            for _ in range(50):
                assert client.line() == line, 'somebody else is held up, or cut'
    try:
        data = slow.rest()
    except ConnectionError:
        return
    assert len(data) < MUCH, 'the server keeps all for who does not read'


def refuses_long_lines(port, clients):
    client = Client(port)
    client.send(b'x' * 5000)
    assert client.rest() == b'a line is too long\n'
    clients[0].send(b'after it\n')
    for other in clients:
        assert other.line() == b'after it\n'


def end(server, clients, port):
    """They come and go while it ends. Who was let in gets a good-bye."""
    told, stopped = [], threading.Event()

    def come():
        while not stopped.is_set():
            try:
                data = Client(port).rest()
                told.append(data)
            except ConnectionError:  # not let in: the listener is closed
                return

    others = [threading.Thread(target=come) for _ in range(4)]
    for other in others:
        other.start()
    for number in range(50):
        clients[0].send(b'last %d\n' % number)
    for client in clients:
        while client.line() != b'last 49\n':
            pass
    server.send_signal(signal.SIGTERM)
    for client in clients:
        assert client.rest() == b'bye\n', 'no good-bye, or not the last word'
    assert server.wait(LIMIT) == 0, f'the server ends with {server.returncode}'
    stopped.set()
    for other in others:
        other.join()
    assert all(data.endswith(b'bye\n') for data in told), 'somebody is let in and not told of the end'


def says_bye_last(server, port):
    """
    What is queued after a good-bye would go out, too, if output is blocked and there is room in the queue. So a few do not read,
    each of whom has missed some lines more than the next one, until the first of them is cut off: then the next ones are blocked.
    They are told that their line is too long, or that the server ends, while somebody publishes at full speed.
    """

    def descriptors():
        return len(os.listdir(f'/proc/{server.pid}/fd'))

    first, deaf, step, count = Client(port), [], 0, 0
    while step < 8 or descriptors() >= count:
        count = descriptors()
        if step < 8:
            deaf.append(Client(port, 4096))
            deaf[-1].send(b'I do not read\n')
            while first.line() != b'I do not read\n':
                pass
        step += 1
        assert step * 8000 < MUCH, 'the server keeps all for who does not read'
        first.send((b'x' * 999 + b'\n') * 8 + b'step %d\n' % step)
        while first.line() != b'step %d\n' % step:
            pass
    stopped = threading.Event()

    def talk():
        try:
            while not stopped.is_set():
                first.send(b'\n')
        except ConnectionError:  # it is told, and gone
            pass

    talker = threading.Thread(target=talk)
    for client in deaf[::2]:
        client.send(b'x' * 1024)
    talker.start()
    for _ in range(100):
        first.line()
    server.send_signal(signal.SIGTERM)
    for client in deaf:
        check_last_word(client)
    stopped.set()
    talker.join()
    first.socket.close()
    assert server.wait(LIMIT) == 0


def check_last_word(client):
    try:
        data = client.rest()
    except ConnectionError:  # cut off
        return
    for word in b'bye\n', b'a line is too long\n':
        assert word not in data or data.endswith(word), 'a line follows the last word'


def ends_at_once(port, server):
    deaf = Client(port)
    deaf.send(b'hello\n')
    assert deaf.line() == b'hello\n'
    server.send_signal(signal.SIGTERM)
    assert deaf.line() == b'bye\n'
    server.send_signal(signal.SIGTERM)  # it does not wait for who does not close
    assert server.wait(LIMIT) == 0


def main():
    server, port = start()
    clients = everybody(port)
    reaches_all(clients)
    cuts_the_slow(port, clients)
    refuses_long_lines(port, clients)
    end(server, clients, port)

    says_bye_last(*start('--workers=1'))

    server, port = start('--workers=1', '--idle-timeout=1')
    silent = Client(port)
    assert silent.rest() == b'you said nothing for too long\n'
    ends_at_once(port, server)


main()
