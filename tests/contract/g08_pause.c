/* SPDX-License-Identifier: MIT */
/*
 * G8 for an interest without a direction: it stands for hang-ups and errors alone. That is how a connection pauses: it is silent
 * whatever its peer sends, tells when the peer is gone, and has lost nothing when it goes on.
 */
#include "../support.h"

static const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };

static void expect_no_direction(const struct weir_event *event) {
        assert_int_equal(event->readiness & (EPOLLIN | EPOLLOUT | EPOLLPRI), 0);
        assert_false(weir_event_is_writable(event));
}

static void g8_no_direction_is_silent_for_data_and_room(void **state) {
        struct fixture *fx = *state;
        int pair[2];

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                for (unsigned early = 0; early < 2; early++) {
                        make_socketpair(pair);
                        if (early)
                                put(pair[1]);
                        assert_int_equal(weir_register(fx->registry, pair[0], 1, modes[m]), 0);
                        expect_silence(fx);
                        put(pair[1]);
                        expect_silence(fx);
                        fill(pair[0]);
                        drain(pair[1]);
                        expect_silence(fx);
                        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                        close_pair(pair);
                }
        }
}

static void g8_no_direction_tells_of_a_hang_up(void **state) {
        void (*const makers[])(int *) = { make_pipe, make_socketpair };
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[2];

        /* One that came after the register, and one that was there. */
        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                for (unsigned way = 0; way < 4; way++) {
                        makers[way / 2](fds);
                        put(fds[1]);
                        if (way % 2)
                                close(fds[1]);
                        assert_int_equal(weir_register(fx->registry, fds[0], 1, modes[m]), 0);
                        if (way % 2 == 0) {
                                expect_silence(fx);
                                close(fds[1]);
                        }
                        for (unsigned i = 0; i < (modes[m] == WEIR_LEVEL ? 5 : 1); i++) {
                                event = expect_one(fx, 1);
                                expect_no_direction(&event);
                                assert_true(weir_event_is_read_closed(&event));
                        }
                        if (modes[m] != WEIR_LEVEL)
                                expect_silence(fx);
                        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
                        close(fds[0]);
                }
        }
}

static void g8_no_direction_tells_of_an_error(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[2];

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                make_pipe(fds);
                assert_int_equal(weir_register(fx->registry, fds[1], 1, modes[m]), 0);
                expect_silence(fx);
                close(fds[0]);
                event = expect_one(fx, 1);
                expect_no_direction(&event);
                assert_true(weir_event_is_error(&event));
                assert_true(weir_event_is_write_closed(&event));
                assert_int_equal(weir_deregister(fx->registry, fds[1]), 0);
                close(fds[1]);
        }
}

static void g8_pause_by_reregister_withdraws_what_was_fetched_and_loses_nothing(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        for (unsigned from = 0; from < ARRAY_LEN(modes); from++) {
                for (unsigned to = 0; to < ARRAY_LEN(modes); to++) {
                        make_socketpair(pair);
                        put(pair[1]);
                        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | modes[from]), 0);
                        fetch(fx, 1);
                        assert_int_equal(weir_reregister(fx->registry, pair[0], 2, modes[to]), 0);
                        expect_drained_batch(fx);
                        expect_silence(fx);
                        put(pair[1]);
                        expect_silence(fx);
                        assert_int_equal(weir_reregister(fx->registry, pair[0], 3, WEIR_READABLE | modes[from]), 0);
                        event = expect_one(fx, 3);
                        assert_true(weir_event_is_readable(&event));
                        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                        close_pair(pair);
                }
        }
}

/* ---------------------------------------------------------------- one-shots */

static void g8_pause_by_rearm_is_silent_until_the_next_rearm(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (unsigned i = 0; i < 40; i++) {
                put(pair[1]);
                event = expect_soon(fx, 1);
                assert_true(weir_event_is_readable(&event));
                drain(pair[0]);
                /* What comes in the pause is fetched in it, or at its end. */
                assert_int_equal(weir_rearm(fx->registry, pair[0], 0), 0);
                if (i % 2)
                        expect_silence(fx);
                if (i % 4 < 2)
                        put(pair[1]);
                if (i % 8 < 4)
                        expect_silence(fx);
                assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
                if (i % 4 < 2) {
                        event = expect_soon(fx, 1);
                        assert_true(weir_event_is_readable(&event));
                        drain(pair[0]);
                        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
                }
        }
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

static void g8_pause_by_rearm_hides_what_was_told_and_not_read(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        /* A paused connection is one that reads nothing; who left data there looks afresh. */
        make_socketpair(pair);
        put(pair[1]);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 1);
        assert_int_equal(weir_rearm(fx->registry, pair[0], 0), 0);
        expect_silence(fx);
        put(pair[1]);
        expect_silence(fx);
        assert_int_equal(weir_reregister(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_readable(&event));
        assert_int_equal(drain(pair[0]), 2);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

static void g8_hang_up_ends_a_pause(void **state) {
        void (*const makers[])(int *) = { make_pipe, make_socketpair };
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[2];

        /* It comes in the pause, or while the descriptor is owned. */
        for (unsigned way = 0; way < 8; way++) {
                makers[way % 2](fds);
                put(fds[1]);
                assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
                expect_one(fx, 1);
                drain(fds[0]);
                if (way & 2)
                        close(fds[1]);
                if (way & 4)
                        expect_silence(fx);
                assert_int_equal(weir_rearm(fx->registry, fds[0], 0), 0);
                if (!(way & 2)) {
                        expect_silence(fx);
                        close(fds[1]);
                }
                event = expect_one(fx, 1);
                expect_no_direction(&event);
                assert_true(weir_event_is_read_closed(&event));
                assert_true(at_end(fds[0]));
                assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
                close(fds[0]);
        }
}

static void g8_rearm_without_a_direction_while_armed_replaces_what_was_armed(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_int_equal(weir_rearm(fx->registry, pair[0], 0), 0);
        put(pair[1]);
        expect_silence(fx);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
        event = expect_soon(fx, 1);
        assert_true(weir_event_is_readable(&event));
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

static void g8_oneshot_that_was_registered_in_a_pause_takes_directions_later(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        make_socketpair(pair);
        put(pair[1]);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_ONESHOT), 0);
        expect_silence(fx);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_readable(&event));
        assert_false(weir_event_is_writable(&event));
        drain(pair[0]);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_WRITABLE), 0);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_writable(&event));
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_no_direction_is_silent_for_data_and_room),
                CASE(g8_no_direction_tells_of_a_hang_up),
                CASE(g8_no_direction_tells_of_an_error),
                CASE(g8_pause_by_reregister_withdraws_what_was_fetched_and_loses_nothing),
                CASE(g8_pause_by_rearm_is_silent_until_the_next_rearm),
                CASE(g8_pause_by_rearm_hides_what_was_told_and_not_read),
                CASE(g8_hang_up_ends_a_pause),
                CASE(g8_rearm_without_a_direction_while_armed_replaces_what_was_armed),
                CASE(g8_oneshot_that_was_registered_in_a_pause_takes_directions_later),
        };

        return cmocka_run_group_tests_name("g08_pause", cases, NULL, NULL);
}
