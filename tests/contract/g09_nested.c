/* SPDX-License-Identifier: MIT */
/*
 * G9 seen from another loop: once weir_poll_fd() was asked for, it polls readable while a wait has something to look
 * at: wakes, leftovers of small and of half-read batches, readiness that a rearm found, and what was there before it
 * was asked for. When all is taken it is quiet, or the outer loop would spin.
 */
#include "../support.h"

/* Until the outer loop would go to sleep, as it would do it. */
static void exhaust(struct fixture *fx, int fd) {
        unsigned counts[16] = { 0 }, waits = 0;

        while (polls_readable(fd, 0)) {
                assert_true(waits++ < 50);
                assert_true(tally(fx->poll, fx->events, 0, counts, 16) >= 0);
        }
}

static int outer_make(int fd) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLET };
        int outer;

        outer = epoll_create1(EPOLL_CLOEXEC);
        assert_true(outer >= 0);
        assert_int_equal(epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event), 0);
        return outer;
}

/* An edge-triggered outer set hears; all edges so far are taken with it. */
static bool outer_hears(int outer, int timeout_ms) {
        struct epoll_event event;

        return epoll_wait(outer, &event, 1, timeout_ms) == 1;
}

static void outer_quiet(int outer) {
        for (unsigned i = 0; outer_hears(outer, 0); i++)
                assert_true(i < 50);
}

static void g9_poll_fd_is_one_and_the_same_and_close_on_exec(void **state) {
        struct fixture *fx = *state;
        struct weir_registry *clone;
        int fd;

        fd = weir_poll_fd(fx->poll);
        assert_true(fd >= 0);
        assert_int_equal(weir_poll_fd(fx->poll), fd);
        assert_int_equal(weir_registry_fd(fx->registry), fd);
        clone = weir_registry_clone(fx->registry);
        assert_int_equal(weir_registry_fd(clone), fd);
        weir_registry_release(clone);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        /* Nothing is ready, and so it says from the beginning. */
        assert_false(polls_readable(fd, 0));
}

static void g9_first_wake_makes_the_poll_fd_readable(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        int fd, outer;

        fd = weir_poll_fd(fx->poll);
        exhaust(fx, fd);
        outer = outer_make(fd);
        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        for (unsigned i = 0; i < 20; i++) {
                assert_false(polls_readable(fd, 0));
                outer_quiet(outer);
                assert_int_equal(weir_waker_wake(waker), 0);
                assert_true(polls_readable(fd, DEADLINE_MS));
                assert_true(outer_hears(outer, DEADLINE_MS));
                /* More wakes change nothing. */
                assert_int_equal(weir_waker_wake(waker), 0);
                expect_one(fx, 1);
                exhaust(fx, fd);
        }
        close(outer);
        weir_waker_destroy(waker);
}

static void g9_wake_inside_the_handler_makes_the_poll_fd_readable(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct weir_event event;
        int fd, outer;

        fd = weir_poll_fd(fx->poll);
        outer = outer_make(fd);
        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(weir_waker_wake(waker), 0);
                assert_true(outer_hears(outer, DEADLINE_MS));
                fetch(fx, 1);
                assert_true(weir_events_next(fx->events, &event));
                assert_int_equal(weir_waker_wake(waker), 0);
                weir_events_clear(fx->events);
                assert_true(polls_readable(fd, DEADLINE_MS));
                assert_true(outer_hears(outer, DEADLINE_MS));
                expect_one(fx, 1);
                exhaust(fx, fd);
                outer_quiet(outer);
        }
        close(outer);
        weir_waker_destroy(waker);
}

static void g9_wake_before_the_poll_fd_was_asked_for_makes_it_readable(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        int fd, outer;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fd = weir_poll_fd(fx->poll);
        assert_true(polls_readable(fd, DEADLINE_MS));
        outer = outer_make(fd);
        assert_true(outer_hears(outer, DEADLINE_MS));
        expect_one(fx, 1);
        exhaust(fx, fd);
        close(outer);
        weir_waker_destroy(waker);
}

static void g9_leftovers_from_before_the_poll_fd_was_asked_for_make_it_readable(void **state) {
        struct fixture *fx = *state;
        int fd, ready;

        ready = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, ready, 1, WEIR_READABLE), 0);
        fetch(fx, 1);
        weir_events_clear(fx->events);
        fd = weir_poll_fd(fx->poll);
        assert_true(polls_readable(fd, DEADLINE_MS));
        expect_one(fx, 1);
        exhaust(fx, fd);
        assert_int_equal(weir_deregister(fx->registry, ready), 0);
        close(ready);
}

