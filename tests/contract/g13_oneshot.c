/* SPDX-License-Identifier: MIT */
/*
 * G13 for one-shots: a timeout or a trigger comes only while armed, and disarms like any other event. What passes or is
 * triggered while a thread owns the descriptor is kept, and comes at the next rearm or reregister; but a timeout does not, if the
 * owner sets a new deadline first.
 */
#include "g13.h"

#define INTEREST (WEIR_READABLE | WEIR_ONESHOT)

/* The ways to own a one-shot. */
enum way { TAKEN, TIMED, TOLD, HELD, DISARMED, WAYS };

static int owned(struct fixture *fx, weir_token token, enum way way) {
        int fd = make_eventfd(way == TAKEN);

        assert_int_equal(weir_register(fx->registry, fd, token, INTEREST | (way == HELD ? WEIR_HELD : 0)), 0);
        switch (way) {
        case TAKEN:
                expect_bits(fx, token, EPOLLIN);
                drain(fd);
                break;
        case TIMED:
                assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
                expect_timeout(fx, token);
                break;
        case TOLD:
                assert_int_equal(weir_trigger(fx->registry, fd), 0);
                expect_trigger(fx, token);
                break;
        case DISARMED:
                assert_int_equal(weir_disarm(fx->registry, fd), 1);
                break;
        case HELD:
        case WAYS:
                break;
        }
        return fd;
}

static void end(struct fixture *fx, int fd) {
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

/* The two ways back. */
static void give_back(struct fixture *fx, int fd, weir_token token, bool reregister) {
        if (reregister)
                assert_int_equal(weir_reregister(fx->registry, fd, token, INTEREST), 0);
        else
                assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
}

static void g13_timeout_and_trigger_disarm(void **state) {
        struct fixture *fx = *state;

        for (enum way way = TIMED; way <= TOLD; way++) {
                int fd = owned(fx, 1, way);

                /* The owner is alone with it. */
                assert_int_equal(weir_disarm(fx->registry, fd), 0);
                ring(fd);
                assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
                assert_int_equal(weir_trigger(fx->registry, fd), 0);
                expect_silence(fx);
                end(fx, fd);
        }
}

static void g13_what_passes_while_owned_comes_when_it_is_given_back(void **state) {
        struct fixture *fx = *state;

        for (enum way way = 0; way < WAYS; way++) {
                for (unsigned reregister = 0; reregister < 2; reregister++) {
                        int fd = owned(fx, 1, way);

                        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
                        expect_silence(fx); /* the wait has met it */
                        give_back(fx, fd, 1, reregister);
                        expect_timeout(fx, 1);
                        expect_silence(fx);
                        give_back(fx, fd, 1, reregister);
                        expect_silence(fx);
                        end(fx, fd);
                }
        }
}

static void g13_what_is_triggered_while_owned_comes_when_it_is_given_back(void **state) {
        struct fixture *fx = *state;

        for (enum way way = 0; way < WAYS; way++) {
                for (unsigned reregister = 0; reregister < 2; reregister++) {
                        int fd = owned(fx, 1, way);

                        for (unsigned i = 0; i < 3; i++)
                                assert_int_equal(weir_trigger(fx->registry, fd), 0);
                        expect_silence(fx);
                        give_back(fx, fd, 1, reregister);
                        expect_trigger(fx, 1);
                        expect_silence(fx);
                        give_back(fx, fd, 1, reregister);
                        expect_silence(fx);
                        end(fx, fd);
                }
        }
}

static void g13_owner_that_sets_a_new_deadline_is_not_told_of_the_old_one(void **state) {
        struct fixture *fx = *state;

        for (enum way way = 0; way < WAYS; way++) {
                for (unsigned reregister = 0; reregister < 2; reregister++) {
                        int fd = owned(fx, 1, way);
                        weir_time moment;

                        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
                        expect_silence(fx);
                        assert_int_equal(weir_set_deadline(fx->registry, fd, way % 2 ? far_off() : WEIR_NEVER), 0);
                        give_back(fx, fd, 1, reregister);
                        expect_silence(fx);
                        /* And no wait is ended for it. */
                        moment = in_ms(2);
                        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, moment), 0);
                        assert_true(weir_now() >= moment);
                        end(fx, fd);
                }
        }
}

