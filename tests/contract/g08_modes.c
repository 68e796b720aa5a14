/* SPDX-License-Identifier: MIT */
/*
 * G8 for edge, level, exclusive, and what all modes share: an event tells what is ready of what was asked, and
 * weir_reregister() looks at the descriptor afresh.
 */
#include "../support.h"

/* ---------------------------------------------------------------- edge */

static void g8_edge_comes_once_for_each_new_readiness(void **state) {
        struct fixture *fx = *state;
        int fds[2];

        make_pipe(fds);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE), 0);
        expect_silence(fx);
        for (unsigned i = 0; i < 10; i++) {
                put(fds[1]);
                expect_one(fx, 1);
                /* Undrained, but nothing new. */
                expect_silence(fx);
                if (i % 2)
                        drain(fds[0]);
        }
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

static void g8_edge_is_the_default_and_comes_for_what_was_ready_at_the_register(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        make_socketpair(pair);
        put(pair[1]);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_WRITABLE), 0);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_readable(&event));
        assert_true(weir_event_is_writable(&event));
        assert_false(weir_event_is_error(&event));
        assert_false(weir_event_is_read_closed(&event));
        expect_silence(fx);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

static void g8_edge_of_the_write_side_comes_when_room_comes_back(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        make_socketpair(pair);
        fill(pair[0]);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_WRITABLE), 0);
        expect_silence(fx);
        drain(pair[1]);
        event = expect_soon(fx, 1);
        assert_true(weir_event_is_writable(&event));
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

static void g8_end_of_a_stream_comes_to_each_mode(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT, WEIR_EXCLUSIVE };
        void (*const makers[])(int *) = { make_pipe, make_socketpair, make_tcp_pair };
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[2];

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                for (unsigned k = 0; k < ARRAY_LEN(makers); k++) {
                        makers[k](fds);
                        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | modes[m]), 0);
                        expect_silence(fx);
                        close(fds[1]);
                        event = expect_one(fx, 1);
                        /* The kernel shows an exclusive one no RDHUP, so only a full hang-up tells more there. */
                        if (modes[m] != WEIR_EXCLUSIVE || k < 2)
                                assert_true(weir_event_is_read_closed(&event));
                        assert_true(at_end(fds[0]));
                        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
                        close(fds[0]);
                }
        }
}

static void g8_error_comes_though_nobody_asked_for_it(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[2];

        make_pipe(fds);
        fill(fds[1]);
        assert_int_equal(weir_register(fx->registry, fds[1], 1, WEIR_WRITABLE), 0);
        expect_silence(fx);
        close(fds[0]);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_error(&event));
        assert_true(weir_event_is_write_closed(&event));
        assert_int_equal(weir_deregister(fx->registry, fds[1]), 0);
        close(fds[1]);
}

static void g8_priority_comes_for_out_of_band_data(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[2];

        make_tcp_pair(fds);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_PRIORITY), 0);
        put(fds[1]);
        expect_silence(fx);
        assert_int_equal(send(fds[1], "!", 1, MSG_OOB), 1);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_priority(&event));
        assert_true(weir_event_is_readable(&event));
        assert_false(weir_event_is_writable(&event));
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

/* ---------------------------------------------------------------- level */

static void g8_level_comes_in_every_wait_while_ready(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_LEVEL), 0);
        expect_silence(fx);
        for (unsigned round = 0; round < 3; round++) {
                put(pair[1]);
                for (unsigned i = 0; i < 20; i++) {
                        event = expect_one(fx, 1);
                        assert_true(weir_event_is_readable(&event));
                        assert_false(weir_event_is_writable(&event));
                }
                drain(pair[0]);
                expect_silence(fx);
        }
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

static void g8_level_of_both_directions_shows_each_while_it_is_ready(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_WRITABLE | WEIR_LEVEL), 0);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_writable(&event));
        assert_false(weir_event_is_readable(&event));
        put(pair[1]);
        event = expect_one(fx, 1);
        assert_true(weir_event_is_writable(&event));
        assert_true(weir_event_is_readable(&event));
        fill(pair[0]);
        event = expect_one(fx, 1);
        assert_false(weir_event_is_writable(&event));
        assert_true(weir_event_is_readable(&event));
        drain(pair[0]);
        expect_silence(fx);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

/* ---------------------------------------------------------------- reregister */

