/* SPDX-License-Identifier: MIT */
/* What is said of a socket before it gets an address or a peer, against the real thing. */
#include "support.h"

#include <weir/net.h>

#define TRIES 100 /* ports, of which another program may have one */

static struct weir_address parse(const char *text) {
        struct weir_address address;

        assert_int_equal(weir_address_parse(text, &address), 0);
        return address;
}

static struct weir_address name_of(int fd) {
        struct weir_address address = { .length = sizeof address.sa };

        assert_int_equal(getsockname(fd, &address.sa.any, &address.length), 0);
        return address;
}

static void assert_same(const struct weir_address *a, const struct weir_address *b) {
        assert_int_equal(a->length, b->length);
        assert_memory_equal(&a->sa, &b->sa, a->length);
}

static void assert_born_well(int fd) {
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static int accept_from(int listener, struct weir_address *ret_peer) {
        int fd;

        assert_true(polls_readable(listener, DEADLINE_MS));
        fd = weir_stream_accept(listener, ret_peer);
        assert_born_well(fd);
        return fd;
}

/* ---------------------------------------------------------------- only IPv6 */

/* What a second socket gets on the port of the first one, where no other program has it. */
static int beside(int (*make)(const struct weir_address *, unsigned), unsigned flags) {
        struct weir_address any6 = parse("[::]:0"), any4 = parse("0.0.0.0:0");
        int second = -EADDRINUSE;

        for (int i = 0; i < TRIES && second == -EADDRINUSE; ++i) {
                int first = make(&any6, flags);

                assert_born_well(first);
                any4.sa.in.sin_port = name_of(first).sa.in6.sin6_port;
                second = make(&any4, 0);
                close(first);
        }
        return second;
}

static void only_ipv6_leaves_ipv4_to_another(void **state) {
        int fd = beside(weir_stream_listen, WEIR_ONLY_IPV6);

        (void)state;
        assert_born_well(fd);
        close(fd);
        fd = beside(weir_datagram_bind, WEIR_ONLY_IPV6);
        assert_born_well(fd);
        close(fd);
}

static int option(int fd, int level, int name) {
        socklen_t length = sizeof(int);
        int value = -1;

        assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
        return value;
}

static void without_it_the_system_decides(void **state) {
        struct weir_address any = parse("[::]:0");
        int plain = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = weir_stream_listen(&any, 0);

        (void)state;
        assert_born_well(fd);
        assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), option(plain, IPPROTO_IPV6, IPV6_V6ONLY));
        close(plain);
        close(fd);
}

/* ---------------------------------------------------------------- reuse */

static void datagrams_share_an_address_that_all_reuse(void **state) {
        struct weir_address address = parse("127.0.0.1:0"), local;
        int first = weir_datagram_bind(&address, WEIR_REUSE_ADDRESS), second;

        (void)state;
        assert_born_well(first);
        local = name_of(first);
        second = weir_datagram_bind(&local, WEIR_REUSE_ADDRESS);
        assert_born_well(second);
        assert_int_equal(option(second, SOL_SOCKET, SO_REUSEPORT), 0);
        assert_int_equal(weir_datagram_bind(&local, 0), -EADDRINUSE);
        close(second);
        close(first);
}

/*
 * One port of its own, for two peers at a time. The address is this process's own, too: at that of all, a connection of another
 * program may be given the same port before the second one asks for it.
 */
static void a_port_that_is_named_serves_one_peer_after_another(void **state) {
        struct weir_address address, one, two, local, peer;
        int listeners[2], fds[2] = { -1, -EADDRINUSE };
        unsigned pid = (unsigned)getpid();
        char own[32];

        (void)state;
        snprintf(own, sizeof own, "127.%u.%u.%u:0", 64 + (pid >> 16 & 63), pid >> 8 & 255, pid & 255);
        address = parse(own);
        for (int i = 0; i < 2; ++i)
                listeners[i] = weir_stream_listen(&address, 0);
        one = name_of(listeners[0]);
        two = name_of(listeners[1]);
        fds[0] = weir_stream_connect_from(&one, &address, WEIR_REUSE_ADDRESS);
        assert_born_well(fds[0]);
        local = name_of(fds[0]);
        fds[1] = weir_stream_connect_from(&two, &local, WEIR_REUSE_ADDRESS);
        assert_born_well(fds[1]);
        assert_int_equal(weir_stream_connect_from(&two, &local, 0), -EADDRINUSE);
        for (int i = 0; i < 2; ++i) {
                close(accept_from(listeners[i], &peer));
                assert_same(&peer, &local);
                close(fds[i]);
                close(listeners[i]);
        }
}

