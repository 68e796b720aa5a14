/* SPDX-License-Identifier: MIT */
/* Datagrams against the real thing: UDP on loopback, Unix sockets with paths, abstract names and none. */
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

static void assert_born_well(int fd) {
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

/* One bound, one connected to it: what the second sends comes to the first, with its address. */
static void carries(const char *text) {
        struct weir_address address = parse(text), local, own, from = { .length = sizeof from.sa };
        int bound = weir_datagram_bind(&address, 0), sender;
        char buffer[8];

        assert_born_well(bound);
        local = name_of(bound);
        sender = weir_datagram_connect(&local);
        assert_born_well(sender);
        assert_int_equal(send(sender, "hello", 5, 0), 5);
        assert_true(polls_readable(bound, DEADLINE_MS));
        assert_int_equal(recvfrom(bound, buffer, sizeof buffer, 0, &from.sa.any, &from.length), 5);
        assert_memory_equal(buffer, "hello", 5);
        assert_int_equal(recv(bound, buffer, sizeof buffer, 0), -1);
        assert_int_equal(errno, EAGAIN);
        if (address.sa.any.sa_family != AF_UNIX) {
                own = name_of(sender);
                assert_int_equal(from.length, own.length);
                assert_memory_equal(&from.sa, &own.sa, own.length);
        }
        close(sender);
        close(bound);
}

static void udp_carries_by_ipv4(void **state) {
        (void)state;
        carries("127.0.0.1:0");
}

static void udp_carries_by_ipv6(void **state) {
        (void)state;
        carries("[::1]:0");
}

static void unix_carries_by_an_abstract_name(void **state) {
        char text[64];

        (void)state;
        snprintf(text, sizeof text, "unix:@weir-datagram-%d", (int)getpid());
        carries(text);
        carries(text);
}

static void unix_carries_by_a_path(void **state) {
        char directory[] = "/tmp/weir-net-XXXXXX", text[64];
        struct weir_address address;

        (void)state;
        assert_non_null(mkdtemp(directory));
        snprintf(text, sizeof text, "unix:%s/socket", directory);
        carries(text);
        address = parse(text);
        assert_int_equal(weir_datagram_bind(&address, 0), -EADDRINUSE);
        assert_int_equal(weir_datagram_connect(&address), -ECONNREFUSED);
        assert_int_equal(unlink(address.sa.un.sun_path), 0);
        assert_int_equal(rmdir(directory), 0);
}

static void udp_wakes_a_poll(void **state) {
        struct fixture *fx = *state;
        struct weir_address address = parse("127.0.0.1:0"), local;
        int bound = weir_datagram_bind(&address, 0), sender;

        assert_born_well(bound);
        local = name_of(bound);
        sender = weir_datagram_connect(&local);
        assert_born_well(sender);
        assert_int_equal(weir_register(fx->registry, bound, 1, WEIR_READABLE), 0);
        expect_silence(fx);
        assert_int_equal(send(sender, "", 0, 0), 0);
        expect_soon(fx, 1);
        close(sender);
        close(bound);
}

/* Without it an address that is in use is refused, be it only once bound. */
static void reuse_port_shares_an_address(void **state) {
        struct weir_address address = parse("127.0.0.1:0"), local;
        int first = weir_datagram_bind(&address, WEIR_REUSE_PORT), second;

        (void)state;
        assert_born_well(first);
        local = name_of(first);
        second = weir_datagram_bind(&local, WEIR_REUSE_PORT);
        assert_born_well(second);
        close(second);
        assert_int_equal(weir_datagram_bind(&local, 0), -EADDRINUSE);
        close(first);
        first = weir_datagram_bind(&local, 0);
        assert_born_well(first);
        assert_int_equal(weir_datagram_bind(&local, 0), -EADDRINUSE);
        close(first);
}

static void pairs_keep_datagrams_apart(void **state) {
        char buffer[8];
        int fds[2];

        (void)state;
        assert_int_equal(weir_datagram_pair(fds), 0);
        assert_born_well(fds[0]);
        assert_born_well(fds[1]);
        assert_int_equal(send(fds[0], "ab", 2, 0), 2);
        assert_int_equal(send(fds[0], "c", 1, 0), 1);
        assert_int_equal(recv(fds[1], buffer, sizeof buffer, 0), 2);
        assert_int_equal(recv(fds[1], buffer, sizeof buffer, 0), 1);
        close_pair(fds);
}

static void bad_arguments_get_a_clear_errno(void **state) {
        struct weir_address address = parse("127.0.0.1:0"), far = parse("192.0.2.1:0"),
                            missing = parse("unix:/no-such-directory/x");
        struct weir_address name = parse("unix:@weir-none");

        (void)state;
        assert_int_equal(weir_datagram_bind(NULL, 0), -EINVAL);
        assert_int_equal(weir_datagram_bind(&address, ~0u), -EINVAL);
        assert_int_equal(weir_datagram_bind(&name, WEIR_REUSE_PORT), -EINVAL);
        assert_int_equal(weir_datagram_connect(NULL), -EINVAL);
        assert_int_equal(weir_datagram_pair(NULL), -EINVAL);
        assert_int_equal(weir_datagram_bind(&far, 0), -EADDRNOTAVAIL);
        assert_int_equal(weir_datagram_bind(&missing, 0), -ENOENT);
        assert_int_equal(weir_datagram_connect(&missing), -ENOENT);
        assert_int_equal(weir_datagram_connect(&name), -ECONNREFUSED);
        address.length = sizeof address.sa.in - 1;
        assert_int_equal(weir_datagram_bind(&address, 0), -EINVAL);
        assert_int_equal(weir_datagram_connect(&address), -EINVAL);
}

static void a_stream_is_no_datagram_peer(void **state) {
        char directory[] = "/tmp/weir-net-XXXXXX", text[64];
        struct weir_address address;
        int stream;

        (void)state;
        assert_non_null(mkdtemp(directory));
        snprintf(text, sizeof text, "unix:%s/socket", directory);
        address = parse(text);
        stream = weir_stream_listen(&address, 0);
        assert_true(stream >= 0);
        assert_int_equal(weir_datagram_connect(&address), -EPROTOTYPE);
        close(stream);
        assert_int_equal(unlink(address.sa.un.sun_path), 0);
        assert_int_equal(rmdir(directory), 0);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(udp_carries_by_ipv4),
                CASE(udp_carries_by_ipv6),
                CASE(unix_carries_by_an_abstract_name),
                CASE(unix_carries_by_a_path),
                CASE(udp_wakes_a_poll),
                CASE(reuse_port_shares_an_address),
                CASE(pairs_keep_datagrams_apart),
                CASE(bad_arguments_get_a_clear_errno),
                CASE(a_stream_is_no_datagram_peer),
        };

        return cmocka_run_group_tests_name("datagram", cases, NULL, NULL);
}
