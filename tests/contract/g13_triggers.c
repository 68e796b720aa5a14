/* SPDX-License-Identifier: MIT */
/*
 * G13 for triggers: an event from the program under a registration's token. Triggers coalesce until it is taken, obey the mode,
 * and are lost in no batch. trigger_all reaches every registration, and says how many that are.
 */
#include "g13.h"

static const weir_interest modes[] = {
        WEIR_READABLE, WEIR_READABLE | WEIR_LEVEL,    WEIR_READABLE | WEIR_ONESHOT, 0, WEIR_LEVEL,
        WEIR_ONESHOT,  WEIR_READABLE | WEIR_EXCLUSIVE
};

static int registered(struct fixture *fx, weir_token token, weir_interest interest) {
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, token, interest), 0);
        return fd;
}

static void end(struct fixture *fx, int fd) {
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g13_bits_of_timeout_and_trigger_are_16_and_17(void **state) {
        (void)state;
        for (uint32_t own = 0; own < 4; own++) {
                for (uint32_t bits = 0; bits < 0x4000; bits++) {
                        const struct weir_event event = { .token = 1, .readiness = bits | own << 16 };
                        const struct weir_event bare = { .token = 1, .readiness = bits };

                        assert_int_equal(weir_event_is_timeout(&event), own & 1);
                        assert_int_equal(weir_event_is_triggered(&event), own >> 1);
                        /* They change nothing in what the bits of epoll say. */
                        assert_int_equal(weir_event_is_readable(&event), weir_event_is_readable(&bare));
                        assert_int_equal(weir_event_is_writable(&event), weir_event_is_writable(&bare));
                        assert_int_equal(weir_event_is_priority(&event), weir_event_is_priority(&bare));
                        assert_int_equal(weir_event_is_error(&event), weir_event_is_error(&bare));
                        assert_int_equal(weir_event_is_read_closed(&event), weir_event_is_read_closed(&bare));
                        assert_int_equal(weir_event_is_write_closed(&event), weir_event_is_write_closed(&bare));
                }
        }
        assert_true(weir_event_is_write_closed(&(struct weir_event){ .readiness = EPOLLERR | TIMEOUT | TRIGGERED }));
        assert_false(weir_event_is_write_closed(&(struct weir_event){ .readiness = TIMEOUT | TRIGGERED }));
        assert_false(weir_event_is_timeout(NULL));
        assert_false(weir_event_is_triggered(NULL));
}

static void g13_trigger_makes_an_event_in_every_mode(void **state) {
        struct fixture *fx = *state;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                int fd = registered(fx, 1, modes[m]);

                for (unsigned i = 0; i < 20; i++) {
                        assert_int_equal(weir_trigger(fx->registry, fd), 0);
                        expect_trigger(fx, 1);
                        expect_silence(fx);
                        if (modes[m] & WEIR_ONESHOT)
                                assert_int_equal(weir_rearm(fx->registry, fd, modes[m] & WEIR_READABLE), 0);
                }
                end(fx, fd);
        }
}

static void g13_triggers_coalesce_until_the_event_is_taken(void **state) {
        struct fixture *fx = *state;
        struct weir_stats before = stats_of(fx->registry);

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                int fd = registered(fx, 1, modes[m]);

                for (unsigned i = 0; i < 5; i++)
                        assert_int_equal(weir_trigger(fx->registry, fd), 0);
                fetch(fx, 1);
                /* Also of the one that is in a batch. */
                for (unsigned i = 0; i < 5; i++)
                        assert_int_equal(weir_trigger(fx->registry, fd), 0);
                take_bits(fx, 1, TRIGGERED);
                expect_drained_batch(fx);
                expect_silence(fx);
                end(fx, fd);
        }
        assert_int_equal(stats_of(fx->registry).triggers - before.triggers, ARRAY_LEN(modes));
}

static void g13_trigger_after_the_event_was_taken_makes_another(void **state) {
        struct fixture *fx = *state;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                int fd = registered(fx, 1, modes[m]);

                assert_int_equal(weir_trigger(fx->registry, fd), 0);
                fetch(fx, 1);
                take_bits(fx, 1, TRIGGERED);
                assert_int_equal(weir_trigger(fx->registry, fd), 0);
                expect_drained_batch(fx);
                weir_events_clear(fx->events);
                if (modes[m] & WEIR_ONESHOT) {
                        expect_silence(fx);
                        assert_int_equal(weir_rearm(fx->registry, fd, modes[m] & WEIR_READABLE), 0);
                }
                expect_trigger(fx, 1);
                end(fx, fd);
        }
}