static void g13_all_that_comes_while_owned_comes_in_one_event(void **state) {
        struct fixture *fx = *state;

        for (enum way way = 0; way < WAYS; way++) {
                int fd = owned(fx, 1, way);

                ring(fd);
                assert_int_equal(weir_trigger(fx->registry, fd), 0);
                assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
                expect_silence(fx);
                give_back(fx, fd, 1, false);
                /* In one, or in several with an owner for each; here it was all latched by then, but for what the kernel tells. */
                for (uint32_t bits = 0; bits != (EPOLLIN | TIMEOUT | TRIGGERED);) {
                        struct weir_event event = expect_soon(fx, 1);

                        assert_int_equal(event.readiness & bits, 0);
                        bits |= event.readiness;
                        if (event.readiness & EPOLLIN)
                                drain(fd);
                        give_back(fx, fd, 1, false);
                }
                expect_silence(fx);
                end(fx, fd);
        }
}

static void g13_after_a_timeout_or_trigger_alone_one_may_rearm_without_reading(void **state) {
        void (*const makers[])(int *) = { make_pipe, make_socketpair, make_tcp_pair };
        struct fixture *fx = *state;
        int fds[2];

        for (unsigned m = 0; m < ARRAY_LEN(makers); m++) {
                for (unsigned way = 0; way < 4; way++) {
                        makers[m](fds);
                        assert_int_equal(weir_register(fx->registry, fds[0], 1, INTEREST), 0);
                        if (way % 2)
                                assert_int_equal(weir_trigger(fx->registry, fds[0]), 0);
                        else
                                assert_int_equal(weir_set_deadline(fx->registry, fds[0], PASSED), 0);
                        expect_bits(fx, 1, way % 2 ? TRIGGERED : TIMEOUT);
                        /* It comes while this one is owned; or after a wait has met it; or only then. */
                        put(fds[1]);
                        if (way / 2)
                                expect_silence(fx);
                        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                        assert_int_equal(expect_soon(fx, 1).readiness & EPOLLIN, EPOLLIN);
                        assert_int_equal(drain(fds[0]), 1);
                        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
                        close_pair(fds);
                }
        }
}

/* As a server has it: each request moves the idle limit, and then there is none. */
static void g13_idle_limit_that_each_request_moves(void **state) {
        struct fixture *fx = *state;
        weir_time limit = 0;
        int pair[2];

        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, INTEREST | WEIR_HELD), 0);
        for (unsigned i = 0; i < 100; i++) {
                limit = weir_registry_moment(fx->registry) + 20 * MS;
                assert_int_equal(weir_set_deadline(fx->registry, pair[0], limit), 0);
                assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
                put(pair[1]);
                for (uint32_t bits = 0; !(bits & EPOLLIN);) {
                        bits = expect_soon(fx, 1).readiness;
                        if (!(bits & EPOLLIN)) {
                                /* On a slow machine. */
                                assert_int_equal(bits, TIMEOUT);
                                assert_true(weir_now() >= limit);
                                assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
                        }
                }
                assert_int_equal(drain(pair[0]), 1);
        }
        limit = weir_registry_moment(fx->registry) + 20 * MS;
        assert_int_equal(weir_set_deadline(fx->registry, pair[0], limit), 0);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
        assert_int_equal(expect_soon(fx, 1).readiness, TIMEOUT);
        assert_true(weir_now() >= limit);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

static void g13_timeout_in_a_batch_does_not_come_to_one_that_was_disarmed(void **state) {
        struct fixture *fx = *state;
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, 1, INTEREST), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
        assert_int_equal(weir_trigger(fx->registry, fd), 0);
        fetch(fx, 1);
        assert_int_equal(weir_disarm(fx->registry, fd), 1);
        expect_drained_batch(fx);
        expect_silence(fx);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        expect_bits(fx, 1, TIMEOUT | TRIGGERED);
        end(fx, fd);
}

static void g13_rearm_of_one_that_is_armed_loses_nothing(void **state) {
        struct fixture *fx = *state;
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, 1, INTEREST), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
        assert_int_equal(weir_trigger(fx->registry, fd), 0);
        fetch(fx, 1);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE | WEIR_WRITABLE), 0);
        assert_int_equal(expect_soon(fx, 1).readiness & (TIMEOUT | TRIGGERED), TIMEOUT | TRIGGERED);
        end(fx, fd);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g13_timeout_and_trigger_disarm),
                CASE(g13_what_passes_while_owned_comes_when_it_is_given_back),
                CASE(g13_what_is_triggered_while_owned_comes_when_it_is_given_back),
                CASE(g13_owner_that_sets_a_new_deadline_is_not_told_of_the_old_one),
                CASE(g13_all_that_comes_while_owned_comes_in_one_event),
                CASE(g13_after_a_timeout_or_trigger_alone_one_may_rearm_without_reading),
                CASE(g13_idle_limit_that_each_request_moves),
                CASE(g13_timeout_in_a_batch_does_not_come_to_one_that_was_disarmed),
                CASE(g13_rearm_of_one_that_is_armed_loses_nothing),
        };

        return cmocka_run_group_tests_name("g13_oneshot", cases, NULL, NULL);
}