static void g9_readiness_of_a_descriptor_makes_the_poll_fd_readable(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        int fd, outer, fds[2];

        fd = weir_poll_fd(fx->poll);
        outer = outer_make(fd);
        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                make_pipe(fds);
                assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | modes[m]), 0);
                exhaust(fx, fd);
                outer_quiet(outer);
                put(fds[1]);
                assert_true(polls_readable(fd, DEADLINE_MS));
                assert_true(outer_hears(outer, DEADLINE_MS));
                expect_one(fx, 1);
                if (modes[m] == WEIR_LEVEL) {
                        assert_true(polls_readable(fd, DEADLINE_MS));
                        drain(fds[0]);
                }
                exhaust(fx, fd);
                assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
                close_pair(fds);
        }
        close(outer);
}

static void g9_poll_fd_stays_readable_for_wakes_that_did_not_fit(void **state) {
        const unsigned capacities[] = { 1, 3 };
        struct fixture *fx = *state;
        int fd, outer;

        fd = weir_poll_fd(fx->poll);
        outer = outer_make(fd);
        for (unsigned c = 0; c < ARRAY_LEN(capacities); c++) {
                struct weir_waker *wakers[10] = { 0 };
                struct weir_events *small = NULL;
                unsigned counts[10] = { 0 };

                assert_int_equal(weir_events_create(capacities[c], &small), 0);
                for (unsigned i = 0; i < 10; i++) {
                        assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
                        assert_int_equal(weir_waker_wake(wakers[i]), 0);
                }
                for (unsigned taken = 0; taken < 10;) {
                        int n;

                        /* The outer loop asks before each wait. */
                        assert_true(polls_readable(fd, DEADLINE_MS));
                        n = tally(fx->poll, small, 0, counts, 10);
                        assert_in_range(n, 1, capacities[c]);
                        taken += (unsigned)n;
                }
                for (unsigned i = 0; i < 10; i++)
                        assert_int_equal(counts[i], 1);
                exhaust(fx, fd);
                outer_quiet(outer);
                /* And the next wake is a first one again. */
                assert_int_equal(weir_waker_wake(wakers[0]), 0);
                assert_true(outer_hears(outer, DEADLINE_MS));
                assert_int_equal(tally(fx->poll, small, 0, counts, 10), 1);
                exhaust(fx, fd);
                for (unsigned i = 0; i < 10; i++)
                        weir_waker_destroy(wakers[i]);
                weir_events_destroy(small);
        }
        close(outer);
}

static void g9_poll_fd_stays_readable_for_descriptors_that_did_not_fit(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct weir_events *single = NULL;
        unsigned counts[10];
        int fd, fds[10];

        fd = weir_poll_fd(fx->poll);
        assert_int_equal(weir_events_create(1, &single), 0);
        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                memset(counts, 0, sizeof(counts));
                for (unsigned i = 0; i < 10; i++) {
                        fds[i] = make_eventfd(1);
                        assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | modes[m]), 0);
                }
                for (unsigned seen = 0, waits = 0; seen < 10; waits++) {
                        assert_true(waits < 1000);
                        assert_true(polls_readable(fd, DEADLINE_MS));
                        assert_int_equal(tally(fx->poll, single, 0, counts, 10), 1);
                        while (seen < 10 && counts[seen])
                                seen++;
                }
                for (unsigned i = 0; i < 10; i++) {
                        assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                        close(fds[i]);
                }
                exhaust(fx, fd);
        }
        weir_events_destroy(single);
}

