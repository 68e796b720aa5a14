/* SPDX-License-Identifier: MIT */
/*
 * G8 where it counts epoll_ctl calls: a rearm makes none but (a) for a direction that is new to the registration, (b) once after a
 * hang-up was told, (c) where readiness kept coming while it was owned, and at each rearm once weir_poll_fd() was asked for; then
 * it is one. The linker sends the library's calls here.
 */
#include "../calls.h"

/* A rearm, and how many epoll_ctl calls it made. */
static unsigned rearm(struct fixture *fx, int fd, weir_interest interest) {
        unsigned before = atomic_load(&calls_ctls);

        assert_int_equal(weir_rearm(fx->registry, fd, interest), 0);
        return atomic_load(&calls_ctls) - before;
}

/* The calls are seen here at all. */
static void register_it(struct fixture *fx, int fd, weir_interest interest) {
        unsigned before = atomic_load(&calls_ctls);

        assert_int_equal(weir_register(fx->registry, fd, 1, interest), 0);
        assert_true(atomic_load(&calls_ctls) > before);
}

static void g8_turns_of_a_connection_make_no_epoll_ctl(void **state) {
        void (*const makers[])(int *) = { make_pipe, make_socketpair, make_tcp_pair };
        struct fixture *fx = *state;
        int fds[2];

        for (unsigned m = 0; m < ARRAY_LEN(makers); m++) {
                makers[m](fds);
                register_it(fx, fds[0], WEIR_READABLE | WEIR_ONESHOT);
                for (unsigned i = 0; i < 200; i++) {
                        put(fds[1]);
                        expect_soon(fx, 1);
                        drain(fds[0]);
                        assert_int_equal(rearm(fx, fds[0], WEIR_READABLE), 0);
                        /* A waiter may look now, or not. */
                        if (i % 3 == 0)
                                expect_silence(fx);
                }
                assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
                close_pair(fds);
        }
}