/* ---------------------------------------------------------------- a local address */

static void connects_from(const char *at, const char *from) {
        struct weir_address address = parse(at), local = parse(from), listening, own, peer;
        int listener = weir_stream_listen(&address, 0), client, server;

        listening = name_of(listener);
        client = weir_stream_connect_from(&listening, &local, 0);
        assert_born_well(client);
        server = accept_from(listener, &peer);
        own = name_of(client);
        assert_same(&peer, &own);
        if (own.sa.any.sa_family == AF_INET)
                assert_int_equal(own.sa.in.sin_addr.s_addr, local.sa.in.sin_addr.s_addr);
        if (own.sa.any.sa_family == AF_UNIX)
                assert_same(&own, &local);
        assert_int_equal(weir_stream_finish(client, NULL), 0);
        put(client);
        assert_true(polls_readable(server, DEADLINE_MS));
        close(server);
        close(client);
        close(listener);
}

static void the_peer_sees_the_local_address(void **state) {
        char at[64], from[64];

        (void)state;
        connects_from("127.0.0.1:0", "127.0.0.2:0");
        connects_from("[::1]:0", "[::1]:0");
        snprintf(at, sizeof at, "unix:@weir-before-%d", (int)getpid());
        snprintf(from, sizeof from, "unix:@weir-from-%d", (int)getpid());
        connects_from(at, from);
}

