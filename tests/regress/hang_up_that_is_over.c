/* SPDX-License-Identifier: MIT */
/*
 * A hang-up is told to a one-shot, and is over when it rearms: a socket was not connected yet and now is, a FIFO has its next
 * writer, a connection was ended and a new one made on the same socket. What comes after the rearm tells of no hang-up.
 */
#include "../support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>

/* Neither end is closed, by the predicates and by the bits. */
static void expect_alive(const struct weir_event *event) {
        assert_false(weir_event_is_read_closed(event));
        assert_false(weir_event_is_write_closed(event));
        assert_false(weir_event_is_error(event));
        assert_int_equal(event->readiness & (EPOLLHUP | EPOLLRDHUP | EPOLLERR), 0);
}

static int make_listener(struct sockaddr_in *ret_address) {
        socklen_t length = sizeof(*ret_address);
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(listener >= 0);
        *ret_address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        assert_int_equal(bind(listener, (struct sockaddr *)ret_address, sizeof(*ret_address)), 0);
        assert_int_equal(listen(listener, 4), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)ret_address, &length), 0);
        return listener;
}

/* Connects and returns the other end; both are non-blocking. On loopback that is done at once. */
static int connect_to(int fd, int listener, const struct sockaddr_in *address) {
        int other;

        if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
                assert_int_equal(errno, EINPROGRESS);
        other = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        assert_true(other >= 0);
        /* What else the connect brings has come when a byte has made its way. */
        put(other);
        assert_true(polls_readable(fd, DEADLINE_MS));
        return other;
}

static void g8_socket_registered_before_its_connect_is_not_closed_after_it(void **state) {
        const weir_interest interests[] = { WEIR_READABLE, WEIR_WRITABLE, WEIR_READABLE | WEIR_WRITABLE };
        struct fixture *fx = *state;
        struct sockaddr_in address;
        struct weir_event event;
        int listener, fd, other;

        listener = make_listener(&address);
        for (unsigned first = 0; first < ARRAY_LEN(interests); first++) {
                for (unsigned then = 0; then < ARRAY_LEN(interests); then++) {
                        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
                        assert_true(fd >= 0);
                        assert_int_equal(weir_register(fx->registry, fd, 1, interests[first] | WEIR_ONESHOT), 0);
                        event = expect_one(fx, 1);
                        assert_true(weir_event_is_read_closed(&event));
                        other = connect_to(fd, listener, &address);
                        assert_int_equal(weir_rearm(fx->registry, fd, interests[then]), 0);
                        event = expect_one(fx, 1);
                        expect_alive(&event);
                        /* So it stays. */
                        drain(fd);
                        put(other);
                        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
                        event = expect_one(fx, 1);
                        expect_alive(&event);
                        assert_true(weir_event_is_readable(&event));
                        assert_int_equal(weir_deregister(fx->registry, fd), 0);
                        close(fd);
                        close(other);
                }
        }
        close(listener);
}

struct fifo {
        char directory[32];
        char name[48];
        int reader;
};

static void fifo_make(struct fifo *fifo) {
        strcpy(fifo->directory, "/tmp/weir-fifo-XXXXXX");
        assert_non_null(mkdtemp(fifo->directory));
        snprintf(fifo->name, sizeof(fifo->name), "%s/fifo", fifo->directory);
        assert_int_equal(mkfifo(fifo->name, 0600), 0);
        fifo->reader = open(fifo->name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        assert_true(fifo->reader >= 0);
}

static int fifo_writer(const struct fifo *fifo) {
        int writer = open(fifo->name, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

        assert_true(writer >= 0);
        return writer;
}

static void fifo_end(struct fifo *fifo) {
        close(fifo->reader);
        assert_int_equal(unlink(fifo->name), 0);
        assert_int_equal(rmdir(fifo->directory), 0);
}

static void g8_fifo_with_its_next_writer_is_not_closed(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        struct fifo fifo;
        int writer;

        /* The last writer leaves with data before its hang-up or without, and a wait meets the new one's data or not. */
        for (unsigned i = 0; i < 4; i++) {
                fifo_make(&fifo);
                assert_int_equal(weir_register(fx->registry, fifo.reader, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
                writer = fifo_writer(&fifo);
                if (i & 1)
                        put(writer);
                close(writer);
                event = expect_one(fx, 1);
                assert_true(weir_event_is_read_closed(&event));
                drain(fifo.reader);
                writer = fifo_writer(&fifo);
                put(writer);
                if (i & 2)
                        expect_silence(fx);
                assert_int_equal(weir_rearm(fx->registry, fifo.reader, WEIR_READABLE), 0);
                event = expect_one(fx, 1);
                expect_alive(&event);
                assert_true(weir_event_is_readable(&event));
                /* And when this one leaves, that is told. */
                drain(fifo.reader);
                assert_int_equal(weir_rearm(fx->registry, fifo.reader, WEIR_READABLE), 0);
                close(writer);
                event = expect_one(fx, 1);
                assert_true(weir_event_is_read_closed(&event));
                assert_int_equal(weir_deregister(fx->registry, fifo.reader), 0);
                fifo_end(&fifo);
        }
}

static void g8_hang_up_that_came_and_went_while_owned_is_not_told(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        struct fifo fifo;
        int writer;

        fifo_make(&fifo);
        writer = fifo_writer(&fifo);
        assert_int_equal(weir_register(fx->registry, fifo.reader, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        put(writer);
        event = expect_one(fx, 1);
        expect_alive(&event);
        drain(fifo.reader);
        close(writer);
        expect_silence(fx);
        writer = fifo_writer(&fifo);
        put(writer);
        expect_silence(fx);
        assert_int_equal(weir_rearm(fx->registry, fifo.reader, WEIR_READABLE), 0);
        event = expect_one(fx, 1);
        expect_alive(&event);
        assert_true(weir_event_is_readable(&event));
        assert_int_equal(weir_deregister(fx->registry, fifo.reader), 0);
        close(writer);
        fifo_end(&fifo);
}

static void g8_socket_connected_anew_is_not_closed(void **state) {
        const struct sockaddr none = { .sa_family = AF_UNSPEC };
        struct fixture *fx = *state;
        struct sockaddr_in address;
        struct weir_event event;
        int listener, fd, other;

        listener = make_listener(&address);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        other = connect_to(fd, listener, &address);
        drain(fd);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (unsigned i = 0; i < 3; i++) {
                /* Its peer ends it, by half and in full. */
                if (i == 1)
                        assert_int_equal(shutdown(other, SHUT_WR), 0);
                else
                        close(other);
                event = expect_one(fx, 1);
                assert_true(weir_event_is_read_closed(&event));
                assert_true(at_end(fd));
                if (i == 1)
                        close(other);
                assert_int_equal(connect(fd, &none, sizeof(none)), 0);
                other = connect_to(fd, listener, &address);
                assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
                event = expect_one(fx, 1);
                expect_alive(&event);
                drain(fd);
                assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        }
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
        close(other);
        close(listener);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_socket_registered_before_its_connect_is_not_closed_after_it),
                CASE(g8_fifo_with_its_next_writer_is_not_closed),
                CASE(g8_hang_up_that_came_and_went_while_owned_is_not_told),
                CASE(g8_socket_connected_anew_is_not_closed),
        };

        return cmocka_run_group_tests_name("hang_up_that_is_over", cases, NULL, NULL);
}
