/* SPDX-License-Identifier: MIT */
/*
 * The peer writes a little and leaves while a one-shot is armed for writing alone: that event tells of the hang-up. The
 * reader, armed later, still gets the data by one event and, after a short count, the end of the stream by another.
 */
#include "../support.h"

static void g8_end_told_to_a_writer_is_told_to_the_reader_too(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        char buffer[100];
        int fds[2], n;

        make_socketpair(fds);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_WRITABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 1);
        assert_int_equal(drain(fds[0]), 0);
        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_WRITABLE), 0);
        put(fds[1]);
        close(fds[1]);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_writable(&event));
        /* Reading was drained before. What came since is not missed. */
        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
        expect_one(fx, 1);
        assert_int_equal(read(fds[0], buffer, sizeof(buffer)), 1);
        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_read_closed(&event));
        assert_true(at_end(fds[0]));
        /* It lasts. Who rearms nevertheless may be told so again, once each time, and of nothing else. */
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                n = collect(fx->poll, fx->events, 0, &event, 1);
                assert_in_range(n, 0, 1);
                if (n == 1)
                        assert_true(weir_event_is_read_closed(&event));
                assert_int_equal(collect(fx->poll, fx->events, 0, &event, 1), 0);
        }
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close(fds[0]);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_end_told_to_a_writer_is_told_to_the_reader_too),
        };

        return cmocka_run_group_tests_name("end_told_to_a_writer", cases, NULL, NULL);
}
