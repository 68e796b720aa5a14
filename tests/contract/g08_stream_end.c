/* SPDX-License-Identifier: MIT */
/*
 * G8 at the end of a stream: a reader that takes a one-shot, meets a short count and rearms must still learn that the
 * peer is gone, whenever the peer went: before the register, before the fetch, before the hand-out, before the read,
 * before the rearm or after it. The kernel may have told all in one edge, so nothing more will come from it.
 */
#include "../support.h"

enum when {
        BEFORE_REGISTER,
        BEFORE_FETCH,
        BEFORE_NEXT,
        BEFORE_READ,
        BEFORE_REARM,
        AFTER_REARM,
        N_WHEN,
};

enum how {
        BY_CLOSE,
        BY_SHUTDOWN,
        N_HOW,
};

static void leave(enum when now, enum when when, enum how how, int fds[2]) {
        if (now != when)
                return;
        if (how == BY_SHUTDOWN)
                assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
        else
                close(fds[1]);
}

/* Waits, reads a short count and rearms until the end has been met. */
static void learn_of_the_end(struct fixture *fx, int fds[2], weir_interest interest, enum when when, enum how how) {
        struct weir_event event;
        char buffer[100];
        ssize_t n;

        for (unsigned tries = 0;; tries++) {
                assert_true(tries < 10);
                if (tries == 0)
                        leave(BEFORE_FETCH, when, how, fds);
                /* A missed end keeps this wait here until its deadline. */
                assert_int_equal(wait_ms(fx->poll, fx->events, DEADLINE_MS), 1);
                if (tries == 0)
                        leave(BEFORE_NEXT, when, how, fds);
                assert_true(weir_events_next(fx->events, &event));
                assert_int_equal(event.token, 1);
                if (tries == 0)
                        leave(BEFORE_READ, when, how, fds);
                n = read(fds[0], buffer, sizeof(buffer));
                if (n == 0)
                        return;
                /* It may come back without data now and then. */
                if (n < 0)
                        assert_int_equal(errno, EAGAIN);
                else
                        assert_in_range(n, 1, sizeof(buffer) - 1);
                if (tries == 0)
                        leave(BEFORE_REARM, when, how, fds);
                assert_int_equal(weir_rearm(fx->registry, fds[0], interest), 0);
                if (tries == 0)
                        leave(AFTER_REARM, when, how, fds);
        }
}

static void end_of(struct fixture *fx, void (*make)(int *), enum how how) {
        int fds[2];

        for (unsigned when = 0; when < N_WHEN; when++) {
                make(fds);
                assert_int_equal(write(fds[1], "abc", 3), 3);
                leave(BEFORE_REGISTER, when, how, fds);
                assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
                learn_of_the_end(fx, fds, WEIR_READABLE, when, how);
                weir_events_clear(fx->events);
                assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
                close(fds[0]);
                if (how == BY_SHUTDOWN)
                        close(fds[1]);
        }
}

static void g8_end_of_a_pipe_after_a_short_read_is_not_missed(void **state) {
        end_of(*state, make_pipe, BY_CLOSE);
}

static void g8_end_of_a_unix_socket_after_a_short_read_is_not_missed(void **state) {
        end_of(*state, make_socketpair, BY_CLOSE);
}

static void g8_half_close_of_a_unix_socket_after_a_short_read_is_not_missed(void **state) {
        end_of(*state, make_socketpair, BY_SHUTDOWN);
}

static void g8_end_of_a_tcp_socket_after_a_short_read_is_not_missed(void **state) {
        end_of(*state, make_tcp_pair, BY_CLOSE);
}

static void g8_half_close_of_a_tcp_socket_after_a_short_read_is_not_missed(void **state) {
        end_of(*state, make_tcp_pair, BY_SHUTDOWN);
}

static void g8_end_is_not_missed_by_a_rearm_of_several_rounds(void **state) {
        struct fixture *fx = *state;
        char buffer[100];
        int fds[2];

        /* The end was in an edge of which reading was not asked for at that time. */
        make_socketpair(fds);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        put(fds[1]);
        expect_one(fx, 1);
        assert_int_equal(read(fds[0], buffer, sizeof(buffer)), 1);
        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_WRITABLE), 0);
        expect_one(fx, 1);
        assert_int_equal(write(fds[1], "abc", 3), 3);
        assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
        expect_silence(fx);
        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
        learn_of_the_end(fx, fds, WEIR_READABLE, N_WHEN, BY_CLOSE);
        weir_events_clear(fx->events);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

static void g8_error_after_the_write_side_was_drained_is_not_missed(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[2];

        /* The reader of the pipe leaves between the -EAGAIN of the writer and its rearm. */
        make_pipe(fds);
        assert_int_equal(weir_register(fx->registry, fds[1], 1, WEIR_WRITABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 1);
        fill(fds[1]);
        close(fds[0]);
        expect_silence(fx);
        assert_int_equal(weir_rearm(fx->registry, fds[1], WEIR_WRITABLE), 0);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_error(&event));
        assert_int_equal(weir_deregister(fx->registry, fds[1]), 0);
        close(fds[1]);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_end_of_a_pipe_after_a_short_read_is_not_missed),
                CASE(g8_end_of_a_unix_socket_after_a_short_read_is_not_missed),
                CASE(g8_half_close_of_a_unix_socket_after_a_short_read_is_not_missed),
                CASE(g8_end_of_a_tcp_socket_after_a_short_read_is_not_missed),
                CASE(g8_half_close_of_a_tcp_socket_after_a_short_read_is_not_missed),
                CASE(g8_end_is_not_missed_by_a_rearm_of_several_rounds),
                CASE(g8_error_after_the_write_side_was_drained_is_not_missed),
        };

        return cmocka_run_group_tests_name("g08_stream_end", cases, NULL, NULL);
}
