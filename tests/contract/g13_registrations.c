/* SPDX-License-Identifier: MIT */
/*
 * G13 for what becomes of a registration: reregister, rearm and retoken leave the deadline, and what is pending comes under the
 * token, mode and arming that hold then. Register anew, deregister and waker_destroy end both; close(2) alone does not, and
 * neither does the cure of a ghost.
 */
#include "g13.h"

static int registered(struct fixture *fx, weir_token token, weir_interest interest) {
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, token, interest), 0);
        return fd;
}

static void end(struct fixture *fx, int fd) {
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

/* Where the timeout and the trigger are when something is done to their registration. */
enum stage { TO_COME, PENDING, FETCHED, UNREAD, STAGES };

/* Both are on their way. */
static void set_out(struct fixture *fx, int fd, enum stage stage) {
        assert_int_equal(weir_set_deadline(fx->registry, fd, stage == TO_COME ? in_ms(3) : PASSED), 0);
        assert_int_equal(weir_trigger(fx->registry, fd), 0);
        if (stage < FETCHED)
                return;
        fetch(fx, 1);
        if (stage == UNREAD)
                weir_events_clear(fx->events);
}

/* Both come, under this token alone, and once. */
static void expect_both(struct fixture *fx, int fd, weir_token token) {
        struct weir_event event;
        uint32_t bits = 0;

        while (bits != (TIMEOUT | TRIGGERED)) {
                if (!weir_events_next(fx->events, &event)) {
                        assert_true(wait_ms(fx->poll, fx->events, DEADLINE_MS) > 0);
                        continue;
                }
                assert_int_equal(event.token, token);
                assert_int_equal(event.readiness & bits, 0);
                bits |= event.readiness;
                /* If it is a one-shot. */
                (void)weir_rearm(fx->registry, fd, WEIR_READABLE);
        }
        weir_events_clear(fx->events);
        expect_silence(fx);
}

static const weir_interest modes[] = { WEIR_READABLE, WEIR_READABLE | WEIR_LEVEL, WEIR_READABLE | WEIR_ONESHOT };

static void g13_reregister_leaves_both(void **state) {
        struct fixture *fx = *state;

        for (enum stage stage = 0; stage < STAGES; stage++) {
                for (unsigned from = 0; from < ARRAY_LEN(modes); from++) {
                        for (unsigned to = 0; to < ARRAY_LEN(modes); to++) {
                                for (weir_token token = 1; token < 3; token++) {
                                        int fd = registered(fx, 1, modes[from]);

                                        set_out(fx, fd, stage);
                                        assert_int_equal(weir_reregister(fx->registry, fd, token, modes[to]), 0);
                                        expect_both(fx, fd, token);
                                        end(fx, fd);
                                }
                        }
                }
        }
}

static void g13_retoken_leaves_both(void **state) {
        struct fixture *fx = *state;

        for (enum stage stage = 0; stage < STAGES; stage++) {
                for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                        int fd = registered(fx, 1, modes[m]);

                        set_out(fx, fd, stage);
                        assert_int_equal(weir_retoken(fx->registry, fd, 2), 0);
                        expect_both(fx, fd, 2);
                        end(fx, fd);
                }
        }
}

static void g13_rearm_leaves_both(void **state) {
        struct fixture *fx = *state;

        for (enum stage stage = 0; stage < STAGES; stage++) {
                int fd = registered(fx, 1, WEIR_READABLE | WEIR_ONESHOT);

                set_out(fx, fd, stage);
                assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
                expect_both(fx, fd, 1);
                end(fx, fd);
        }
}

static void g13_disarm_keeps_both_for_the_rearm(void **state) {
        struct fixture *fx = *state;

        for (enum stage stage = 0; stage < STAGES; stage++) {
                int fd = registered(fx, 1, WEIR_READABLE | WEIR_ONESHOT);

                set_out(fx, fd, stage);
                assert_int_equal(weir_disarm(fx->registry, fd), 1);
                if (stage == TO_COME) {
                        weir_time moment = in_ms(5);

                        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, moment), 0);
                } else {
                        expect_silence(fx);
                }
                assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
                expect_both(fx, fd, 1);
                end(fx, fd);
        }
}

/* A wait longer than what was to come. */
static void expect_nothing_any_more(struct fixture *fx) {
        weir_time moment = in_ms(5);

        expect_silence(fx);
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, moment), 0);
        assert_true(weir_now() >= moment);
}

static void g13_deregister_ends_both(void **state) {
        struct fixture *fx = *state;

        for (enum stage stage = 0; stage < STAGES; stage++) {
                for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                        int fd = registered(fx, 1, modes[m]);

                        set_out(fx, fd, stage);
                        assert_int_equal(weir_deregister(fx->registry, fd), 0);
                        if (stage == FETCHED)
                                expect_drained_batch(fx);
                        expect_nothing_any_more(fx);
                        /* Nor has the next one of the number any. */
                        assert_int_equal(weir_register(fx->registry, fd, 2, modes[m]), 0);
                        expect_nothing_any_more(fx);
                        ring(fd);
                        expect_bits(fx, 2, EPOLLIN);
                        end(fx, fd);
                }
        }
}

static void g13_deregister_and_register_at_once_end_both(void **state) {
        struct fixture *fx = *state;

        for (enum stage stage = 0; stage < STAGES; stage++) {
                for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                        int fd = registered(fx, 1, modes[m]);

                        set_out(fx, fd, stage);
                        assert_int_equal(weir_deregister(fx->registry, fd), 0);
                        assert_int_equal(weir_register(fx->registry, fd, 2, modes[m]), 0);
                        if (stage == FETCHED)
                                expect_drained_batch(fx);
                        expect_nothing_any_more(fx);
                        end(fx, fd);
                }
        }
}

