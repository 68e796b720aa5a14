/* SPDX-License-Identifier: MIT */
/*
 * G13 seen from another loop: once weir_poll_fd() was asked for, it polls readable when a deadline has passed, and when something
 * was triggered, whether an outer set watches by level or by edge. When all is taken it is quiet.
 */
#include "g13.h"

/* Until the outer loop would go to sleep, as it would do it. Returns how many events came. */
static unsigned exhaust(struct fixture *fx, int fd) {
        struct weir_event got[BATCH];
        unsigned waits = 0, total = 0;
        int n;

        while (polls_readable(fd, 0)) {
                assert_true(waits++ < 50);
                n = collect(fx->poll, fx->events, 0, got, BATCH);
                assert_true(n >= 0);
                total += (unsigned)n;
        }
        return total;
}

static int outer_make(int fd) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLET };
        int outer = epoll_create1(EPOLL_CLOEXEC);

        assert_true(outer >= 0);
        assert_int_equal(epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event), 0);
        return outer;
}

static bool outer_hears(int outer, int timeout_ms) {
        struct epoll_event event;

        return epoll_wait(outer, &event, 1, timeout_ms) == 1;
}

static void outer_quiet(int outer) {
        for (unsigned i = 0; outer_hears(outer, 0); i++)
                assert_true(i < 50);
}

static int registered(struct fixture *fx, weir_token token, weir_interest interest) {
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, token, interest), 0);
        return fd;
}

static void end(struct fixture *fx, int fd) {
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g13_deadline_makes_the_poll_fd_readable_and_not_early(void **state) {
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE), poll_fd = weir_poll_fd(fx->poll), outer;
        weir_time moment;

        assert_true(poll_fd >= 0);
        outer = outer_make(poll_fd);
        for (unsigned i = 0; i < 10; i++) {
                assert_int_equal(exhaust(fx, poll_fd), 0);
                outer_quiet(outer);
                moment = in_ms(i % 3);
                assert_int_equal(weir_set_deadline(fx->registry, fd, moment), 0);
                /* Something else may be heard before. */
                do
                        assert_true(outer_hears(outer, DEADLINE_MS));
                while (weir_now() < moment);
                assert_true(polls_readable(poll_fd, DEADLINE_MS));
                expect_timeout(fx, 1);
        }
        assert_int_equal(exhaust(fx, poll_fd), 0);
        close(outer);
        end(fx, fd);
}

static void g13_deadline_that_was_set_before_the_poll_fd_was_asked_for_makes_it_readable(void **state) {
        struct fixture *fx = *state;

        for (unsigned early = 0; early < 2; early++) {
                int fd = registered(fx, 1, WEIR_READABLE), poll_fd, outer;

                assert_int_equal(weir_set_deadline(fx->registry, fd, early ? PASSED : in_ms(3)), 0);
                poll_fd = weir_poll_fd(fx->poll);
                outer = outer_make(poll_fd);
                assert_true(outer_hears(outer, DEADLINE_MS));
                assert_true(polls_readable(poll_fd, DEADLINE_MS));
                for (unsigned waits = 0; exhaust(fx, poll_fd) == 0; waits++) {
                        assert_true(waits < 50);
                        assert_true(polls_readable(poll_fd, DEADLINE_MS));
                }
                close(outer);
                end(fx, fd);
        }
}

static void g13_waker_s_deadline_makes_the_poll_fd_readable(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        int poll_fd = weir_poll_fd(fx->poll);

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        for (unsigned i = 0; i < 5; i++) {
                assert_int_equal(exhaust(fx, poll_fd), 0);
                assert_int_equal(weir_waker_set_deadline(waker, in_ms(1)), 0);
                while (exhaust(fx, poll_fd) == 0)
                        assert_true(polls_readable(poll_fd, DEADLINE_MS));
        }
        weir_waker_destroy(waker);
}

/* One that was moved may make it readable once; then it is quiet until the moment comes. */
static void g13_deadline_that_was_moved_comes_at_its_moment(void **state) {
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE), poll_fd = weir_poll_fd(fx->poll), outer = outer_make(poll_fd);
        weir_time moment;
        unsigned got = 0;

        for (unsigned i = 0; i < 5; i++) {
                moment = in_ms(6);
                assert_int_equal(weir_set_deadline(fx->registry, fd, in_ms(2)), 0);
                assert_int_equal(weir_set_deadline(fx->registry, fd, moment), 0);
                for (got = 0; got == 0; got = exhaust(fx, poll_fd))
                        assert_true(outer_hears(outer, DEADLINE_MS));
                assert_int_equal(got, 1);
                assert_true(weir_now() >= moment);
        }
        assert_int_equal(weir_set_deadline(fx->registry, fd, in_ms(1)), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fd, WEIR_NEVER), 0);
        (void)polls_readable(poll_fd, 5);
        assert_int_equal(exhaust(fx, poll_fd), 0);
        assert_false(polls_readable(poll_fd, 0));
        close(outer);
        end(fx, fd);
}