static void g9_poll_fd_becomes_readable_for_what_a_half_read_batch_left(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct weir_poll *other = NULL;
        struct weir_event event;
        int fd, outer, ready = -1;

        fd = weir_poll_fd(fx->poll);
        outer = outer_make(fd);
        assert_int_equal(weir_poll_create(&other), 0);
        assert_int_equal(weir_waker_create(fx->registry, 7, &waker), 0);
        /* An edge, a one-shot and a wake, left by a clear and by a wait at another poll. */
        for (unsigned i = 0; i < 6; i++) {
                if (i / 2 < 2) {
                        ready = make_eventfd(1);
                        assert_int_equal(
                                weir_register(fx->registry, ready, 7, WEIR_READABLE | (i / 2 ? WEIR_ONESHOT : 0)), 0);
                } else {
                        assert_int_equal(weir_waker_wake(waker), 0);
                }
                fetch(fx, 1);
                outer_quiet(outer);
                if (i % 2)
                        weir_events_clear(fx->events);
                else
                        assert_int_equal(wait_ms(other, fx->events, 0), 0);
                assert_true(polls_readable(fd, DEADLINE_MS));
                assert_true(outer_hears(outer, DEADLINE_MS));
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), 1);
                assert_true(weir_events_next(fx->events, &event));
                assert_int_equal(event.token, 7);
                weir_events_clear(fx->events);
                exhaust(fx, fd);
                if (i / 2 < 2) {
                        assert_int_equal(weir_deregister(fx->registry, ready), 0);
                        close(ready);
                }
        }
        weir_waker_destroy(waker);
        weir_poll_destroy(other);
        close(outer);
}

static void g9_poll_fd_becomes_readable_for_what_a_rearm_found(void **state) {
        struct fixture *fx = *state;
        int fd, outer, fds[2];

        fd = weir_poll_fd(fx->poll);
        outer = outer_make(fd);
        make_pipe(fds);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (unsigned i = 0; i < 10; i++) {
                put(fds[1]);
                assert_true(outer_hears(outer, DEADLINE_MS));
                expect_one(fx, 1);
                drain(fds[0]);
                put(fds[1]);
                /* The loop looks, finds nothing that was asked for, and goes back to sleep. */
                exhaust(fx, fd);
                outer_quiet(outer);
                assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                assert_true(polls_readable(fd, DEADLINE_MS));
                assert_true(outer_hears(outer, DEADLINE_MS));
                expect_one(fx, 1);
                drain(fds[0]);
                assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                exhaust(fx, fd);
        }
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
        close(outer);
}

static void g9_nested_poll_is_a_source_of_another_poll(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct weir_events *events = NULL;
        struct weir_waker *waker = NULL;
        struct weir_poll *inner = NULL;
        unsigned counts[2];

        assert_int_equal(weir_poll_create(&inner), 0);
        assert_int_equal(weir_events_create(4, &events), 0);
        assert_int_equal(weir_waker_create(weir_poll_registry(inner), 1, &waker), 0);
        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                for (unsigned i = 0; polls_readable(weir_poll_fd(inner), 0); i++) {
                        assert_true(i < 50);
                        assert_int_equal(tally(inner, events, 0, counts, 2), 0);
                }
                assert_int_equal(weir_register(fx->registry, weir_poll_fd(inner), 5, WEIR_READABLE | modes[m]), 0);
                expect_silence(fx);
                memset(counts, 0, sizeof(counts));
                assert_int_equal(weir_waker_wake(waker), 0);
                expect_one(fx, 5);
                while (tally(inner, events, 0, counts, 2) > 0)
                        continue;
                assert_int_equal(counts[1], 1);
                assert_int_equal(weir_deregister(fx->registry, weir_poll_fd(inner)), 0);
        }
        weir_waker_destroy(waker);
        weir_events_destroy(events);
        weir_poll_destroy(inner);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g9_poll_fd_is_one_and_the_same_and_close_on_exec),
                CASE(g9_first_wake_makes_the_poll_fd_readable),
                CASE(g9_wake_inside_the_handler_makes_the_poll_fd_readable),
                CASE(g9_wake_before_the_poll_fd_was_asked_for_makes_it_readable),
                CASE(g9_leftovers_from_before_the_poll_fd_was_asked_for_make_it_readable),
                CASE(g9_readiness_of_a_descriptor_makes_the_poll_fd_readable),
                CASE(g9_poll_fd_stays_readable_for_wakes_that_did_not_fit),
                CASE(g9_poll_fd_stays_readable_for_descriptors_that_did_not_fit),
                CASE(g9_poll_fd_becomes_readable_for_what_a_half_read_batch_left),
                CASE(g9_poll_fd_becomes_readable_for_what_a_rearm_found),
                CASE(g9_nested_poll_is_a_source_of_another_poll),
        };

        return cmocka_run_group_tests_name("g09_nested", cases, NULL, NULL);
}
