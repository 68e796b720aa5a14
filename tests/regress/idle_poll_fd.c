/* SPDX-License-Identifier: MIT */
/*
 * The descriptor of a poll in which nothing is ready is not readable when it is first asked for, whatever happened in the poll
 * before; an outer loop has nothing to do.
 */
#include "../support.h"

static bool outer_hears(int fd) {
        struct epoll_event event = { .events = EPOLLIN };
        int outer, n;

        outer = epoll_create1(EPOLL_CLOEXEC);
        assert_true(outer >= 0);
        assert_int_equal(epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event), 0);
        n = epoll_wait(outer, &event, 1, 0);
        close(outer);
        return n != 0;
}

static void expect_idle(struct fixture *fx) {
        int fd = weir_poll_fd(fx->poll);

        assert_true(fd >= 0);
        assert_false(polls_readable(fd, 0));
        assert_false(outer_hears(fd));
        /* And it works. */
        expect_silence(fx);
        assert_false(polls_readable(fd, 0));
}

static void g9_fresh_poll_is_idle(void **state) {
        expect_idle(*state);
}

static void g9_poll_with_a_descriptor_that_is_not_ready_is_idle(void **state) {
        struct fixture *fx = *state;
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_LEVEL), 0);
        expect_idle(fx);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g9_poll_that_was_waited_on_is_idle(void **state) {
        struct fixture *fx = *state;

        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        expect_idle(fx);
}

static void g9_poll_whose_wakes_were_taken_is_idle(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct waiter waiter;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        waiter_start(&waiter, fx->poll);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        expect_idle(fx);
        weir_waker_destroy(waker);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g9_fresh_poll_is_idle),
                CASE(g9_poll_with_a_descriptor_that_is_not_ready_is_idle),
                CASE(g9_poll_that_was_waited_on_is_idle),
                CASE(g9_poll_whose_wakes_were_taken_is_idle),
        };

        return cmocka_run_group_tests_name("idle_poll_fd", cases, NULL, NULL);
}
