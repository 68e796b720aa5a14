/* SPDX-License-Identifier: MIT */

/*
 * What must be said of a socket before it has an address: WEIR_ONLY_IPV6, WEIR_SEQPACKET, WEIR_REUSE_ADDRESS, and an address of
 * its own for who connects, weir_stream_connect_from().
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/net.h>

static struct weir_address address_of(const char *text) {
        struct weir_address address = { .length = 0 };

        weir_address_parse(text, &address);
        return address;
}

static struct weir_address own_address(int fd) {
        struct weir_address address = { .length = sizeof address.sa };

        getsockname(fd, &address.sa.any, &address.length);
        return address;
}

static int accept_one(int listener, struct weir_address *ret_peer) {
        poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, -1); /* a server registers it */
        return weir_stream_accept(listener, ret_peer);
}

/* A server with a socket for each family, on one port. Without the flag "[::]" takes IPv4, too, and the second gets EADDRINUSE. */
static int both_families(void) {
        struct weir_address any4 = address_of("0.0.0.0:0"), any6 = address_of("[::]:0"), own;
        int fd6, fd4 = weir_stream_listen(&any4, 0);
        char text[WEIR_ADDRESS_TEXT];

        if (fd4 < 0)
                return fd4;
        own = own_address(fd4);
        weir_address_format(&own, text, sizeof text);
        snprintf(text, sizeof text, "[::]%s", strrchr(text, ':'));
        any6 = address_of(text);
        fd6 = weir_stream_listen(&any6, WEIR_ONLY_IPV6);
        printf("both families: %s\n", fd6 >= 0 || fd6 != -EADDRINUSE ? "one port" : "taken");
        close(fd4);
        if (fd6 >= 0)
                close(fd6);
        return 0;
}

/* A client that is to be known by one of the addresses of its machine. */
static int from_an_address(void) {
        struct weir_address server = address_of("127.0.0.1:0"), local = address_of("127.0.0.2:0"), peer;
        int listener = weir_stream_listen(&server, 0), client, fd;
        char text[WEIR_ADDRESS_TEXT];

        if (listener < 0)
                return listener;
        server = own_address(listener);
        client = weir_stream_connect_from(&server, &local, 0);
        if (client < 0)
                return client;
        fd = accept_one(listener, &peer);
        weir_address_format(&peer, text, sizeof text);
        printf("a client from %.*s\n", (int)strcspn(text, ":"), text);
        close(fd);
        close(client);
        close(listener);
        return 0;
}

/* A connection that keeps messages apart: no lengths, no line ends. */
static int messages(void) {
        struct weir_address server = { .sa.any.sa_family = AF_UNIX, .length = sizeof(sa_family_t) };
        int listener, client, fd;
        char text[16];
        ssize_t n;

        /* The family alone: the system chooses a name. */
        listener = weir_stream_listen(&server, WEIR_SEQPACKET);
        if (listener < 0)
                return listener;
        server = own_address(listener);
        client = weir_stream_connect_from(&server, NULL, WEIR_SEQPACKET);
        if (client < 0)
                return client;
        fd = accept_one(listener, NULL);
        send(client, "one", 3, 0);
        send(client, "two", 3, 0);
        while ((n = recv(fd, text, sizeof text, 0)) > 0)
                printf("a message: %.*s\n", (int)n, text);
        close(fd);
        close(client);
        close(listener);
        return 0;
}

/* Two programs on one machine that receive the same multicast group, each on the group's port. */
static int two_receivers(void) {
        struct weir_address any = address_of("0.0.0.0:0");
        int one = weir_datagram_bind(&any, WEIR_REUSE_ADDRESS), two;

        if (one < 0)
                return one;
        any = own_address(one);
        two = weir_datagram_bind(&any, WEIR_REUSE_ADDRESS);
        printf("a second receiver: %s\n", two >= 0 ? "on the same port" : "refused");
        close(one);
        if (two >= 0)
                close(two);
        return 0;
}

int main(void) {
        return both_families() < 0 || from_an_address() < 0 || messages() < 0 || two_receivers() < 0;
}

/*
 * It prints:
 * both families: one port
 * a client from 127.0.0.2
 * a message: one
 * a message: two
 * a second receiver: on the same port
 */
