#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The server of the README as its clients see it: readme.py PROGRAM. What they send comes back, to those who read late, too."""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile

LIMIT = 20  # seconds, after which whatever waits gives up; no result depends on it
LATE = bytes(range(256)) * 8192  # more than all buffers on the way hold


def client(address):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(LIMIT)
    connection.connect(str(address))
    return connection


def listens(address):
    try:
        client(address).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    return True


def receive(connection, size):
    data = b''
    while len(data) < size:
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    return data


def talk(address):
    """The first client sends all it can and does not read, until others were served."""
    deaf = client(address)
    deaf.setblocking(False)
    sent = 0
    try:
        while sent < len(LATE):
            sent += deaf.send(LATE[sent:])
    except BlockingIOError:
        pass
    others = [client(address) for _ in range(20)]
    for turn in range(3):
        for number, other in enumerate(others):
            other.sendall(b'%d %d\n' % (turn, number))
        for number, other in enumerate(others):
            line = b'%d %d\n' % (turn, number)
            assert receive(other, len(line)) == line, 'a line is not what was sent'
    deaf.settimeout(LIMIT)
    assert sent < len(LATE), 'the server keeps more than it should'
    assert receive(deaf, sent) == LATE[:sent], 'what was read late is not what was sent'
    for connection in others + [deaf]:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b'', 'the end does not come back'
        connection.close()


def main():
    with tempfile.TemporaryDirectory() as directory:
        address = pathlib.Path(directory) / 'socket'
        assert subprocess.run([sys.argv[1]], check=False).returncode == 1, 'no address is no error'
        with subprocess.Popen([sys.argv[1], f'unix:{address}']) as server:
            try:
                while server.poll() is None and not listens(address):
                    os.sched_yield()
                talk(address)
            finally:
                server.terminate()
        assert server.returncode == -signal.SIGTERM, f'the server ends with {server.returncode}'


main()