static void g13_trigger_is_kept_by_a_batch_that_is_closed_half_read(void **state) {
        struct fixture *fx = *state;
        unsigned counts[4] = { 0 };
        int fds[4];

        for (unsigned i = 0; i < 4; i++) {
                fds[i] = registered(fx, i, modes[i % ARRAY_LEN(modes)]);
                assert_int_equal(weir_trigger(fx->registry, fds[i]), 0);
        }
        fetch(fx, 4);
        assert_true(weir_events_next(fx->events, &(struct weir_event){ 0 }));
        weir_events_clear(fx->events);
        assert_int_equal(tally(fx->poll, fx->events, DEADLINE_MS, counts, 4), 3);
        expect_silence(fx);
        for (unsigned i = 0; i < 4; i++)
                end(fx, fds[i]);
}

static void g13_trigger_timeout_and_readiness_add_up(void **state) {
        struct fixture *fx = *state;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                int fd = registered(fx, 1, modes[m]);
                uint32_t bits = 0, wanted = TRIGGERED | TIMEOUT | (modes[m] & WEIR_READABLE ? EPOLLIN : 0);
                struct weir_event event;

                ring(fd);
                assert_int_equal(weir_trigger(fx->registry, fd), 0);
                assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
                while (bits != wanted) {
                        if (!weir_events_next(fx->events, &event)) {
                                assert_true(wait_ms(fx->poll, fx->events, DEADLINE_MS) > 0);
                                continue;
                        }
                        assert_int_equal(event.token, 1);
                        bits |= event.readiness;
                        if (event.readiness & EPOLLIN)
                                drain(fd);
                        if (modes[m] & WEIR_ONESHOT) {
                                assert_false(weir_events_next(fx->events, &event));
                                assert_int_equal(weir_rearm(fx->registry, fd, modes[m] & WEIR_READABLE), 0);
                        }
                }
                weir_events_clear(fx->events);
                expect_silence(fx);
                end(fx, fd);
        }
}

/* ---------------------------------------------------------------- all */

static void g13_trigger_all_reaches_every_registration_and_counts_them(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        unsigned counts[ARRAY_LEN(modes)] = { 0 };
        int fds[ARRAY_LEN(modes)];

        assert_int_equal(weir_trigger_all(fx->registry), 0);
        assert_int_equal(weir_waker_create(fx->registry, 99, &waker), 0);
        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                fds[m] = registered(fx, m, modes[m]);
                assert_int_equal(weir_trigger_all(fx->registry), m + 1);
        }
        /* Wakers are none. */
        assert_int_equal(tally(fx->poll, fx->events, DEADLINE_MS, counts, ARRAY_LEN(modes)), ARRAY_LEN(modes));
        expect_silence(fx);
        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                assert_int_equal(counts[m], 1);
                end(fx, fds[m]);
                assert_int_equal(weir_trigger_all(fx->registry), ARRAY_LEN(modes) - 1 - m);
        }
        weir_waker_destroy(waker);
}

static void g13_trigger_all_is_kept_for_those_that_are_owned(void **state) {
        struct fixture *fx = *state;
        int held = make_eventfd(0), taken;

        assert_int_equal(weir_register(fx->registry, held, 1, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), 0);
        taken = registered(fx, 2, WEIR_ONESHOT);
        assert_int_equal(weir_trigger(fx->registry, taken), 0);
        expect_trigger(fx, 2);
        assert_int_equal(weir_trigger_all(fx->registry), 2);
        expect_silence(fx);
        assert_int_equal(weir_rearm(fx->registry, held, WEIR_READABLE), 0);
        expect_trigger(fx, 1);
        assert_int_equal(weir_rearm(fx->registry, taken, 0), 0);
        expect_trigger(fx, 2);
        end(fx, held);
        end(fx, taken);
}

static void g13_trigger_all_finds_what_was_merely_closed_and_nothing_that_was_deregistered(void **state) {
        struct fixture *fx = *state;
        int gone = registered(fx, 1, WEIR_READABLE), closed = registered(fx, 2, WEIR_READABLE);

        end(fx, gone);
        close(closed);
        assert_int_equal(weir_trigger_all(fx->registry), 1);
        expect_trigger(fx, 2);
        assert_int_equal(weir_deregister(fx->registry, closed), 0);
        assert_int_equal(weir_trigger_all(fx->registry), 0);
        expect_silence(fx);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g13_bits_of_timeout_and_trigger_are_16_and_17),
                CASE(g13_trigger_makes_an_event_in_every_mode),
                CASE(g13_triggers_coalesce_until_the_event_is_taken),
                CASE(g13_trigger_after_the_event_was_taken_makes_another),
                CASE(g13_trigger_is_kept_by_a_batch_that_is_closed_half_read),
                CASE(g13_trigger_timeout_and_readiness_add_up),
                CASE(g13_trigger_all_reaches_every_registration_and_counts_them),
                CASE(g13_trigger_all_is_kept_for_those_that_are_owned),
                CASE(g13_trigger_all_finds_what_was_merely_closed_and_nothing_that_was_deregistered),
        };

        return cmocka_run_group_tests_name("g13_triggers", cases, NULL, NULL);
}
