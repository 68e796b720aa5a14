/* SPDX-License-Identifier: MIT */
/*
 * A deadline passes while a thread owns the one-shot, the one-shot is armed for no direction, and the deadline is removed. The
 * kernel then tells of readiness that nobody asks for: that ended a wait with a batch in which there was nothing.
 */
#include "../support.h"

static void g13_removed_deadline_ends_no_wait_beside_what_the_kernel_tells(void **state) {
        struct fixture *fx = *state;
        struct weir_events *narrow;
        struct weir_event event;
        struct weir_waker *waker;
        int fd = make_eventfd(0);

        assert_int_equal(weir_events_create(1, &narrow), 0);
        assert_int_equal(weir_waker_create(fx->registry, 2, &waker), 0);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fd, weir_now()), 0);
        assert_int_equal(wait_ms(fx->poll, narrow, 0), 0); /* it is noted */

        /* A batch that is full of what the program made ready: the next wait looks at the kernel first. */
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(wait_ms(fx->poll, narrow, 0), 1);
        assert_true(weir_events_next(narrow, &event));
        assert_int_equal(event.token, 2);

        assert_int_equal(weir_rearm(fx->registry, fd, 0), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fd, WEIR_NEVER), 0);
        ring(fd);
        assert_int_equal(wait_ms(fx->poll, narrow, 0), 0);

        /* What came is kept. */
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        assert_int_equal(wait_ms(fx->poll, narrow, 0), 1);
        assert_true(weir_events_next(narrow, &event));
        assert_int_equal(event.token, 1);
        assert_true(weir_event_is_readable(&event));
        assert_false(weir_event_is_timeout(&event));

        weir_waker_destroy(waker);
        weir_events_destroy(narrow);
        close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = { CASE(g13_removed_deadline_ends_no_wait_beside_what_the_kernel_tells) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
