/* SPDX-License-Identifier: MIT */

/*
 * Sockets and pipes. Each call makes a descriptor that is non-blocking and close-on-exec from birth, sets it up step by
 * step, and on the first step that fails closes it and returns why: see net_socket() and net_give_up(). None knows of
 * a poll. Read net_bind() first.
 */

#include <weir/net.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static bool net_is_address(const struct weir_address *address) {
        return address && address->length >= sizeof address->sa.any.sa_family && address->length <= sizeof address->sa;
}

/* A socket of the family of the address, or a negative errno. */
static int net_socket(const struct weir_address *address, int type) {
        int fd;

        if (!net_is_address(address))
                return -EINVAL;
        fd = socket(address->sa.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        return fd < 0 ? -errno : fd;
}

/* Closes a socket that is of no use. Returns what errno says of the call before. */
static int net_give_up(int fd) {
        int error = errno;

        close(fd);
        return -error;
}

/* Removes the file that bind(2) has just made, if it made one. */
static void net_unlink(const struct weir_address *address) {
        char path[sizeof address->sa + 1] = { 0 }; /* a path may fill its room and have no end */

        if (address->sa.any.sa_family != AF_UNIX)
                return;
        memcpy(path, address->sa.un.sun_path, address->length - offsetof(struct sockaddr_un, sun_path));
        if (path[0])
                unlink(path);
}

static void net_give_peer(struct weir_address *ret_peer, const union weir_sockaddr *sa, socklen_t length) {
        if (!ret_peer)
                return;
        ret_peer->sa = *sa;
        ret_peer->length = length;
}

/* ---------------------------------------------------------------- making sockets with an address */

/* Beside the flags of the header: IP_BIND_ADDRESS_NO_PORT, for a port that only connect(2) needs. One is free for each peer then. */
#define NET_LATE_PORT 0x100u

/* Whether all of the flags are among those of the call, and go with the family. */
static bool net_may_have(const struct weir_address *address, unsigned flags, unsigned of_call) {
        bool local = net_is_address(address) && address->sa.any.sa_family == AF_UNIX;
        bool ipv6 = net_is_address(address) && address->sa.any.sa_family == AF_INET6;

        if (flags & ~of_call || (flags & WEIR_ONLY_IPV6 && !ipv6))
                return false;
        return !(flags & (local ? WEIR_REUSE_PORT | WEIR_REUSE_ADDRESS : WEIR_SEQPACKET));
}

static bool net_set(int fd, bool wanted, int level, int option) {
        int on = 1;

        return !wanted || setsockopt(fd, level, option, &on, sizeof on) == 0;
}

/* A socket with an address of its own, or a negative errno. */
static int net_bind(const struct weir_address *address, unsigned flags, int type) {
        int fd = net_socket(address, flags & WEIR_SEQPACKET ? SOCK_SEQPACKET : type);

        if (fd < 0)
                return fd;
        if (!net_set(fd, flags & WEIR_REUSE_ADDRESS, SOL_SOCKET, SO_REUSEADDR) ||
            !net_set(fd, flags & WEIR_REUSE_PORT, SOL_SOCKET, SO_REUSEPORT) ||
            !net_set(fd, flags & WEIR_ONLY_IPV6, IPPROTO_IPV6, IPV6_V6ONLY) ||
            !net_set(fd, flags & NET_LATE_PORT, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT) ||
            bind(fd, &address->sa.any, address->length) < 0)
                return net_give_up(fd);
        return fd;
}

static int net_connect(const struct weir_address *address, int type) {
        int fd = net_socket(address, type);

        if (fd >= 0 && connect(fd, &address->sa.any, address->length) < 0 && errno != EINPROGRESS)
                return net_give_up(fd);
        return fd;
}

int weir_stream_listen(const struct weir_address *address, unsigned flags) {
        int fd;

        if (!net_may_have(address, flags, WEIR_REUSE_PORT | WEIR_ONLY_IPV6 | WEIR_SEQPACKET))
                return -EINVAL;
        fd = net_bind(address, flags | WEIR_REUSE_ADDRESS, SOCK_STREAM);
        /* The kernel cuts the length to what the system allows. */
        if (fd >= 0 && listen(fd, INT_MAX) < 0) {
                int r = net_give_up(fd);

                net_unlink(address);
                return r;
        }
        return fd;
}

int weir_stream_connect(const struct weir_address *address) {
        return net_connect(address, SOCK_STREAM);
}

int weir_stream_connect_from(const struct weir_address *address, const struct weir_address *local, unsigned flags) {
        unsigned of_call = local ? WEIR_REUSE_PORT | WEIR_REUSE_ADDRESS | WEIR_SEQPACKET : WEIR_SEQPACKET;
        int fd;

        if (!net_is_address(address) || !net_may_have(address, flags, of_call))
                return -EINVAL;
        if (!local)
                return net_connect(address, flags & WEIR_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM);
        if (!net_is_address(local) || local->sa.any.sa_family != address->sa.any.sa_family)
                return -EINVAL;
        fd = net_bind(local, local->sa.any.sa_family == AF_UNIX ? flags : flags | NET_LATE_PORT, SOCK_STREAM);
        if (fd >= 0 && connect(fd, &address->sa.any, address->length) < 0 && errno != EINPROGRESS) {
                int r = net_give_up(fd);

                net_unlink(local);
                return r;
        }
        return fd;
}

/* SO_REUSEADDR is the caller's choice: by that another program of this user can take an address that is in use. */
int weir_datagram_bind(const struct weir_address *address, unsigned flags) {
        if (!net_may_have(address, flags, WEIR_REUSE_PORT | WEIR_REUSE_ADDRESS | WEIR_ONLY_IPV6))
                return -EINVAL;
        return net_bind(address, flags, SOCK_DGRAM);
}

int weir_datagram_connect(const struct weir_address *address) {
        return net_connect(address, SOCK_DGRAM);
}

/* ---------------------------------------------------------------- accepting and finishing */

int weir_stream_accept(int listener, struct weir_address *ret_peer) {
        union weir_sockaddr sa = { .storage = { .ss_family = AF_UNSPEC } };
        socklen_t length = sizeof sa;
        int fd = accept4(listener, &sa.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
                return -errno;
        net_give_peer(ret_peer, &sa, length);
        return fd;
}

/*
 * The error first: a socket that is connected and then reset has both. One that fails between the two questions has neither,
 * as one that is still being connected; then the event of the failure is yet to come.
 */
int weir_stream_finish(int fd, struct weir_address *ret_peer) {
        union weir_sockaddr sa = { .storage = { .ss_family = AF_UNSPEC } };
        socklen_t length = sizeof sa, error_length = sizeof(int);
        int error = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_length) < 0)
                return -errno;
        if (error)
                return -error;
        if (getpeername(fd, &sa.any, &length) < 0)
                return -errno;
        net_give_peer(ret_peer, &sa, length);
        return 0;
}

/* ---------------------------------------------------------------- pairs */

/* The kernel may have written to its array when it fails, so it gets one of ours. */
static int net_pair(int type, int ret_fds[2]) {
        int fds[2];

        if (!ret_fds)
                return -EINVAL;
        if (socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        memcpy(ret_fds, fds, sizeof fds);
        return 0;
}

int weir_stream_pair(int ret_fds[2]) {
        return net_pair(SOCK_STREAM, ret_fds);
}

int weir_datagram_pair(int ret_fds[2]) {
        return net_pair(SOCK_DGRAM, ret_fds);
}

int weir_pipe_create(int ret_fds[2]) {
        int fds[2];

        if (!ret_fds)
                return -EINVAL;
        if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0)
                return -errno;
        memcpy(ret_fds, fds, sizeof fds);
        return 0;
}