/* The file of the local address goes with a connect that fails, and no other does. */
static void a_connect_that_fails_leaves_no_file(void **state) {
        char directory[] = "/tmp/weir-net-XXXXXX", text[64];
        struct weir_address local, nobody = parse("unix:@weir-nobody");
        int fd;

        (void)state;
        assert_non_null(mkdtemp(directory));
        snprintf(text, sizeof text, "unix:%s/socket", directory);
        local = parse(text);
        assert_int_equal(weir_stream_connect_from(&nobody, &local, 0), -ECONNREFUSED);
        assert_int_equal(access(local.sa.un.sun_path, F_OK), -1);
        fd = open(local.sa.un.sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(weir_stream_connect_from(&nobody, &local, 0), -EADDRINUSE);
        assert_int_equal(unlink(local.sa.un.sun_path), 0);
        assert_int_equal(rmdir(directory), 0);
}

static void without_a_local_address_it_is_a_plain_connect(void **state) {
        struct weir_address address = parse("127.0.0.1:0"), listening, peer, own;
        int listener = weir_stream_listen(&address, 0), client;

        (void)state;
        listening = name_of(listener);
        client = weir_stream_connect_from(&listening, NULL, 0);
        assert_born_well(client);
        close(accept_from(listener, &peer));
        own = name_of(client);
        assert_same(&peer, &own);
        close(client);
        close(listener);
}

/* ---------------------------------------------------------------- messages */

static void packets_keep_messages_apart(void **state) {
        /* The family alone: the system chooses. */
        struct weir_address address, local = { .sa.any.sa_family = AF_UNIX, .length = sizeof(sa_family_t) };
        char text[64], buffer[8];
        int listener, clients[2], server;

        (void)state;
        snprintf(text, sizeof text, "unix:@weir-packets-%d", (int)getpid());
        address = parse(text);
        listener = weir_stream_listen(&address, WEIR_SEQPACKET);
        assert_born_well(listener);
        /* A name is that of its type: a stream finds nobody. */
        assert_int_equal(weir_stream_connect(&address), -ECONNREFUSED);
        clients[0] = weir_stream_connect_from(&address, NULL, WEIR_SEQPACKET);
        clients[1] = weir_stream_connect_from(&address, &local, WEIR_SEQPACKET);
        for (int i = 0; i < 2; ++i) {
                assert_born_well(clients[i]);
                server = accept_from(listener, NULL);
                assert_int_equal(send(clients[i], "ab", 2, 0), 2);
                assert_int_equal(send(clients[i], "c", 1, 0), 1);
                assert_int_equal(recv(server, buffer, sizeof buffer, 0), 2);
                assert_int_equal(recv(server, buffer, sizeof buffer, 0), 1);
                close(server);
                close(clients[i]);
        }
        close(listener);
}

/* ---------------------------------------------------------------- what does not go together */

static void bad_arguments_get_einval(void **state) {
        struct weir_address four = parse("127.0.0.1:0"), six = parse("[::1]:0"), name = parse("unix:@weir-none"),
                            cut = parse("127.0.0.1:0");

        (void)state;
        cut.length = 1;
        assert_int_equal(weir_stream_listen(&four, WEIR_ONLY_IPV6), -EINVAL);
        assert_int_equal(weir_stream_listen(&name, WEIR_ONLY_IPV6), -EINVAL);
        assert_int_equal(weir_stream_listen(&four, WEIR_REUSE_ADDRESS), -EINVAL);
        assert_int_equal(weir_stream_listen(&four, WEIR_SEQPACKET), -EINVAL);
        assert_int_equal(weir_stream_listen(&six, WEIR_SEQPACKET), -EINVAL);
        assert_int_equal(weir_datagram_bind(&four, WEIR_ONLY_IPV6), -EINVAL);
        assert_int_equal(weir_datagram_bind(&name, WEIR_REUSE_ADDRESS), -EINVAL);
        assert_int_equal(weir_datagram_bind(&name, WEIR_SEQPACKET), -EINVAL);

        assert_int_equal(weir_stream_connect_from(NULL, NULL, 0), -EINVAL);
        assert_int_equal(weir_stream_connect_from(NULL, &four, 0), -EINVAL);
        assert_int_equal(weir_stream_connect_from(&cut, NULL, 0), -EINVAL);
        assert_int_equal(weir_stream_connect_from(&four, &cut, 0), -EINVAL);
        assert_int_equal(weir_stream_connect_from(&four, &six, 0), -EINVAL);
        assert_int_equal(weir_stream_connect_from(&name, &four, 0), -EINVAL);
        assert_int_equal(weir_stream_connect_from(&four, NULL, ~0u), -EINVAL);
        assert_int_equal(weir_stream_connect_from(&four, NULL, WEIR_REUSE_PORT), -EINVAL);
        assert_int_equal(weir_stream_connect_from(&four, NULL, WEIR_REUSE_ADDRESS), -EINVAL);
        assert_int_equal(weir_stream_connect_from(&four, &four, WEIR_SEQPACKET), -EINVAL);
        assert_int_equal(weir_stream_connect_from(&six, &six, WEIR_ONLY_IPV6), -EINVAL);
        assert_int_equal(weir_stream_connect_from(&name, &name, WEIR_REUSE_ADDRESS), -EINVAL);
}

static void errnos_of_the_kernel_come_back(void **state) {
        struct weir_address four = parse("127.0.0.1:9"), far = parse("192.0.2.1:0"), none = parse("unix:@weir-none");
        struct weir_address missing = parse("unix:/no-such-directory/x");

        (void)state;
        assert_int_equal(weir_stream_connect_from(&four, &far, 0), -EADDRNOTAVAIL);
        assert_int_equal(weir_stream_connect_from(&none, &missing, 0), -ENOENT);
        assert_int_equal(weir_stream_connect_from(&missing, NULL, 0), -ENOENT);
        assert_int_equal(weir_stream_connect_from(&none, NULL, WEIR_SEQPACKET), -ECONNREFUSED);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(only_ipv6_leaves_ipv4_to_another),
                CASE(without_it_the_system_decides),
                CASE(datagrams_share_an_address_that_all_reuse),
                CASE(a_port_that_is_named_serves_one_peer_after_another),
                CASE(the_peer_sees_the_local_address),
                CASE(a_connect_that_fails_leaves_no_file),
                CASE(without_a_local_address_it_is_a_plain_connect),
                CASE(packets_keep_messages_apart),
                CASE(bad_arguments_get_einval),
                CASE(errnos_of_the_kernel_come_back),
        };

        return cmocka_run_group_tests_name("before", cases, NULL, NULL);
}
