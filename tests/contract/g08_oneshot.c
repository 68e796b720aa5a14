/* SPDX-License-Identifier: MIT */
/*
 * G8 for one-shots and the fast way back: one event, silence, then weir_rearm(). What came between the drain and the
 * rearm is not missed, new directions work, armed ones are replaced, and one thread at a time owns the descriptor.
 */
#include "../support.h"

static void g8_oneshot_comes_once_and_then_is_silent(void **state) {
        struct fixture *fx = *state;
        int fds[2];

        make_pipe(fds);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_silence(fx);
        put(fds[1]);
        expect_one(fx, 1);
        for (unsigned i = 0; i < 5; i++) {
                put(fds[1]);
                expect_silence(fx);
                drain(fds[0]);
                put(fds[1]);
                expect_silence(fx);
        }
        /* Not even its end. */
        close(fds[1]);
        expect_silence(fx);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close(fds[0]);
}

static void g8_oneshot_comes_once_for_each_rearm(void **state) {
        struct fixture *fx = *state;
        int fds[2];

        make_pipe(fds);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (unsigned i = 0; i < 100; i++) {
                put(fds[1]);
                expect_one(fx, 1);
                drain(fds[0]);
                assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
        }
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

static void g8_drained_oneshot_does_not_come_back_for_ever(void **state) {
        struct fixture *fx = *state;
        struct weir_event got[BATCH];
        unsigned back = 0;
        int fds[2], n;

        make_pipe(fds);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (unsigned i = 0; i < 20; i++) {
                put(fds[1]);
                if (i % 2)
                        /* More data after the fetch, before the hand-out. */
                        fetch(fx, 1);
                put(fds[1]);
                expect_soon(fx, 1);
                drain(fds[0]);
                assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                /* Without new data it may come back now and then, never twice at once. */
                for (unsigned empty = 0; (n = collect(fx->poll, fx->events, 0, got, BATCH)) != 0; empty++) {
                        assert_int_equal(n, 1);
                        assert_true(empty < 3);
                        back++;
                        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                }
        }
        /* One more event per round would be a reactor that wakes for nothing. */
        assert_true(back <= 20);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

/* Takes events until one brings the byte; one that comes back without data is allowed. */
static void await_byte(struct fixture *fx, int fd) {
        size_t got = 0;

        for (unsigned tries = 0; got == 0; tries++) {
                assert_true(tries < 10);
                expect_one(fx, 1);
                got = drain(fd);
                assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        }
        assert_int_equal(got, 1);
}

static void g8_readiness_between_the_drain_and_the_rearm_is_not_missed(void **state) {
        void (*const makers[])(int *) = { make_pipe, make_socketpair, make_tcp_pair };
        struct fixture *fx = *state;
        char c;
        int fds[2];

        for (unsigned k = 0; k < ARRAY_LEN(makers); k++) {
                for (unsigned look = 0; look < 2; look++) {
                        makers[k](fds);
                        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
                        for (unsigned i = 0; i < 20; i++) {
                                put(fds[1]);
                                expect_one(fx, 1);
                                drain(fds[0]);
                                assert_int_equal(read(fds[0], &c, 1), -1);
                                assert_int_equal(errno, EAGAIN);
                                put(fds[1]);
                                /* Whether or not a wait has seen the edge before the rearm. */
                                if (look)
                                        expect_silence(fx);
                                assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                                await_byte(fx, fds[0]);
                        }
                        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
                        close_pair(fds);
                }
        }
}

static void g8_rearm_of_a_new_direction_brings_what_is_ready_there(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        put(pair[1]);
        expect_one(fx, 1);
        drain(pair[0]);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_WRITABLE), 0);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_writable(&event));
        assert_false(weir_event_is_readable(&event));
        expect_silence(fx);
        /* Back to the first one, with data that came while only writing was asked for. */
        put(pair[1]);
        expect_silence(fx);
        fill(pair[0]);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_readable(&event));
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

static void g8_direction_left_out_for_a_while_is_not_missed_later(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        /* Writing meets -EAGAIN, room comes while only reading is asked for, then both are asked for. */
        make_socketpair(pair);
        fill(pair[0]);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_WRITABLE | WEIR_ONESHOT), 0);
        put(pair[1]);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_readable(&event));
        assert_false(weir_event_is_writable(&event));
        drain(pair[0]);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
        drain(pair[1]);
        expect_silence(fx);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE | WEIR_WRITABLE), 0);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_writable(&event));
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

static void g8_rearm_while_armed_replaces_the_directions(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        /* Still armed for reading; from now on for writing alone, which is ready. */
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_WRITABLE), 0);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_writable(&event));
        fill(pair[0]);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_WRITABLE), 0);
        expect_silence(fx);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
        drain(pair[1]);
        /* Room to write came, and is not asked for any more. */
        expect_silence(fx);
        put(pair[1]);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_readable(&event));
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

