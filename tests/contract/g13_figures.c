/* SPDX-License-Identifier: MIT */
/*
 * G13 in the figures and in the table: how many deadlines are set, what was handed out, and that the table tells the deadline. What
 * the text looks like is nobody's promise.
 */
#include "g13.h"

static void g13_figures_follow_every_call(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct weir_stats stats;
        int fds[3];

        assert_int_equal(weir_waker_create(fx->registry, 9, &waker), 0);
        for (unsigned i = 0; i < 3; i++) {
                fds[i] = make_eventfd(0);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | WEIR_ONESHOT), 0);
                assert_int_equal(stats_of(fx->registry).deadlines, i);
                assert_int_equal(weir_set_deadline(fx->registry, fds[i], far_off()), 0);
        }
        assert_int_equal(weir_waker_set_deadline(waker, far_off()), 0);
        assert_int_equal(stats_of(fx->registry).deadlines, 4);
        /* Moved, removed, ended with its registration, and passed. */
        assert_int_equal(weir_set_deadline(fx->registry, fds[0], far_off()), 0);
        assert_int_equal(stats_of(fx->registry).deadlines, 4);
        assert_int_equal(weir_set_deadline(fx->registry, fds[0], WEIR_NEVER), 0);
        assert_int_equal(stats_of(fx->registry).deadlines, 3);
        assert_int_equal(weir_deregister(fx->registry, fds[1]), 0);
        assert_int_equal(stats_of(fx->registry).deadlines, 2);
        assert_int_equal(weir_set_deadline(fx->registry, fds[2], PASSED), 0);
        fetch(fx, 1);
        assert_int_equal(stats_of(fx->registry).deadlines, 2);
        take_bits(fx, 2, TIMEOUT);
        assert_int_equal(stats_of(fx->registry).deadlines, 1);
        weir_events_clear(fx->events);
        weir_waker_destroy(waker);
        stats = stats_of(fx->registry);
        assert_int_equal(stats.deadlines, 0);
        assert_int_equal(stats.timeouts, 1);
        assert_int_equal(stats.triggers, 0);
        assert_int_equal(stats.wakes, 0);
        assert_int_equal(stats.events, 1);
        /* One event may be both. */
        assert_int_equal(weir_trigger(fx->registry, fds[2]), 0);
        assert_int_equal(weir_trigger(fx->registry, fds[2]), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fds[2], PASSED), 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0); /* it is owned */
        assert_int_equal(weir_rearm(fx->registry, fds[2], WEIR_READABLE), 0);
        expect_bits(fx, 2, TIMEOUT | TRIGGERED);
        stats = stats_of(fx->registry);
        assert_int_equal(stats.events, 2);
        assert_int_equal(stats.timeouts, 2);
        assert_int_equal(stats.triggers, 1);
        for (unsigned i = 0; i < 3; i++) {
                (void)weir_deregister(fx->registry, fds[i]);
                close(fds[i]);
        }
}

static void g13_table_tells_the_deadline(void **state) {
        struct fixture *fx = *state;
        char without[512], with[512], passed[512];
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        assert_true(weir_registry_format(fx->registry, without, sizeof(without)) > 0);
        assert_int_equal(weir_set_deadline(fx->registry, fd, far_off()), 0);
        assert_true(weir_registry_format(fx->registry, with, sizeof(with)) > 0);
        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
        assert_true(weir_registry_format(fx->registry, passed, sizeof(passed)) > 0);
        assert_string_not_equal(with, without);
        assert_string_not_equal(passed, without);
        assert_string_not_equal(passed, with);
        expect_timeout(fx, 1);
        assert_true(weir_registry_format(fx->registry, with, sizeof(with)) > 0);
        assert_string_equal(with, without);
        assert_int_equal(weir_trigger(fx->registry, fd), 0);
        assert_true(weir_registry_format(fx->registry, with, sizeof(with)) > 0);
        assert_string_not_equal(with, without);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g13_event_is_told_as_text(void **state) {
        struct weir_event events[] = { { 1, EPOLLIN, 0 }, { 1, EPOLLIN | TIMEOUT, 0 }, { 1, EPOLLIN | TRIGGERED, 0 } };
        char texts[3][128];

        (void)state;
        for (unsigned i = 0; i < 3; i++)
                assert_in_range(weir_event_format(&events[i], texts[i], sizeof(texts[i])), 1, 127);
        assert_string_not_equal(texts[0], texts[1]);
        assert_string_not_equal(texts[0], texts[2]);
        assert_string_not_equal(texts[1], texts[2]);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g13_figures_follow_every_call),
                CASE(g13_table_tells_the_deadline),
                CASE(g13_event_is_told_as_text),
        };

        return cmocka_run_group_tests_name("g13_figures", cases, NULL, NULL);
}