/* The same moment again, when it has passed: an edge each time. */
static void g13_moment_that_has_passed_is_heard_each_time(void **state) {
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE), poll_fd = weir_poll_fd(fx->poll), outer = outer_make(poll_fd);

        for (unsigned i = 0; i < 10; i++) {
                assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
                assert_true(outer_hears(outer, DEADLINE_MS));
                expect_timeout(fx, 1);
                assert_int_equal(exhaust(fx, poll_fd), 0);
                outer_quiet(outer);
        }
        close(outer);
        end(fx, fd);
}

static void g13_more_that_is_due_than_the_batch_holds_keeps_the_poll_fd_readable(void **state) {
        struct fixture *fx = *state;
        struct weir_events *two = NULL;
        unsigned counts[10] = { 0 }, total = 0;
        int fds[10], poll_fd = weir_poll_fd(fx->poll), outer = outer_make(poll_fd);

        assert_int_equal(weir_events_create(2, &two), 0);
        for (unsigned i = 0; i < 10; i++) {
                fds[i] = registered(fx, i, WEIR_READABLE);
                assert_int_equal(weir_set_deadline(fx->registry, fds[i], PASSED), 0);
        }
        while (total < 10) {
                int n;

                assert_true(outer_hears(outer, DEADLINE_MS));
                n = tally(fx->poll, two, 0, counts, 10);
                assert_in_range(n, 1, 2);
                total += (unsigned)n;
        }
        weir_events_destroy(two);
        assert_int_equal(exhaust(fx, poll_fd), 0);
        close(outer);
        for (unsigned i = 0; i < 10; i++)
                end(fx, fds[i]);
}

static void g13_trigger_makes_the_poll_fd_readable(void **state) {
        const weir_interest modes[] = { WEIR_READABLE, WEIR_READABLE | WEIR_LEVEL, WEIR_READABLE | WEIR_ONESHOT };
        struct fixture *fx = *state;
        int poll_fd = weir_poll_fd(fx->poll), outer = outer_make(poll_fd);

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                int fd = registered(fx, 1, modes[m]);

                for (unsigned i = 0; i < 10; i++) {
                        assert_int_equal(exhaust(fx, poll_fd), 0);
                        outer_quiet(outer);
                        assert_int_equal(weir_trigger(fx->registry, fd), 0);
                        assert_true(outer_hears(outer, DEADLINE_MS));
                        assert_true(polls_readable(poll_fd, DEADLINE_MS));
                        expect_trigger(fx, 1);
                        if (modes[m] & WEIR_ONESHOT) {
                                assert_int_equal(weir_trigger(fx->registry, fd), 0);
                                outer_quiet(outer);
                                assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
                                assert_true(outer_hears(outer, DEADLINE_MS));
                                expect_trigger(fx, 1);
                                assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
                        }
                }
                end(fx, fd);
        }
        close(outer);
}

static void g13_rearm_of_a_nested_poll_brings_what_was_kept(void **state) {
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE | WEIR_ONESHOT), poll_fd = weir_poll_fd(fx->poll);

        for (unsigned i = 0; i < 10; i++) {
                assert_int_equal(weir_disarm(fx->registry, fd), 1);
                assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
                assert_int_equal(exhaust(fx, poll_fd), 0);
                assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
                assert_true(polls_readable(poll_fd, DEADLINE_MS));
                expect_timeout(fx, 1);
                assert_int_equal(exhaust(fx, poll_fd), 0);
                assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
                assert_int_equal(exhaust(fx, poll_fd), 0);
        }
        end(fx, fd);
}

static void g13_no_descriptor_of_the_poll_can_be_registered(void **state) {
        struct fixture *fx = *state;
        int before = lowest_free_descriptor(), poll_fd = weir_poll_fd(fx->poll);

        /* The outer set and its timer, whichever came first. */
        assert_true(poll_fd >= before);
        for (int fd = before; fd < before + 2; fd++) {
                assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), -EINVAL);
                assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g13_deadline_makes_the_poll_fd_readable_and_not_early),
                CASE(g13_deadline_that_was_set_before_the_poll_fd_was_asked_for_makes_it_readable),
                CASE(g13_waker_s_deadline_makes_the_poll_fd_readable),
                CASE(g13_deadline_that_was_moved_comes_at_its_moment),
                CASE(g13_moment_that_has_passed_is_heard_each_time),
                CASE(g13_more_that_is_due_than_the_batch_holds_keeps_the_poll_fd_readable),
                CASE(g13_trigger_makes_the_poll_fd_readable),
                CASE(g13_rearm_of_a_nested_poll_brings_what_was_kept),
                CASE(g13_no_descriptor_of_the_poll_can_be_registered),
        };

        return cmocka_run_group_tests_name("g13_nested", cases, NULL, NULL);
}