static void g13_register_anew_of_a_closed_number_ends_both(void **state) {
        struct fixture *fx = *state;

        for (enum stage stage = 0; stage < STAGES; stage++) {
                for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                        int fd = registered(fx, 1, modes[m]);

                        set_out(fx, fd, stage);
                        close(fd);
                        assert_int_equal(make_eventfd(0), fd);
                        assert_int_equal(weir_register(fx->registry, fd, 2, modes[m]), 0);
                        if (stage == FETCHED)
                                expect_drained_batch(fx);
                        expect_nothing_any_more(fx);
                        end(fx, fd);
                }
        }
}

static void g13_register_that_is_refused_leaves_both(void **state) {
        struct fixture *fx = *state;

        for (enum stage stage = 0; stage < STAGES; stage++) {
                for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                        int fd = registered(fx, 1, modes[m]);

                        set_out(fx, fd, stage);
                        assert_int_equal(weir_register(fx->registry, fd, 2, WEIR_READABLE), -EEXIST);
                        assert_int_equal(weir_set_deadline(fx->registry, fd, -1), -EINVAL);
                        assert_int_equal(weir_reregister(fx->registry, fd, 2, WEIR_READABLE | WEIR_EXCLUSIVE), -EINVAL);
                        expect_both(fx, fd, 1);
                        end(fx, fd);
                }
        }
}

static void g13_close_alone_ends_neither(void **state) {
        struct fixture *fx = *state;

        for (enum stage stage = 0; stage < STAGES; stage++) {
                int fd = registered(fx, 1, WEIR_READABLE);

                set_out(fx, fd, stage);
                close(fd);
                expect_both(fx, fd, 1);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
        }
}

static void g13_waker_destroy_ends_it(void **state) {
        struct fixture *fx = *state;

        for (enum stage stage = 0; stage < STAGES; stage++) {
                struct weir_waker *waker = NULL, *next = NULL;

                assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
                assert_int_equal(weir_waker_set_deadline(waker, stage == TO_COME ? in_ms(3) : PASSED), 0);
                if (stage >= FETCHED)
                        fetch(fx, 1);
                if (stage == UNREAD)
                        weir_events_clear(fx->events);
                weir_waker_destroy(waker);
                /* The next one is likely to be at its place. */
                assert_int_equal(weir_waker_create(fx->registry, 2, &next), 0);
                if (stage == FETCHED)
                        expect_drained_batch(fx);
                expect_nothing_any_more(fx);
                assert_int_equal(weir_waker_wake(next), 0);
                expect_bits(fx, 2, EPOLLIN);
                assert_int_equal(weir_waker_set_deadline(next, PASSED), 0);
                expect_timeout(fx, 2);
                weir_waker_destroy(next);
        }
}

/* A level-triggered ghost has the poll move all registrations; what is pending of each moves along. */
static void g13_cure_of_a_ghost_leaves_both(void **state) {
        struct fixture *fx = *state;

        for (enum stage stage = 0; stage < STAGES; stage++) {
                for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                        int fd = registered(fx, 1, modes[m]), ghost = make_eventfd(1), copy;
                        uint64_t rebuilds = stats_of(fx->registry).rebuilds;
                        unsigned waits = 0;

                        if (stage == TO_COME)
                                assert_int_equal(weir_set_deadline(fx->registry, fd, in_ms(30)), 0);
                        else
                                set_out(fx, fd, stage);
                        assert_int_equal(weir_register(fx->registry, ghost, 3, WEIR_READABLE | WEIR_LEVEL), 0);
                        copy = fcntl(ghost, F_DUPFD_CLOEXEC, 0);
                        assert_true(copy >= 0);
                        close(ghost);
                        assert_int_equal(weir_deregister(fx->registry, ghost), 0);
                        if (stage == TO_COME) {
                                while (stats_of(fx->registry).rebuilds == rebuilds) {
                                        assert_true(waits++ < 100);
                                        (void)wait_ms(fx->poll, fx->events, 1);
                                        weir_events_clear(fx->events);
                                }
                                assert_int_equal(weir_trigger(fx->registry, fd), 0);
                        }
                        expect_both(fx, fd, 1);
                        end(fx, fd);
                        close(copy);
                        /* Nor does anything of the ghost stay. */
                        (void)wait_ms(fx->poll, fx->events, 0);
                }
        }
}

static void g13_ghost_does_not_keep_what_was_deregistered(void **state) {
        struct fixture *fx = *state;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                int fd = registered(fx, 1, modes[m]), copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

                assert_true(copy >= 0);
                set_out(fx, fd, PENDING);
                close(fd);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
                ring(copy);
                expect_nothing_any_more(fx);
                close(copy);
        }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g13_reregister_leaves_both),
                CASE(g13_retoken_leaves_both),
                CASE(g13_rearm_leaves_both),
                CASE(g13_disarm_keeps_both_for_the_rearm),
                CASE(g13_deregister_ends_both),
                CASE(g13_deregister_and_register_at_once_end_both),
                CASE(g13_register_anew_of_a_closed_number_ends_both),
                CASE(g13_register_that_is_refused_leaves_both),
                CASE(g13_close_alone_ends_neither),
                CASE(g13_waker_destroy_ends_it),
                CASE(g13_cure_of_a_ghost_leaves_both),
                CASE(g13_ghost_does_not_keep_what_was_deregistered),
        };

        return cmocka_run_group_tests_name("g13_registrations", cases, NULL, NULL);
}