static void g8_rearm_while_armed_with_the_same_direction_changes_nothing(void **state) {
        struct fixture *fx = *state;
        int fds[2];

        make_pipe(fds);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
        expect_silence(fx);
        put(fds[1]);
        expect_one(fx, 1);
        expect_silence(fx);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

static void g8_rearm_after_the_fetch_of_another_direction_keeps_the_mode(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 1);
        drain(fd);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE | WEIR_WRITABLE), 0);
        expect_one(fx, 1);
        /* Still a one-shot. */
        ring(fd);
        expect_silence(fx);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g8_oneshot_in_two_open_batches_is_handed_out_once(void **state) {
        struct fixture *fx = *state;
        struct weir_events *second = NULL;
        unsigned counts[2] = { 0 };
        int fds[2];

        make_pipe(fds);
        assert_int_equal(weir_events_create(4, &second), 0);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (unsigned i = 0; i < 4; i++) {
                put(fds[1]);
                fetch(fx, 1);
                /* Fetched and not taken, so it is still armed, and new data may fetch it once more. */
                if (i % 2)
                        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                put(fds[1]);
                assert_true(wait_ms(fx->poll, second, 0) >= 0);
                assert_true(tally_batch(i / 2 ? second : fx->events, counts, 2) >= 0);
                assert_true(tally_batch(i / 2 ? fx->events : second, counts, 2) >= 0);
                weir_events_clear(second);
                weir_events_clear(fx->events);
                for (unsigned idle = 0; idle < 2; idle++)
                        assert_true(tally(fx->poll, fx->events, 0, counts, 2) >= 0);
                assert_int_equal(counts[1], i + 1);
                drain(fds[0]);
                assert_int_equal(weir_reregister(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        }
        weir_events_destroy(second);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

static void g8_rearm_refuses_other_modes_and_mode_bits(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_EXCLUSIVE };
        const weir_interest bad[] = { WEIR_ONESHOT,
                                      WEIR_HELD,
                                      WEIR_LEVEL,
                                      WEIR_EXCLUSIVE,
                                      WEIR_READABLE | WEIR_ONESHOT,
                                      WEIR_READABLE | WEIR_LEVEL,
                                      WEIR_READABLE | WEIR_EXCLUSIVE,
                                      0x8,
                                      0x80000001 };
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(0);
        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | modes[m]), 0);
                assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), -EINVAL);
                assert_int_equal(weir_rearm(fx->registry, fd, 0), -EINVAL);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
        }
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (unsigned b = 0; b < ARRAY_LEN(bad); b++)
                assert_int_equal(weir_rearm(fx->registry, fd, bad[b]), -EINVAL);
        ring(fd);
        expect_one(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), -ENOENT);
        close(fd);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), -EBADF);
}

static void g8_reregister_rearms_a_oneshot_that_was_not_drained(void **state) {
        struct fixture *fx = *state;
        int fds[2];

        make_pipe(fds);
        put(fds[1]);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (unsigned i = 0; i < 5; i++) {
                expect_one(fx, 1);
                expect_silence(fx);
                assert_int_equal(weir_reregister(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        }
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

static void g8_retoken_of_a_disarmed_oneshot_does_not_arm_it(void **state) {
        struct fixture *fx = *state;
        int fds[2];

        make_pipe(fds);
        put(fds[1]);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 1);
        assert_int_equal(weir_retoken(fx->registry, fds[0], 2), 0);
        put(fds[1]);
        expect_silence(fx);
        drain(fds[0]);
        put(fds[1]);
        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
        expect_one(fx, 2);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_oneshot_comes_once_and_then_is_silent),
                CASE(g8_oneshot_comes_once_for_each_rearm),
                CASE(g8_drained_oneshot_does_not_come_back_for_ever),
                CASE(g8_readiness_between_the_drain_and_the_rearm_is_not_missed),
                CASE(g8_rearm_of_a_new_direction_brings_what_is_ready_there),
                CASE(g8_direction_left_out_for_a_while_is_not_missed_later),
                CASE(g8_rearm_while_armed_replaces_the_directions),
                CASE(g8_rearm_while_armed_with_the_same_direction_changes_nothing),
                CASE(g8_rearm_after_the_fetch_of_another_direction_keeps_the_mode),
                CASE(g8_oneshot_in_two_open_batches_is_handed_out_once),
                CASE(g8_rearm_refuses_other_modes_and_mode_bits),
                CASE(g8_reregister_rearms_a_oneshot_that_was_not_drained),
                CASE(g8_retoken_of_a_disarmed_oneshot_does_not_arm_it),
        };

        return cmocka_run_group_tests_name("g08_oneshot", cases, NULL, NULL);
}
