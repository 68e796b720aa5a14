#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The TLS server as its clients see it: tls.py SERVER OPENSSL. What they send comes back: many records at once, a record byte by
byte, and to one that reads late; and who is no TLS client, or idle, or vanishes, harms nobody. OPENSSL makes a certificate.
"""
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile

LIMIT = 20  # seconds, after which whatever waits gives up; no result depends on it
RECORD = 16384
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE


class Client:
    """A client whose TLS is in memory, so that what goes over the socket can be cut as one likes."""

    def __init__(self, port):
        self.socket = socket.create_connection(('127.0.0.1', port), LIMIT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = CONTEXT.wrap_bio(self.coming, self.going)

    def send(self, piece=None):
        """Sends what is encrypted, in one piece or in many."""
        data = self.going.read()
        for at in range(0, len(data), piece or len(data) or 1):
            self.socket.sendall(data[at:at + (piece or len(data))])

    def until_done(self, call, *arguments, piece=None):
        while True:
            try:
                result = call(*arguments)
                self.send(piece)
                return result
            except ssl.SSLWantReadError:
                self.send(piece)
                data = self.socket.recv(65536)
                if data:
                    self.coming.write(data)
                else:
                    self.coming.write_eof()

    def open(self, piece=None):
        self.until_done(self.tls.do_handshake, piece=piece)
        return self

    def write(self, data):
        self.tls.write(data)

    def read(self, size):
        data = b''
        while len(data) < size:
            data += self.until_done(self.tls.read, size - len(data))
        return data

    def close(self):
        """Says good-bye, and waits for that of the server."""
        self.until_done(self.tls.unwrap)
        self.socket.close()


def echoes(client, data, piece=None):
    client.write(data)
    client.send(piece)
    assert client.read(len(data)) == data, 'what comes back is not what was sent'


def records(port):
    """More than one turn takes, with the end of a record left in OpenSSL and none in the socket."""
    client = Client(port).open()
    for count in 1, 2, 3, 5:
        echoes(client, bytes(range(256)) * (count * RECORD // 256))
    for number in range(300):
        client.write(b'%03d' % number)
    client.send()
    assert client.read(900) == b''.join(b'%03d' % number for number in range(300)), 'small records are lost'
    client.close()


def pieces(port):
    client = Client(port).open(piece=1)
    for size in 1, 100, 5000:
        echoes(client, b'x' * size, piece=1 if size < 1000 else 777)
    client.close()


def late_reader(port):
    """It sends until nothing goes any more, and reads only when others were served."""
    late = Client(port).open()
    late.socket.setblocking(False)
    data, sent = bytes(range(256)) * (RECORD // 256), 0
    try:
        while sent < 4096:
            late.write(data)
            sent += 1
            rest = late.going.read()
            while rest:
                rest = rest[late.socket.send(rest):]
    except BlockingIOError:
        pass
    assert sent < 4096, 'the server keeps more than it should'
    others = [Client(port).open() for _ in range(10)]
    for turn in range(5):
        for number, other in enumerate(others):
            echoes(other, b'%d %d' % (turn, number))
    for other in others:
        other.close()
    late.socket.settimeout(LIMIT)
    for _ in range(sent - 1):  # the last one is sent in part
        assert late.read(RECORD) == data, 'what was read late is not what was sent'
    late.socket.close()


def strangers(port):
    stays = Client(port).open()
    for number in range(50):
        if number % 2:
            stranger = Client(port).open()
            stranger.write(b'x' * 100000)
            stranger.send()
        else:
            stranger = Client(port)
            stranger.socket.sendall(b'GET / HTTP/1.0\r\n\r\n')
        if number % 5:  # a reset, before or while it is answered
            stranger.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        stranger.socket.close()
        echoes(stays, b'%d' % number)
    stays.close()


def idle(port):
    """The server closes one that never spoke, and one that spoke."""
    silent, spoke = Client(port), Client(port).open()
    echoes(spoke, b'x')
    for client in silent, spoke:
        while client.socket.recv(65536):
            pass
        client.socket.close()


def serve(server, directory, cases, *options):
    with subprocess.Popen([server, '--port=0', '--workers=3', *options], cwd=directory, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline().rpartition(':')[2])
            for case in cases:
                case(port)
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0, f'the server ends with {process.returncode}'


def main():
    server, openssl = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([openssl, 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'key.pem', '-out', 'cert.pem',
                        '-subj', '/CN=localhost'], cwd=directory, check=True, stderr=subprocess.DEVNULL)
        serve(server, directory, [records, pieces, late_reader, strangers])
        serve(server, directory, [idle], '--idle-timeout=1')


main()
