/* SPDX-License-Identifier: MIT */
/*
 * The kernel refuses one call after another: whatever the library had opened is closed, the errno comes back, and outputs
 * stay as they were. The linker sends the library's system calls here (--wrap).
 */
#include "support.h"

#include <sys/stat.h>
#include <weir/net.h>

/* The n-th wrapped call from now on fails with the errno; 0 for none. */
static unsigned refuse_at;
static int refuse_with;
static unsigned calls;

static bool refuses(void) {
        if (++calls != refuse_at)
                return false;
        errno = refuse_with;
        return true;
}

#define WRAP(name, parameters, arguments)                        \
        int __real_##name parameters;                            \
        int __wrap_##name parameters;                            \
        int __wrap_##name parameters {                           \
                return refuses() ? -1 : __real_##name arguments; \
        }

WRAP(accept4, (int fd, struct sockaddr *sa, socklen_t *length, int flags), (fd, sa, length, flags))
WRAP(bind, (int fd, const struct sockaddr *sa, socklen_t length), (fd, sa, length))
WRAP(connect, (int fd, const struct sockaddr *sa, socklen_t length), (fd, sa, length))
WRAP(getpeername, (int fd, struct sockaddr *sa, socklen_t *length), (fd, sa, length))
WRAP(getsockopt, (int fd, int level, int name, void *value, socklen_t *length), (fd, level, name, value, length))
WRAP(listen, (int fd, int backlog), (fd, backlog))
WRAP(pipe2, (int fds[2], int flags), (fds, flags))
WRAP(setsockopt, (int fd, int level, int name, const void *value, socklen_t length), (fd, level, name, value, length))
WRAP(socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(socketpair, (int domain, int type, int protocol, int fds[2]), (domain, type, protocol, fds))

static struct weir_address loopback, loopback6;

/* What the calls work on, made before anything is refused. */
static int listener, connected;
static struct weir_address listening, peer;
static int fds[2];

static int call_stream_listen(void) {
        return weir_stream_listen(&loopback, WEIR_REUSE_PORT);
}

static int call_stream_accept(void) {
        return weir_stream_accept(listener, &peer);
}

static int call_stream_connect(void) {
        return weir_stream_connect(&listening);
}

static int call_only_ipv6(void) {
        return weir_datagram_bind(&loopback6, WEIR_ONLY_IPV6);
}

static int call_connect_from(void) {
        return weir_stream_connect_from(&listening, &loopback, WEIR_REUSE_ADDRESS | WEIR_REUSE_PORT);
}

static int call_stream_finish(void) {
        return weir_stream_finish(connected, &peer);
}

static int call_stream_pair(void) {
        return weir_stream_pair(fds);
}

static int call_datagram_bind(void) {
        return weir_datagram_bind(&loopback, WEIR_REUSE_PORT);
}

static int call_datagram_connect(void) {
        return weir_datagram_connect(&loopback);
}

static int call_datagram_pair(void) {
        return weir_datagram_pair(fds);
}

static int call_pipe_create(void) {
        return weir_pipe_create(fds);
}

/*
 * Makes the call once for each system call in it, which fails. There must be as many as expected. Returns what the last,
 * allowed call has returned.
 */
static int every_step(int (*call)(void), unsigned steps) {
        struct weir_address peer_before;
        unsigned open_before = count_descriptors();
        int r;

        memset(&peer, 0x5a, sizeof peer);
        peer_before = peer;
        fds[0] = fds[1] = -7;
        refuse_with = EMULTIHOP; /* none that they would return by themselves */
        for (unsigned n = 1; n <= steps; ++n) {
                calls = 0;
                refuse_at = n;
                assert_int_equal(call(), -EMULTIHOP);
                assert_int_equal(calls, n); /* and nothing is tried after it */
                assert_int_equal(count_descriptors(), open_before);
                assert_memory_equal(&peer, &peer_before, sizeof peer);
                assert_true(fds[0] == -7 && fds[1] == -7);
        }
        calls = refuse_at = 0;
        r = call();
        assert_true(r >= 0);
        assert_int_equal(calls, steps);
        return r;
}

/* As every_step(), of a call that returns a descriptor. */
static void every_step_of_a_maker(int (*call)(void), unsigned steps) {
        close(every_step(call, steps));
}

static void prepare(void) {
        assert_int_equal(weir_address_parse("127.0.0.1:0", &loopback), 0);
        assert_int_equal(weir_address_parse("[::1]:0", &loopback6), 0);
        listener = weir_stream_listen(&loopback, 0);
        assert_true(listener >= 0);
        listening.length = sizeof listening.sa;
        assert_int_equal(getsockname(listener, &listening.sa.any, &listening.length), 0);
        connected = weir_stream_connect(&listening);
        assert_true(connected >= 0);
        assert_true(polls_readable(listener, DEADLINE_MS));
}

static void finish(void) {
        close(connected);
        close(listener);
}

static void every_refused_step_closes_what_was_opened(void **state) {
        (void)state;
        prepare();
        every_step_of_a_maker(call_stream_listen, 5); /* socket, two options, bind, listen */
        every_step_of_a_maker(call_stream_accept, 1);
        every_step_of_a_maker(call_stream_connect, 2);
        every_step_of_a_maker(call_connect_from, 6); /* socket, three options, bind, connect */
        every_step_of_a_maker(call_only_ipv6, 3);
        every_step(call_stream_finish, 2);
        every_step_of_a_maker(call_datagram_bind, 3);
        loopback.sa.in.sin_port = htons(9);
        every_step_of_a_maker(call_datagram_connect, 2);
        every_step(call_stream_pair, 1);
        close_pair(fds);
        every_step(call_datagram_pair, 1);
        close_pair(fds);
        every_step(call_pipe_create, 1);
        close_pair(fds);
        finish();
}

static void a_listen_that_fails_leaves_no_file(void **state) {
        char directory[] = "/tmp/weir-net-XXXXXX", text[64];
        struct weir_address address;
        struct stat status;
        int fd;

        (void)state;
        assert_non_null(mkdtemp(directory));
        snprintf(text, sizeof text, "unix:%s/socket", directory);
        assert_int_equal(weir_address_parse(text, &address), 0);
        refuse_with = ENOMEM;
        calls = 0;
        refuse_at = 4; /* socket, option, bind, listen */
        assert_int_equal(weir_stream_listen(&address, 0), -ENOMEM);
        assert_int_equal(lstat(address.sa.un.sun_path, &status), -1);
        /* A bind that fails leaves what is there, which is another's. */
        fd = open(address.sa.un.sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
        refuse_at = 0;
        assert_int_equal(weir_stream_listen(&address, 0), -EADDRINUSE);
        assert_int_equal(lstat(address.sa.un.sun_path, &status), 0);
        unlink(address.sa.un.sun_path);
        assert_int_equal(rmdir(directory), 0);
}

/* One step of one call, and the errnos that a machine gives there only to some users, or only when it runs out. */
static const struct {
        int (*call)(void);
        unsigned step;
        int errors[10];
} rare[] = {
        { call_stream_listen, 1, { EOPNOTSUPP, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EMFILE, ENFILE, ENOBUFS, ENOMEM } },
        { call_stream_listen, 4, { EACCES, EPERM, EROFS, EADDRINUSE } },
        { call_stream_accept, 1, { ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EOPNOTSUPP, ENETDOWN } },
        { call_stream_connect, 1, { EMFILE, ENFILE, ENOBUFS, ENOMEM } },
        { call_stream_connect, 2, { ENETUNREACH, EHOSTUNREACH, ETIMEDOUT, EADDRNOTAVAIL, EACCES, EPERM, EAGAIN } },
        { call_stream_pair, 1, { EMFILE, ENFILE, ENOBUFS, ENOMEM } },
        { call_datagram_bind, 1, { EMFILE, ENFILE, ENOBUFS, ENOMEM } },
        { call_datagram_connect, 2, { EAGAIN, EACCES, EPERM } },
        { call_pipe_create, 1, { EMFILE, ENFILE, ENOMEM } },
};

static void rare_errnos_come_back_as_they_are(void **state) {
        (void)state;
        prepare();
        for (size_t i = 0; i < ARRAY_LEN(rare); ++i)
                for (const int *error = rare[i].errors; *error; ++error) {
                        calls = 0;
                        refuse_at = rare[i].step;
                        refuse_with = *error;
                        assert_int_equal(rare[i].call(), -*error);
                }
        refuse_at = 0;
        finish();
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(every_refused_step_closes_what_was_opened),
                CASE(a_listen_that_fails_leaves_no_file),
                CASE(rare_errnos_come_back_as_they_are),
        };

        return cmocka_run_group_tests_name("refused", cases, NULL, NULL);
}
