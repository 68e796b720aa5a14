/* SPDX-License-Identifier: MIT */
#ifndef WEIR_NET_H
#define WEIR_NET_H

/*
 * Sockets and pipes for weir: descriptors that are non-blocking and close-on-exec from birth, and addresses as text.
 *
 * There is no object to hold a socket: each call returns a plain descriptor, which the caller registers, uses and closes
 * as any other. What POSIX does well on such a descriptor has no call here: read(2), sendto(2), shutdown(2), setsockopt(2),
 * getsockname(2), and connect(2) to give a bound datagram socket a peer. Streams and datagrams are of the family of the
 * address, so that a server can listen on "[::]:80" or on "unix:/run/server" by its configuration alone.
 *
 * No call sets TCP_NODELAY. Without it a small answer may wait 40 ms for the one before it. A server sets it on the listener:
 * on Linux what is accepted inherits it. A client sets it on what weir_stream_connect() returns.
 *
 * What mio has is here under these names:
 *   TcpListener   weir_stream_listen() and weir_stream_accept()
 *   TcpStream     weir_stream_connect() and weir_stream_finish(), which is take_error() and then peer_addr()
 *   UdpSocket     weir_datagram_bind(), weir_datagram_connect()
 *   UnixListener  weir_stream_listen() and weir_stream_accept()
 *   UnixStream    weir_stream_connect(), weir_stream_pair()
 *   UnixDatagram  weir_datagram_bind(), weir_datagram_connect(), weir_datagram_pair()
 *   Pipe          weir_pipe_create()
 *
 * The conventions of weir.h hold. No call knows of a poll: a forked child may make each. A call that fails leaves no
 * descriptor open and no file of a Unix socket behind. That file is the caller's to unlink(2) in the end.
 */

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <weir/weir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- addresses */

/* A socket address of any family. */
union weir_sockaddr {
        struct sockaddr any;             /* its family, and what system calls take a pointer to */
        struct sockaddr_in in;           /* AF_INET */
        struct sockaddr_in6 in6;         /* AF_INET6 */
        struct sockaddr_un un;           /* AF_UNIX */
        struct sockaddr_storage storage; /* room for the others */
};

/* An address and its length: bind(fd, &address.sa.any, address.length). Set length to sizeof sa before getsockname(2). */
struct weir_address {
        union weir_sockaddr sa; /* the address */
        socklen_t length;       /* bytes of sa in use */
};

#define WEIR_ADDRESS_TEXT 512 /* bytes enough for the text of any address */

/*
 * Reads an address from text. Names of hosts and services are not looked up.
 *   text  "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80" with an interface by name or number, "[::1]:80,flow=0x12345" with
 *         flow information (sin6_flowinfo, as a number), "unix:/path", or "unix:@name" in the abstract namespace. Any byte of
 *         a path, a name or an interface may be written as a backslash, x and two hexadecimal digits; a backslash is always
 *         written so, and so is an @ that begins a path
 * Errors: -EINVAL also for any other text; -ENAMETOOLONG a path of more than 108 bytes, or a name of more than 107; -ENODEV no
 * such interface; -EMFILE, -ENFILE, -ENOMEM: it takes a descriptor for a moment to look an interface up.
 */
WEIR_PUBLIC int weir_address_parse(const char *text, struct weir_address *ret_address);

/*
 * Writes an address as text that weir_address_parse() reads, always terminated if size is not 0. An unnamed Unix socket,
 * as a peer often is, is written as "unix:", which is refused there.
 *   address  as a system call or weir_address_parse() filled it
 *   buffer   where the text goes; NULL if size is 0
 *   size     of the buffer, in bytes; WEIR_ADDRESS_TEXT is always enough
 * Returns the length of the whole text, as snprintf(3) does.
 * Errors: -EINVAL also for a length that is not one of its family; -EAFNOSUPPORT neither IPv4, IPv6 nor Unix.
 */
WEIR_PUBLIC int weir_address_format(const struct weir_address *address, char *buffer, size_t size);

/* ---------------------------------------------------------------- streams */

/* What is said of a socket before it gets an address. Each call names those that it takes. */
#define WEIR_REUSE_PORT 0x1u /* SO_REUSEPORT: several sockets bind the same address and share what arrives */
#define WEIR_REUSE_ADDRESS \
        0x2u /* SO_REUSEADDR: the address is free, though it was in use a moment ago or, of datagrams, is */
#define WEIR_ONLY_IPV6 0x4u /* IPV6_V6ONLY: "[::]" takes no IPv4, so that another socket can listen on "0.0.0.0" */
#define WEIR_SEQPACKET 0x8u /* SOCK_SEQPACKET, of Unix sockets alone: a connection that keeps messages apart */

/*
 * Makes a socket that listens, with SO_REUSEADDR and as long a queue as the system allows (net.core.somaxconn). A second
 * listen(2) changes the length of the queue.
 *   address  port 0 lets the system choose, and so does the family AF_UNIX alone
 *   flags    0, WEIR_REUSE_PORT, WEIR_ONLY_IPV6 with an IPv6 address, or WEIR_SEQPACKET with a Unix address
 * Ownership: the caller closes the descriptor. Returns the descriptor.
 * Errors: -EINVAL also for other flags, for one that does not go with the family, WEIR_REUSE_PORT with a Unix address
 * among them, a length that is not one of its family, and a link-local address without its interface; -EADDRINUSE the
 * address is taken, or the file exists, be it of a socket long closed; -EADDRNOTAVAIL no address of this machine; -EACCES,
 * -EPERM a port or a directory that this user may not use; -ENOENT, -ENOTDIR, -ELOOP, -EROFS about the path; -ENODEV no such
 * interface; -EAFNOSUPPORT, -EOPNOTSUPP, -EPROTONOSUPPORT, -ESOCKTNOSUPPORT the family has no such sockets; -EMFILE, -ENFILE,
 * -ENOBUFS, -ENOMEM.
 */
