#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The example lines.c as its clients see it: lines.py PROGRAM [instrumented]. Lines come back, whole; a word from standard input comes
to all; who does not read is cut off, and counted; and who is there at the end gets a good-bye. An instrumented program may not run
here at all, by the addresses that this kernel gives out: then nothing is tested.
"""
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile

LIMIT = 20  # seconds, after which whatever waits gives up; no result depends on it
MORE = 4 << 20  # bytes, more than all buffers on the way hold


def client(address):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(LIMIT)
    connection.connect(str(address))
    return connection


def connect_when_it_listens(address, server):
    while server.poll() is None:
        try:
            return client(address)
        except (ConnectionRefusedError, FileNotFoundError):
            pass
    raise AssertionError('the server has ended')


def expect(connection, wanted, what):
    data = b''
    while len(data) < len(wanted):
        piece = connection.recv(len(wanted) - len(data))
        if not piece:
            break
        data += piece
    assert data == wanted, f'{what}: {data}'


def expect_end(connection):
    assert connection.recv(1) == b'', 'more than the last words'


def talk(one, other):
    """Lines in pieces, many at once, and what no end of a line follows."""
    one.sendall(b'hal')
    other.sendall(b'one\ntwo\nthr')
    expect(other, b'one\ntwo\n', 'two lines')
    one.sendall(b'f\n')
    expect(one, b'half\n', 'a line in pieces')
    other.sendall(b'ee\n')
    expect(other, b'three\n', 'the rest of a line')


def say_too_much(address):
    connection = client(address)
    connection.sendall(b'x' * 600)
    expect(connection, b'too long\n', 'no line')
    expect_end(connection)
    connection.close()


def cut_off_the_deaf(address, server):
    """It is there once a line has come back. Then it reads no more, while there is ever more to read."""
    deaf = client(address)
    deaf.sendall(b'here\n')
    expect(deaf, b'here\n', 'a line')
    hang_up = select.poll()
    hang_up.register(deaf, select.POLLHUP)
    for _ in range(MORE // 500):
        if hang_up.poll(0):
            break
        server.stdin.write(b'ever more\n' * 50)
    assert hang_up.poll(LIMIT * 1000), 'who does not read stays'
    deaf.close()


def main():
    with tempfile.TemporaryDirectory() as directory:
        address = pathlib.Path(directory) / 'socket'
        result = subprocess.run([sys.argv[1]], check=False).returncode
        if result != 2 and sys.argv[2:] == ['instrumented']:
            sys.exit(77)
        assert result == 2, 'no address is no error'
        with subprocess.Popen([sys.argv[1], f'unix:{address}'], bufsize=0, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as server:
            try:
                one = connect_when_it_listens(address, server)
                other = client(address)
                talk(one, other)
                say_too_much(address)
                server.stdin.write(b'a word\n')
                expect(one, b'a word\n', 'from standard input')
                expect(other, b'a word\n', 'from standard input')
                other.close()
                one.close()
                cut_off_the_deaf(address, server)
                last = client(address)
                last.sendall(b'last\n')
                heard = b''
                while b'last\n' not in heard:  # words may be on their way still
                    piece = last.recv(65536)
                    assert piece, 'no line comes back'
                    heard += piece
            finally:
                server.terminate()
            while piece := last.recv(65536):
                heard += piece
            assert heard.endswith(b'bye\n'), 'no good-bye'
            last.close()
            said = server.stdout.read()
        assert said == b'cut off: 1\n', said
        assert server.returncode == 0, f'the server ends with {server.returncode}'


main()