static void g8_pauses_and_disarms_make_no_epoll_ctl(void **state) {
        struct fixture *fx = *state;
        unsigned before;
        int fds[2];

        make_socketpair(fds);
        register_it(fx, fds[0], WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD);
        before = atomic_load(&calls_ctls);
        for (unsigned i = 0; i < 100; i++) {
                assert_int_equal(rearm(fx, fds[0], 0), 0);
                assert_int_equal(weir_disarm(fx->registry, fds[0]), 1);
                assert_int_equal(weir_disarm(fx->registry, fds[0]), 0);
                assert_int_equal(rearm(fx, fds[0], WEIR_READABLE), 0);
                /* While it is armed, directions are just replaced. */
                assert_int_equal(rearm(fx, fds[0], 0), 0);
                assert_int_equal(rearm(fx, fds[0], WEIR_READABLE), 0);
                assert_int_equal(weir_disarm(fx->registry, fds[0]), 1);
        }
        assert_int_equal(atomic_load(&calls_ctls), before);
        assert_int_equal(rearm(fx, fds[0], WEIR_READABLE), 0);
        put(fds[1]);
        expect_soon(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

static void g8_a_rearm_afresh_makes_one_epoll_ctl_and_a_rearm_after_it_none(void **state) {
        struct fixture *fx = *state;
        int fds[2];
        char c;

        make_socketpair(fds);
        register_it(fx, fds[0], WEIR_READABLE | WEIR_ONESHOT);
        for (unsigned i = 0; i < 20; i++) {
                unsigned before = atomic_load(&calls_ctls);

                put(fds[1]);
                put(fds[1]);
                expect_soon(fx, 1);
                assert_int_equal(read(fds[0], &c, 1), 1);
                assert_int_equal(weir_rearm_afresh(fx->registry, fds[0], WEIR_READABLE), 0);
                assert_int_equal(atomic_load(&calls_ctls) - before, 1);
                expect_soon(fx, 1);
                assert_int_equal(drain(fds[0]), 1);
                assert_int_equal(rearm(fx, fds[0], WEIR_READABLE), 0);
        }
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

static void g8_new_direction_costs_one_epoll_ctl_and_an_old_one_none(void **state) {
        struct fixture *fx = *state;
        int pair[2];

        make_socketpair(pair);
        register_it(fx, pair[0], WEIR_READABLE | WEIR_ONESHOT);
        put(pair[1]);
        expect_one(fx, 1);
        drain(pair[0]);
        assert_int_equal(rearm(fx, pair[0], WEIR_WRITABLE), 1);
        expect_one(fx, 1);
        fill(pair[0]);
        for (unsigned i = 0; i < 50; i++) {
                assert_int_equal(rearm(fx, pair[0], WEIR_READABLE), 0);
                assert_int_equal(weir_disarm(fx->registry, pair[0]), 1);
                assert_int_equal(rearm(fx, pair[0], WEIR_WRITABLE), 0);
                assert_int_equal(weir_disarm(fx->registry, pair[0]), 1);
                assert_int_equal(rearm(fx, pair[0], WEIR_READABLE | WEIR_WRITABLE), 0);
                assert_int_equal(weir_disarm(fx->registry, pair[0]), 1);
        }
        /* And another new one. */
        assert_int_equal(rearm(fx, pair[0], WEIR_PRIORITY), 1);
        assert_int_equal(weir_disarm(fx->registry, pair[0]), 1);
        assert_int_equal(rearm(fx, pair[0], WEIR_PRIORITY | WEIR_READABLE), 0);
        drain(pair[1]);
        put(pair[1]);
        expect_soon(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

/* As a server does that met -EAGAIN once: from then on each edge of the kernel tells of room, too, which nobody asks for. */
static void g8_direction_that_was_asked_for_once_costs_nothing_later(void **state) {
        void (*const makers[])(int *) = { make_socketpair, make_tcp_pair };
        struct fixture *fx = *state;
        int fds[2];

        for (unsigned m = 0; m < ARRAY_LEN(makers); m++) {
                makers[m](fds);
                register_it(fx, fds[0], WEIR_READABLE | WEIR_WRITABLE | WEIR_ONESHOT);
                expect_one(fx, 1);
                for (unsigned i = 0; i < 100; i++) {
                        assert_int_equal(rearm(fx, fds[0], WEIR_READABLE), 0);
                        put(fds[1]);
                        expect_soon(fx, 1);
                        drain(fds[0]);
                }
                assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
                close_pair(fds);
        }
}

static void g8_held_with_its_directions_makes_no_epoll_ctl_at_the_first_rearm(void **state) {
        struct fixture *fx = *state;
        int fds[2];

        make_socketpair(fds);
        register_it(fx, fds[0], WEIR_READABLE | WEIR_WRITABLE | WEIR_ONESHOT | WEIR_HELD);
        assert_int_equal(rearm(fx, fds[0], WEIR_READABLE), 0);
        put(fds[1]);
        expect_soon(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);

        register_it(fx, fds[0], WEIR_ONESHOT | WEIR_HELD);
        assert_int_equal(rearm(fx, fds[0], WEIR_READABLE), 1);
        expect_soon(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

static void g8_hang_up_that_was_told_costs_one_epoll_ctl(void **state) {
        struct sockaddr_storage storage = { 0 };
        struct sockaddr *address = (struct sockaddr *)&storage;
        struct fixture *fx = *state;
        socklen_t length = sizeof(storage);
        struct weir_event event;
        int listener, fd, other;

        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(listener >= 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, address, &length), 0);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        /* A socket that is not connected is hung up. */
        register_it(fx, fd, WEIR_READABLE | WEIR_ONESHOT);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_read_closed(&event));
        if (connect(fd, address, length) < 0)
                assert_int_equal(errno, EINPROGRESS);
        other = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        assert_true(other >= 0);
        put(other);
        assert_true(polls_readable(fd, DEADLINE_MS));
        assert_in_range(rearm(fx, fd, WEIR_READABLE), 0, 1);
        event = expect_soon(fx, 1);
        assert_false(weir_event_is_read_closed(&event));
        drain(fd);
        /* That was once. */
        for (unsigned i = 0; i < 50; i++) {
                assert_int_equal(rearm(fx, fd, WEIR_READABLE), 0);
                put(other);
                event = expect_soon(fx, 1);
                assert_false(weir_event_is_read_closed(&event));
                drain(fd);
        }
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
        close(other);
        close(listener);
}

static void g8_readiness_that_keeps_coming_costs_one_epoll_ctl_at_most(void **state) {
        struct fixture *fx = *state;
        unsigned calls, total = 0;
        int fds[2];

        make_socketpair(fds);
        register_it(fx, fds[0], WEIR_READABLE | WEIR_ONESHOT);
        for (unsigned i = 0; i < 100; i++) {
                put(fds[1]);
                expect_soon(fx, 1);
                /* Met by a waiter while it is owned, again and again. */
                for (unsigned k = 0; k < i % 5; k++) {
                        drain(fds[0]);
                        put(fds[1]);
                        expect_silence(fx);
                }
                drain(fds[0]);
                if (i % 2)
                        put(fds[1]);
                calls = rearm(fx, fds[0], WEIR_READABLE);
                assert_in_range(calls, 0, 1);
                /* What came before the rearm is not missed. */
                if (i % 2) {
                        expect_soon(fx, 1);
                        drain(fds[0]);
                        assert_in_range(rearm(fx, fds[0], WEIR_READABLE), 0, 1);
                }
        }
        /* When nothing comes any more while it is owned, the calls end in time. */
        for (unsigned i = 0; i < 200; i++) {
                put(fds[1]);
                expect_soon(fx, 1);
                drain(fds[0]);
                calls = rearm(fx, fds[0], WEIR_READABLE);
                assert_in_range(calls, 0, 1);
                if (i >= 100)
                        total += calls;
        }
        assert_int_equal(total, 0);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

static void g8_rearm_of_a_nested_poll_costs_one_epoll_ctl_at_most(void **state) {
        struct fixture *fx = *state;
        int fds[2], fd, waits;

        fd = weir_poll_fd(fx->poll);
        assert_true(fd >= 0);
        make_socketpair(fds);
        register_it(fx, fds[0], WEIR_READABLE | WEIR_ONESHOT);
        for (unsigned i = 0; i < 50; i++) {
                put(fds[1]);
                assert_true(polls_readable(fd, DEADLINE_MS));
                expect_soon(fx, 1);
                drain(fds[0]);
                put(fds[1]);
                /* What an owner gets calls the outer loop now and then, not for ever. */
                for (waits = 0; polls_readable(fd, 0); waits++) {
                        assert_true(waits < 5);
                        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
                }
                assert_in_range(rearm(fx, fds[0], WEIR_READABLE), 0, 1);
                assert_true(polls_readable(fd, DEADLINE_MS));
                expect_soon(fx, 1);
                drain(fds[0]);
                assert_in_range(rearm(fx, fds[0], WEIR_READABLE), 0, 1);
        }
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_turns_of_a_connection_make_no_epoll_ctl),
                CASE(g8_pauses_and_disarms_make_no_epoll_ctl),
                CASE(g8_a_rearm_afresh_makes_one_epoll_ctl_and_a_rearm_after_it_none),
                CASE(g8_new_direction_costs_one_epoll_ctl_and_an_old_one_none),
                CASE(g8_direction_that_was_asked_for_once_costs_nothing_later),
                CASE(g8_held_with_its_directions_makes_no_epoll_ctl_at_the_first_rearm),
                CASE(g8_hang_up_that_was_told_costs_one_epoll_ctl),
                CASE(g8_readiness_that_keeps_coming_costs_one_epoll_ctl_at_most),
                CASE(g8_rearm_of_a_nested_poll_costs_one_epoll_ctl_at_most),
        };

        return cmocka_run_group_tests_name("g08_epoll_ctl", cases, NULL, NULL);
}