static void g8_reregister_brings_an_event_if_the_descriptor_is_ready(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        int fd;

        /* From each mode to each mode, taken and undrained. */
        for (unsigned from = 0; from < ARRAY_LEN(modes); from++) {
                for (unsigned to = 0; to < ARRAY_LEN(modes); to++) {
                        fd = make_eventfd(1);
                        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | modes[from]), 0);
                        expect_one(fx, 1);
                        assert_int_equal(weir_reregister(fx->registry, fd, 2, WEIR_READABLE | modes[to]), 0);
                        expect_one(fx, 2);
                        if (modes[to] == WEIR_LEVEL)
                                expect_one(fx, 2);
                        else
                                expect_silence(fx);
                        /* And none if it is not ready. */
                        drain(fd);
                        assert_int_equal(weir_reregister(fx->registry, fd, 3, WEIR_READABLE | modes[to]), 0);
                        expect_silence(fx);
                        assert_int_equal(weir_deregister(fx->registry, fd), 0);
                        close(fd);
                }
        }
}

static void g8_reregister_with_the_same_arguments_looks_afresh(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        expect_one(fx, 1);
        for (unsigned i = 0; i < 10; i++) {
                expect_silence(fx);
                assert_int_equal(weir_reregister(fx->registry, fd, 1, WEIR_READABLE), 0);
                expect_one(fx, 1);
        }
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

/* ---------------------------------------------------------------- exclusive */

static void g8_exclusive_registrations_in_two_polls_wake_at_least_one(void **state) {
        struct fixture *fx = *state;
        struct weir_events *events = NULL;
        struct weir_poll *other = NULL;
        unsigned counts[2];
        int fds[2];

        for (unsigned level = 0; level < 2; level++) {
                weir_interest interest = WEIR_READABLE | WEIR_EXCLUSIVE | (level ? WEIR_LEVEL : 0);

                make_pipe(fds);
                assert_int_equal(weir_poll_create(&other), 0);
                assert_int_equal(weir_events_create(4, &events), 0);
                assert_int_equal(weir_register(fx->registry, fds[0], 0, interest), 0);
                assert_int_equal(weir_register(weir_poll_registry(other), fds[0], 1, interest), 0);
                for (unsigned i = 0; i < 10; i++) {
                        memset(counts, 0, sizeof(counts));
                        put(fds[1]);
                        assert_true(tally(fx->poll, fx->events, 0, counts, 2) >= 0);
                        assert_true(tally(other, events, 0, counts, 2) >= 0);
                        assert_in_range(counts[0] + counts[1], 1, 2);
                        drain(fds[0]);
                }
                assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
                /* Alone now, so it is the one. */
                put(fds[1]);
                assert_int_equal(tally(other, events, DEADLINE_MS, counts, 2), 1);
                assert_int_equal(weir_deregister(weir_poll_registry(other), fds[0]), 0);
                weir_events_destroy(events);
                weir_poll_destroy(other);
                close_pair(fds);
        }
}

static void g8_exclusive_registration_takes_a_new_token_but_no_reregister(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_EXCLUSIVE), 0);
        assert_int_equal(weir_reregister(fx->registry, fd, 2, WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_reregister(fx->registry, fd, 2, WEIR_READABLE | WEIR_EXCLUSIVE), -EINVAL);
        expect_one(fx, 1);
        assert_int_equal(weir_retoken(fx->registry, fd, 3), 0);
        ring(fd);
        expect_one(fx, 3);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        /* An ordinary registration of the number is free of it. */
        assert_int_equal(weir_register(fx->registry, fd, 4, WEIR_READABLE), 0);
        expect_one(fx, 4);
        assert_int_equal(weir_reregister(fx->registry, fd, 5, WEIR_READABLE), 0);
        expect_one(fx, 5);
        assert_int_equal(weir_reregister(fx->registry, fd, 5, WEIR_READABLE | WEIR_EXCLUSIVE), -EINVAL);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_edge_comes_once_for_each_new_readiness),
                CASE(g8_edge_is_the_default_and_comes_for_what_was_ready_at_the_register),
                CASE(g8_edge_of_the_write_side_comes_when_room_comes_back),
                CASE(g8_end_of_a_stream_comes_to_each_mode),
                CASE(g8_error_comes_though_nobody_asked_for_it),
                CASE(g8_priority_comes_for_out_of_band_data),
                CASE(g8_level_comes_in_every_wait_while_ready),
                CASE(g8_level_of_both_directions_shows_each_while_it_is_ready),
                CASE(g8_reregister_brings_an_event_if_the_descriptor_is_ready),
                CASE(g8_reregister_with_the_same_arguments_looks_afresh),
                CASE(g8_exclusive_registrations_in_two_polls_wake_at_least_one),
                CASE(g8_exclusive_registration_takes_a_new_token_but_no_reregister),
        };

        return cmocka_run_group_tests_name("g08_modes", cases, NULL, NULL);
}