WEIR_PUBLIC int weir_stream_listen(const struct weir_address *address, unsigned flags);

/*
 * Takes a connection from the queue. After an event call it until -EAGAIN.
 *   listener  from weir_stream_listen(); borrowed. One that is blocking makes the call block
 *   ret_peer  the address of the other end, or NULL
 * Ownership: the caller closes the descriptor. Returns the descriptor.
 * Errors: -EAGAIN none is waiting; -ECONNABORTED it is gone already: go on; -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM: it is
 * still waiting, and an edge-triggered listener gets no new event for it: set a deadline of the listener, and try again then;
 * -EBADF, -ENOTSOCK, -EINVAL, -EOPNOTSUPP it is no listening socket; -EPERM a firewall forbids it. Others are errors of the
 * network that the connection has met: go on.
 */
WEIR_PUBLIC int weir_stream_accept(int listener, struct weir_address *ret_peer);

/*
 * Makes a socket and begins to connect it. Register it for WEIR_WRITABLE; when the event comes, weir_stream_finish()
 * tells what became of it.
 *   address  of the peer
 * Ownership: the caller closes the descriptor. Returns the descriptor, be it connected already or not.
 * Errors: -EINVAL also for a length that is not one of its family, and for a link-local address without its interface;
 * -ECONNREFUSED, -ENETUNREACH, -EHOSTUNREACH, -ETIMEDOUT known at once; -EAGAIN the queue of a Unix listener is full, or no
 * local port is left for a datagram socket: try later; -EADDRNOTAVAIL no local port is left; -EACCES, -EPERM not allowed;
 * -ENOENT, -ENOTDIR, -ELOOP about the path; -EPROTOTYPE a Unix socket of another type; -EAFNOSUPPORT, -EOPNOTSUPP,
 * -EPROTONOSUPPORT, -ESOCKTNOSUPPORT the family has no such sockets; -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM.
 */
WEIR_PUBLIC int weir_stream_connect(const struct weir_address *address);

/*
 * Makes a socket and begins to connect it, as weir_stream_connect() does, with what must be said before.
 *   address  of the peer
 *   local    the address of its own, of the same family: port 0 lets the system choose, anew for each peer. NULL: any
 *   flags    0, WEIR_SEQPACKET with Unix addresses, or, with a local address of another family, WEIR_REUSE_ADDRESS and
 *            WEIR_REUSE_PORT. A port that is named can be used for one peer after another with WEIR_REUSE_ADDRESS alone
 * Ownership: the caller closes the descriptor. Returns the descriptor, be it connected already or not.
 * Errors: those of weir_stream_connect(); -EINVAL also for other flags, for one that does not go with the family or has no
 * local address to be of, and for addresses of two families; about the local address, those of weir_stream_listen().
 */
WEIR_PUBLIC int weir_stream_connect_from(const struct weir_address *address, const struct weir_address *local,
                                         unsigned flags);

/*
 * Finishes a connect, and no stream: it asks how the attempt ended. Takes the error of the socket (SO_ERROR), then asks for its
 * peer. 0 says that it is connected.
 *   ret_peer  the address of the other end, or NULL
 * Errors: -ENOTCONN not decided yet, the event was spurious: wait for the next one, after weir_rearm() if one-shot;
 * -ECONNREFUSED, -ECONNRESET, -ETIMEDOUT, -ENETUNREACH, -EHOSTUNREACH and others: why it failed. Close it, for that is
 * told once, and -ENOTCONN after it. -EBADF, -ENOTSOCK.
 */
WEIR_PUBLIC int weir_stream_finish(int fd, struct weir_address *ret_peer);

/*
 * Makes two Unix streams, connected to each other.
 *   ret_fds  the two descriptors
 * Ownership: the caller closes both. Errors: -EINVAL; -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM.
 */
WEIR_PUBLIC int weir_stream_pair(int ret_fds[2]);

/* ---------------------------------------------------------------- datagrams */

/*
 * Makes a datagram socket with an address of its own. connect(2) gives it a peer.
 *   address  port 0 lets the system choose, and so does the family AF_UNIX alone
 *   flags    0, WEIR_REUSE_PORT, or WEIR_REUSE_ADDRESS, as those who receive a multicast group on one machine must; with an
 *            IPv6 address WEIR_ONLY_IPV6
 * Ownership: the caller closes the descriptor. Returns the descriptor. Errors: those of weir_stream_listen().
 */
WEIR_PUBLIC int weir_datagram_bind(const struct weir_address *address, unsigned flags);

/*
 * Makes a datagram socket with a peer: send(2) sends to it, and nothing is received from others. The system chooses the
 * address of its own, which for the family AF_UNIX is none: bind it if the peer is to answer.
 *   address  of the peer
 * Ownership: the caller closes the descriptor. Returns the descriptor. Errors: those of weir_stream_connect().
 */
WEIR_PUBLIC int weir_datagram_connect(const struct weir_address *address);

/*
 * Makes two Unix datagram sockets, connected to each other.
 *   ret_fds  the two descriptors
 * Ownership: the caller closes both. Errors: -EINVAL; -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM.
 */
WEIR_PUBLIC int weir_datagram_pair(int ret_fds[2]);

/* ---------------------------------------------------------------- pipes */

/*
 * Makes a pipe.
 *   ret_fds  what is written to the second is read from the first
 * Ownership: the caller closes both. Errors: -EINVAL; -EMFILE, -ENFILE, -ENOMEM.
 */
WEIR_PUBLIC int weir_pipe_create(int ret_fds[2]);

#ifdef __cplusplus
}
#endif

#endif
