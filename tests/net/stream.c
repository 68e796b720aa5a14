/* SPDX-License-Identifier: MIT */
/*
 * Streams against the real thing: TCP on loopback, Unix sockets with paths, abstract names and none. What is made is
 * non-blocking and close-on-exec, connects and carries bytes; what is refused leaves nothing.
 */
#include "support.h"

#include <weir/net.h>

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

static int option(int fd, int level, int name) {
        socklen_t length = sizeof(int);
        int value = -1;

        assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
        return value;
}

/* What every descriptor of the library is from birth. */
static void assert_born_well(int fd) {
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void assert_carries(int from, int to) {
        put(from);
        assert_true(polls_readable(to, DEADLINE_MS));
        assert_int_equal(drain(to), 1);
}

/* Listens, connects by way of a poll, accepts, and sends both ways. */
static void connects(struct fixture *fx, const char *text) {
        struct weir_address address = parse(text), local, peer, own;
        int listener = weir_stream_listen(&address, 0), client, server, r;

        assert_born_well(listener);
        assert_int_equal(option(listener, SOL_SOCKET, SO_REUSEADDR), 1);
        assert_int_equal(option(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
        assert_int_equal(weir_stream_accept(listener, NULL), -EAGAIN);
        local = name_of(listener);

        assert_int_equal(weir_register(fx->registry, listener, 1, WEIR_READABLE), 0);
        client = weir_stream_connect(&local);
        assert_born_well(client);
        expect_soon(fx, 1);
        assert_int_equal(weir_register(fx->registry, client, 2, WEIR_WRITABLE | WEIR_ONESHOT), 0);
        for (;;) { /* an event may be spurious */
                expect_soon(fx, 2);
                r = weir_stream_finish(client, &peer);
                if (r != -ENOTCONN)
                        break;
                assert_int_equal(weir_rearm(fx->registry, client, WEIR_WRITABLE), 0);
        }
        assert_int_equal(r, 0);
        assert_same(&peer, &local);

        server = weir_stream_accept(listener, &peer);
        assert_born_well(server);
        own = name_of(client);
        assert_same(&peer, &own);
        assert_int_equal(weir_stream_accept(listener, &peer), -EAGAIN);
        assert_carries(client, server);
        assert_carries(server, client);
        assert_int_equal(weir_stream_finish(client, NULL), 0);
        close(server);
        close(client);
        close(listener);
}

static void tcp_connects_by_ipv4(void **state) {
        connects(*state, "127.0.0.1:0");
}

static void tcp_connects_by_ipv6(void **state) {
        connects(*state, "[::1]:0");
}

static void unix_connects_by_an_abstract_name(void **state) {
        char text[64];

        snprintf(text, sizeof text, "unix:@weir-%d\\x00\\xff", (int)getpid());
        connects(*state, text);
}

static void unix_connects_by_a_path(void **state) {
        char directory[] = "/tmp/weir-net-XXXXXX", text[64];
        struct weir_address address;

        assert_non_null(mkdtemp(directory));
        snprintf(text, sizeof text, "unix:%s/socket", directory);
        connects(*state, text);
        address = parse(text);
        /* The file stays, and is in the way until its owner removes it. */
        assert_int_equal(weir_stream_connect(&address), -ECONNREFUSED);
        assert_int_equal(weir_stream_listen(&address, 0), -EADDRINUSE);
        assert_int_equal(unlink(address.sa.un.sun_path), 0);
        connects(*state, text);
        assert_int_equal(unlink(address.sa.un.sun_path), 0);
        assert_int_equal(rmdir(directory), 0);
}

static void unix_listens_where_the_system_chooses(void **state) {
        struct weir_address family = { .sa.un.sun_family = AF_UNIX, .length = sizeof(sa_family_t) }, local;
        int listener = weir_stream_listen(&family, 0), clients[4];

        (void)state;
        assert_born_well(listener);
        local = name_of(listener);
        assert_true(local.length > sizeof(sa_family_t));
        assert_int_equal(local.sa.un.sun_path[0], '\0');
        for (size_t i = 0; i < ARRAY_LEN(clients); ++i) { /* the queue is not of the shortest */
                clients[i] = weir_stream_connect(&local);
                assert_born_well(clients[i]);
        }
        for (size_t i = 0; i < ARRAY_LEN(clients); ++i)
                close(clients[i]);
        close(listener);
}

static void reuse_port_shares_an_address(void **state) {
        struct weir_address address = parse("127.0.0.1:0"), local;
        int first = weir_stream_listen(&address, WEIR_REUSE_PORT), second;

        (void)state;
        assert_born_well(first);
        local = name_of(first);
        second = weir_stream_listen(&local, WEIR_REUSE_PORT);
        assert_born_well(second);
        assert_int_equal(weir_stream_listen(&local, 0), -EADDRINUSE);
        close(second);
        close(first);
}

/* The end that closes first waits in TIME-WAIT, and would keep the address without SO_REUSEADDR. */
static void a_server_listens_again_at_once(void **state) {
        struct weir_address address = parse("127.0.0.1:0"), local;
        int listener = weir_stream_listen(&address, 0), client, server;

        (void)state;
        assert_born_well(listener);
        local = name_of(listener);
        client = weir_stream_connect(&local);
        assert_born_well(client);
        assert_true(polls_readable(listener, DEADLINE_MS));
        server = weir_stream_accept(listener, NULL);
        assert_born_well(server);
        close(listener);
        close(server);
        assert_true(polls_readable(client, DEADLINE_MS));
        assert_true(at_end(client));
        close(client);
        listener = weir_stream_listen(&local, 0);
        assert_born_well(listener);
        close(listener);
}

static void a_refused_connect_tells_why_once(void **state) {
        struct fixture *fx = *state;
        struct weir_address address = parse("127.0.0.1:0"), local, peer = { .length = 7 };
        int listener = weir_stream_listen(&address, 0), client;

        assert_born_well(listener);
        local = name_of(listener);
        close(listener);
        client = weir_stream_connect(&local);
        if (client < 0) {
                assert_int_equal(client, -ECONNREFUSED); /* known at once */
                return;
        }
        assert_int_equal(weir_register(fx->registry, client, 1, WEIR_WRITABLE), 0);
        assert_true(weir_event_is_error(&(struct weir_event){ .readiness = expect_soon(fx, 1).readiness }));
        assert_int_equal(weir_stream_finish(client, &peer), -ECONNREFUSED);
        assert_int_equal(weir_stream_finish(client, &peer), -ENOTCONN);
        assert_int_equal(peer.length, 7);
        close(client);
}

/* A listener whose queue is full drops what comes: those connects stay undecided. */
static void a_spurious_event_is_told_from_a_connection(void **state) {
        struct weir_address address = parse("127.0.0.1:0"), local, peer = { .length = 7 };
        int listener = weir_stream_listen(&address, 0), first, second;

        (void)state;
        assert_born_well(listener);
        assert_int_equal(listen(listener, 0), 0);
        local = name_of(listener);
        first = weir_stream_connect(&local);
        assert_born_well(first);
        assert_true(polls_readable(listener, DEADLINE_MS)); /* it takes the only place */
        second = weir_stream_connect(&local);
        assert_born_well(second);
        for (unsigned i = 0; i < 2; ++i)
                assert_int_equal(weir_stream_finish(second, &peer), -ENOTCONN);
        assert_int_equal(peer.length, 7);
        assert_int_equal(weir_stream_finish(first, &peer), 0);
        assert_same(&peer, &local);
        close(second);
        close(first);
        close(listener);
}

static void a_reset_connection_is_an_error(void **state) {
        struct linger hard = { .l_onoff = 1 };
        struct weir_address peer = { .length = 7 };
        int fds[2];

        (void)state;
        make_tcp_pair(fds);
        assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
        close(fds[1]);
        assert_true(polls_readable(fds[0], DEADLINE_MS));
        assert_int_equal(weir_stream_finish(fds[0], &peer), -ECONNRESET);
        assert_int_equal(peer.length, 7);
        close(fds[0]);
}

static void a_full_queue_of_a_unix_listener_is_eagain(void **state) {
        struct weir_address family = { .sa.un.sun_family = AF_UNIX, .length = sizeof(sa_family_t) }, local;
        int listener = weir_stream_listen(&family, 0), first;

        (void)state;
        assert_born_well(listener);
        assert_int_equal(listen(listener, 0), 0);
        local = name_of(listener);
        first = weir_stream_connect(&local);
        assert_born_well(first);
        assert_int_equal(weir_stream_connect(&local), -EAGAIN);
        close(first);
        close(listener);
}

static void pairs_carry_bytes(void **state) {
        int fds[2];

        (void)state;
        assert_int_equal(weir_stream_pair(fds), 0);
        assert_born_well(fds[0]);
        assert_born_well(fds[1]);
        assert_int_equal(option(fds[0], SOL_SOCKET, SO_TYPE), SOCK_STREAM);
        assert_carries(fds[0], fds[1]);
        assert_carries(fds[1], fds[0]);
        close_pair(fds);
}

static void pipes_carry_bytes(void **state) {
        int fds[2];

        (void)state;
        assert_int_equal(weir_pipe_create(fds), 0);
        assert_born_well(fds[0]);
        assert_born_well(fds[1]);
        assert_carries(fds[1], fds[0]);
        close_pair(fds);
}

static void bad_arguments_get_einval(void **state) {
        struct weir_address address = parse("127.0.0.1:0"), path = parse("unix:/tmp/weir-net-none");

        (void)state;
        assert_int_equal(weir_stream_listen(NULL, 0), -EINVAL);
        assert_int_equal(weir_stream_listen(NULL, WEIR_REUSE_PORT), -EINVAL);
        assert_int_equal(weir_stream_listen(&address, 2), -EINVAL);
        assert_int_equal(weir_stream_listen(&path, WEIR_REUSE_PORT), -EINVAL);
        assert_int_equal(weir_stream_connect(NULL), -EINVAL);
        assert_int_equal(weir_stream_pair(NULL), -EINVAL);
        assert_int_equal(weir_pipe_create(NULL), -EINVAL);
        for (socklen_t length = 0; length < sizeof address.sa.in; ++length) {
                address.length = length;
                assert_int_equal(weir_stream_listen(&address, 0), -EINVAL);
                assert_int_equal(weir_stream_connect(&address), -EINVAL);
        }
        address.length = sizeof address.sa + 1;
        assert_int_equal(weir_stream_listen(&address, 0), -EINVAL);
        assert_int_equal(weir_stream_connect(&address), -EINVAL);
        /* A length comes before a family, which may not be there at all. */
        address.sa.any.sa_family = AF_MAX;
        assert_int_equal(weir_stream_listen(&address, 0), -EINVAL);
        address.length = sizeof(sa_family_t) - 1;
        assert_int_equal(weir_stream_connect(&address), -EINVAL);
}

static void errnos_of_the_kernel_come_back(void **state) {
        struct weir_address far = parse("192.0.2.1:0"), missing = parse("unix:/no-such-directory/x"),
                            below = parse("unix:/dev/null/x");
        struct weir_address link_local = parse("[fe80::1]:80"), no_interface = parse("[fe80::1%4294967295]:80");
        struct weir_address unknown = { .sa.any.sa_family = AF_MAX, .length = sizeof unknown.sa };
        struct weir_address packets = { .sa.any.sa_family = AF_NETLINK, .length = sizeof unknown.sa };
        int plain[2], socket_alone = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void)state;
        assert_int_equal(weir_stream_listen(&far, 0), -EADDRNOTAVAIL);
        assert_int_equal(weir_stream_listen(&missing, 0), -ENOENT);
        assert_int_equal(weir_stream_connect(&missing), -ENOENT);
        assert_int_equal(weir_stream_listen(&below, 0), -ENOTDIR);
        assert_int_equal(weir_stream_connect(&below), -ENOTDIR);
        assert_int_equal(weir_stream_listen(&no_interface, 0), -ENODEV);
        assert_int_equal(weir_stream_listen(&link_local, 0), -EINVAL);
        assert_int_equal(weir_stream_connect(&link_local), -EINVAL);
        assert_int_equal(weir_stream_listen(&unknown, 0), -EAFNOSUPPORT);
        assert_int_equal(weir_stream_connect(&unknown), -EAFNOSUPPORT);
        assert_int_equal(weir_stream_listen(&packets, 0), -ESOCKTNOSUPPORT);

        make_pipe(plain);
        assert_int_equal(weir_stream_accept(-1, NULL), -EBADF);
        assert_int_equal(weir_stream_accept(plain[0], NULL), -ENOTSOCK);
        assert_int_equal(weir_stream_accept(socket_alone, NULL), -EINVAL);
        assert_int_equal(weir_stream_finish(-1, NULL), -EBADF);
        assert_int_equal(weir_stream_finish(plain[0], NULL), -ENOTSOCK);
        assert_int_equal(weir_stream_finish(socket_alone, NULL), -ENOTCONN);
        close_pair(plain);
        close(socket_alone);
}

static void a_path_that_leads_nowhere_gets_eloop(void **state) {
        char directory[] = "/tmp/weir-net-XXXXXX", text[128], loop[64];
        struct weir_address address;

        (void)state;
        assert_non_null(mkdtemp(directory));
        snprintf(loop, sizeof loop, "%s/loop", directory);
        snprintf(text, sizeof text, "unix:%s/socket", loop);
        address = parse(text);
        assert_int_equal(symlink(loop, loop), 0);
        assert_int_equal(weir_stream_listen(&address, 0), -ELOOP);
        assert_int_equal(weir_stream_connect(&address), -ELOOP);
        unlink(loop);
        assert_int_equal(rmdir(directory), 0);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(tcp_connects_by_ipv4),
                CASE(tcp_connects_by_ipv6),
                CASE(unix_connects_by_an_abstract_name),
                CASE(unix_connects_by_a_path),
                CASE(unix_listens_where_the_system_chooses),
                CASE(reuse_port_shares_an_address),
                CASE(a_server_listens_again_at_once),
                CASE(a_refused_connect_tells_why_once),
                CASE(a_spurious_event_is_told_from_a_connection),
                CASE(a_reset_connection_is_an_error),
                CASE(a_full_queue_of_a_unix_listener_is_eagain),
                CASE(pairs_carry_bytes),
                CASE(pipes_carry_bytes),
                CASE(bad_arguments_get_einval),
                CASE(errnos_of_the_kernel_come_back),
                CASE(a_path_that_leads_nowhere_gets_eloop),
        };

        return cmocka_run_group_tests_name("stream", cases, NULL, NULL);
}
