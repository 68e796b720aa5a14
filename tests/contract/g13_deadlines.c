/* SPDX-License-Identifier: MIT */
/*
 * G13 for the time of a deadline: when it passes an event with the timeout bit comes, never early, once; then there is none. One
 * that was moved, by whoever and wherever its event is by then, is not handed out, and ends no wait. Nothing here fails because
 * the machine is slow.
 */
#include "g13.h"

static const weir_interest modes[] = {
        WEIR_READABLE, WEIR_READABLE | WEIR_LEVEL,    WEIR_READABLE | WEIR_ONESHOT, 0, WEIR_LEVEL,
        WEIR_ONESHOT,  WEIR_READABLE | WEIR_EXCLUSIVE
};

/* A descriptor that is not ready, in one of the modes. */
static int registered(struct fixture *fx, weir_token token, weir_interest interest) {
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, token, interest), 0);
        return fd;
}

static void end(struct fixture *fx, int fd) {
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

/* ---------------------------------------------------------------- the clock */

static void g13_now_is_clock_monotonic(void **state) {
        (void)state;
        for (unsigned i = 0; i < 1000; i++) {
                weir_time before = (weir_time)now_ns(), now = weir_now(), after = (weir_time)now_ns();

                assert_true(before <= now && now <= after);
        }
}

static void g13_moment_is_when_the_poll_last_fetched(void **state) {
        struct fixture *fx = *state;
        weir_time before, moment, again;

        /* Nobody knows yet. */
        before = weir_now();
        moment = weir_registry_moment(fx->registry);
        assert_true(before <= moment && moment <= weir_now());
        for (unsigned i = 0; i < 100; i++) {
                before = weir_now();
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
                moment = weir_registry_moment(fx->registry);
                assert_true(before <= moment && moment <= weir_now());
                /* It stands until the next fetch. */
                while (weir_now() == moment)
                        ;
                again = weir_registry_moment(fx->registry);
                assert_true(again == moment);
        }
        assert_true(weir_registry_moment(NULL) == 0);
}

static void g13_moment_is_known_to_the_handler_of_an_event(void **state) {
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE);
        weir_time moment;

        (void)weir_registry_moment(fx->registry);
        for (unsigned i = 0; i < 100; i++) {
                ring(fd);
                moment = weir_now();
                fetch(fx, 1);
                take_bits(fx, 1, EPOLLIN);
                assert_true(weir_registry_moment(fx->registry) >= moment);
                drain(fd);
        }
        weir_events_clear(fx->events);
        end(fx, fd);
}

/* ---------------------------------------------------------------- it passes */

static void g13_timeout_never_comes_early(void **state) {
        const int64_t delays[] = { 1, 1000, MS / 10, MS - 1, MS, MS + MS / 2, 3 * MS + 1, 19 * MS, 21 * MS, 60 * MS };
        struct fixture *fx = *state;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                int fd = registered(fx, 1, modes[m]);

                for (unsigned i = 0; i < ARRAY_LEN(delays); i++) {
                        weir_time moment = weir_now() + delays[i];

                        assert_int_equal(weir_set_deadline(fx->registry, fd, moment), 0);
                        expect_timeout(fx, 1);
                        assert_true(weir_now() >= moment);
                        assert_true(weir_registry_moment(fx->registry) >= moment);
                        if (modes[m] & WEIR_ONESHOT)
                                assert_int_equal(weir_rearm(fx->registry, fd, modes[m] & WEIR_READABLE), 0);
                }
                end(fx, fd);
        }
}

/* Longer than the kernel's stretch of a sleep counts, and than the sleep in two steps. */
static void g13_long_time_is_not_early_either(void **state) {
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE);
        weir_time moment = in_ms(1500);

        assert_int_equal(weir_set_deadline(fx->registry, fd, moment), 0);
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, in_ms(20)), 0);
        expect_timeout(fx, 1);
        assert_true(weir_now() >= moment);
        end(fx, fd);
}

static void g13_then_it_has_none(void **state) {
        struct fixture *fx = *state;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                int fd = registered(fx, 1, modes[m]);

                assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
                expect_timeout(fx, 1);
                expect_silence(fx);
                if (modes[m] & WEIR_ONESHOT)
                        assert_int_equal(weir_rearm(fx->registry, fd, modes[m] & WEIR_READABLE), 0);
                expect_silence(fx);
                assert_int_equal(weir_reregister(fx->registry, fd, 2, WEIR_READABLE),
                                 modes[m] & WEIR_EXCLUSIVE ? -EINVAL : 0);
                expect_silence(fx);
                end(fx, fd);
        }
}

static void g13_moment_that_has_passed_already_comes_in_the_next_wait(void **state) {
        const weir_time moments[] = { 0, 1, 999999999, 1000000000 };
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE);

        for (unsigned i = 0; i < ARRAY_LEN(moments); i++) {
                assert_int_equal(weir_set_deadline(fx->registry, fd, moments[i]), 0);
                expect_timeout(fx, 1);
        }
        assert_int_equal(weir_set_deadline(fx->registry, fd, weir_now()), 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 1);
        take_bits(fx, 1, TIMEOUT);
        weir_events_clear(fx->events);
        end(fx, fd);
}

static void g13_next_wait_brings_what_passed_while_nobody_waited(void **state) {
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE);
        weir_time moment = in_ms(5);

        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fd, moment), 0);
        while (weir_now() < moment)
                sched_yield();
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 1);
        take_bits(fx, 1, TIMEOUT);
        weir_events_clear(fx->events);
        end(fx, fd);
}

static void g13_all_that_is_due_comes_however_small_the_batch(void **state) {
        enum { COUNT = 300 };
        struct fixture *fx = *state;
        struct weir_events *one = NULL;
        unsigned counts[COUNT] = { 0 }, waits = 0, total = 0;
        int fds[COUNT];

        assert_int_equal(weir_events_create(1, &one), 0);
        for (unsigned i = 0; i < COUNT; i++) {
                fds[i] = registered(fx, i, WEIR_READABLE);
                assert_int_equal(weir_set_deadline(fx->registry, fds[i], (weir_time)(i * 7 % COUNT)), 0);
        }
        while (total < COUNT) {
                int n = tally(fx->poll, one, 0, counts, COUNT);

                assert_true(n >= 0 && waits++ < 2 * COUNT + 2);
                total += (unsigned)n;
        }
        for (unsigned i = 0; i < COUNT; i++) {
                assert_int_equal(counts[i], 1);
                end(fx, fds[i]);
        }
        expect_silence(fx);
        weir_events_destroy(one);
}

/* What is ready all the time fills each batch; time passes all the same. */
static void g13_readiness_does_not_starve_what_is_due(void **state) {
        struct fixture *fx = *state;
        struct weir_events *two = NULL;
        unsigned counts[8] = { 0 };
        int fds[8];

        assert_int_equal(weir_events_create(2, &two), 0);
        for (unsigned i = 0; i < 8; i++) {
                fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | WEIR_LEVEL), 0);
        }
        assert_int_equal(weir_reregister(fx->registry, fds[7], 7, WEIR_LEVEL), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fds[7], PASSED), 0);
        for (unsigned i = 0; i < 18 && !counts[7]; i++)
                assert_true(tally(fx->poll, two, 0, counts, 8) > 0);
        assert_int_equal(counts[7], 1);
        for (unsigned i = 0; i < 8; i++)
                end(fx, fds[i]);
        weir_events_destroy(two);
}

/* ---------------------------------------------------------------- it is moved */

static void g13_one_that_was_moved_later_ends_no_wait(void **state) {
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE);
        weir_time moment;

        for (unsigned i = 0; i < 5; i++) {
                moment = in_ms(10);
                assert_int_equal(weir_set_deadline(fx->registry, fd, in_ms(2)), 0);
                assert_int_equal(weir_set_deadline(fx->registry, fd, i % 2 ? far_off() : WEIR_NEVER), 0);
                assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, moment), 0);
                assert_true(weir_now() >= moment);
        }
        /* Then it comes at the moment to which it was moved. */
        assert_int_equal(weir_set_deadline(fx->registry, fd, in_ms(2)), 0);
        moment = in_ms(10);
        assert_int_equal(weir_set_deadline(fx->registry, fd, moment), 0);
        expect_timeout(fx, 1);
        assert_true(weir_now() >= moment);
        end(fx, fd);
}

static void g13_one_that_was_moved_many_times_comes_once_at_the_last_moment(void **state) {
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE);
        weir_time moment = 0;

        for (unsigned round = 0; round < 3; round++) {
                for (unsigned i = 0; i < 1000; i++) {
                        moment = in_ms((int64_t)(i * 7919 % 20));
                        assert_int_equal(weir_set_deadline(fx->registry, fd, moment), 0);
                }
                expect_timeout(fx, 1);
                assert_true(weir_now() >= moment);
                expect_silence(fx);
        }
        end(fx, fd);
}

static void g13_one_that_was_moved_earlier_comes_then(void **state) {
        struct fixture *fx = *state;
        int fds[5];

        for (unsigned i = 0; i < 5; i++) {
                fds[i] = registered(fx, i, WEIR_READABLE);
                assert_int_equal(weir_set_deadline(fx->registry, fds[i], far_off()), 0);
        }
        for (unsigned i = 0; i < 5; i++) {
                assert_int_equal(weir_set_deadline(fx->registry, fds[(i * 3 + 1) % 5], in_ms(1)), 0);
                expect_timeout(fx, (i * 3 + 1) % 5);
        }
        expect_silence(fx);
        for (unsigned i = 0; i < 5; i++)
                end(fx, fds[i]);
}

static void g13_one_that_was_moved_to_and_fro_comes_when_it_was_last_to(void **state) {
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE);
        weir_time moment = in_ms(6);

        /* Later, and then earlier again than that, but later than at first. */
        assert_int_equal(weir_set_deadline(fx->registry, fd, in_ms(1)), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fd, far_off()), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fd, moment), 0);
        expect_timeout(fx, 1);
        assert_true(weir_now() >= moment);
        /* Away, and back. */
        assert_int_equal(weir_set_deadline(fx->registry, fd, far_off()), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fd, WEIR_NEVER), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
        expect_timeout(fx, 1);
        end(fx, fd);
}

static void g13_far_moments_do_not_come(void **state) {
        const weir_time moments[] = { WEIR_NEVER, WEIR_NEVER - 1, WEIR_NEVER / 2, WEIR_NEVER / 1000 };
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE);

        for (unsigned i = 0; i < ARRAY_LEN(moments); i++) {
                assert_int_equal(weir_set_deadline(fx->registry, fd, moments[i]), 0);
                expect_silence(fx);
                /* And from there a near one is found. */
                assert_int_equal(weir_set_deadline(fx->registry, fd, in_ms(1)), 0);
                expect_timeout(fx, 1);
        }
        end(fx, fd);
}

static void g13_none_is_set_without_harm_where_there_is_none(void **state) {
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE);

        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(weir_set_deadline(fx->registry, fd, WEIR_NEVER), 0);
                expect_silence(fx);
        }
        end(fx, fd);
}

/* ---------------------------------------------------------------- batches */

static void g13_set_withdraws_the_timeout_that_was_fetched(void **state) {
        struct fixture *fx = *state;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                for (unsigned later = 0; later < 2; later++) {
                        int fd = registered(fx, 1, modes[m]);

                        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
                        fetch(fx, 1);
                        assert_int_equal(weir_set_deadline(fx->registry, fd, later ? far_off() : WEIR_NEVER), 0);
                        expect_drained_batch(fx);
                        expect_silence(fx);
                        /* It was not disarmed for nothing. */
                        ring(fd);
                        if (modes[m] & WEIR_READABLE)
                                expect_bits(fx, 1, EPOLLIN);
                        end(fx, fd);
                }
        }
}

static void g13_set_withdraws_what_was_left_unread(void **state) {
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE);

        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
        fetch(fx, 1);
        weir_events_clear(fx->events);
        assert_int_equal(weir_set_deadline(fx->registry, fd, far_off()), 0);
        expect_silence(fx);
        end(fx, fd);
}

static void g13_timeout_of_a_batch_that_was_half_read_comes_again(void **state) {
        struct fixture *fx = *state;
        unsigned counts[4] = { 0 };
        struct weir_event event;
        int fds[4];

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                memset(counts, 0, sizeof(counts));
                for (unsigned i = 0; i < 4; i++) {
                        fds[i] = registered(fx, i, modes[m]);
                        assert_int_equal(weir_set_deadline(fx->registry, fds[i], PASSED), 0);
                }
                fetch(fx, 4);
                assert_true(weir_events_next(fx->events, &event));
                assert_int_equal(event.readiness, TIMEOUT);
                counts[event.token]++;
                weir_events_clear(fx->events);
                assert_int_equal(tally(fx->poll, fx->events, DEADLINE_MS, counts, 4), 3);
                expect_silence(fx);
                for (unsigned i = 0; i < 4; i++) {
                        assert_int_equal(counts[i], 1);
                        end(fx, fds[i]);
                }
        }
}

static void g13_set_while_its_event_is_in_a_batch_brings_the_new_one_alone(void **state) {
        struct fixture *fx = *state;
        int fd = registered(fx, 1, WEIR_READABLE);
        weir_time moment;

        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
        fetch(fx, 1);
        moment = in_ms(5);
        assert_int_equal(weir_set_deadline(fx->registry, fd, moment), 0);
        expect_drained_batch(fx);
        expect_timeout(fx, 1);
        assert_true(weir_now() >= moment);
        expect_silence(fx);
        /* The new one may have passed, too. */
        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
        fetch(fx, 1);
        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED + 1), 0);
        take_bits(fx, 1, TIMEOUT);
        expect_drained_batch(fx);
        expect_silence(fx);
        end(fx, fd);
}

static void g13_timeout_and_readiness_come_in_any_number_of_events(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        uint32_t bits = 0;
        int fd = registered(fx, 1, WEIR_READABLE);

        ring(fd);
        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
        while (bits != (EPOLLIN | TIMEOUT)) {
                if (!weir_events_next(fx->events, &event)) {
                        assert_true(wait_ms(fx->poll, fx->events, DEADLINE_MS) > 0);
                        continue;
                }
                assert_int_equal(event.token, 1);
                assert_int_equal(event.readiness & bits, 0);
                bits |= event.readiness;
        }
        expect_drained_batch(fx);
        weir_events_clear(fx->events);
        expect_silence(fx);
        end(fx, fd);
}

/* ---------------------------------------------------------------- wakers */

static void g13_waker_has_a_deadline_of_its_own(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *wakers[2] = { 0 };
        weir_time moment;

        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
        for (unsigned round = 0; round < 20; round++) {
                moment = in_ms(1);
                assert_int_equal(weir_waker_set_deadline(wakers[round % 2], moment), 0);
                expect_timeout(fx, round % 2);
                assert_true(weir_now() >= moment);
                expect_silence(fx);
        }
        /* Moved, and removed. */
        assert_int_equal(weir_waker_set_deadline(wakers[0], in_ms(1)), 0);
        assert_int_equal(weir_waker_set_deadline(wakers[0], far_off()), 0);
        assert_int_equal(weir_waker_set_deadline(wakers[1], in_ms(1)), 0);
        assert_int_equal(weir_waker_set_deadline(wakers[1], WEIR_NEVER), 0);
        moment = in_ms(5);
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, moment), 0);
        assert_true(weir_now() >= moment);
        for (unsigned i = 0; i < 2; i++)
                weir_waker_destroy(wakers[i]);
}

static void g13_wake_that_joins_a_timeout_adds_readable(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct weir_stats before = stats_of(fx->registry), after;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_set_deadline(waker, PASSED), 0);
        fetch(fx, 1);
        assert_int_equal(weir_waker_wake(waker), 0);
        take_bits(fx, 1, EPOLLIN | TIMEOUT);
        weir_events_clear(fx->events);
        expect_silence(fx);
        after = stats_of(fx->registry);
        assert_int_equal(after.timeouts - before.timeouts, 1);
        assert_int_equal(after.wakes - before.wakes, 2); /* one was the silence's */
        /* A wake alone has no timeout bit, and a timeout alone is no wake. */
        assert_int_equal(weir_waker_wake(waker), 0);
        expect_bits(fx, 1, EPOLLIN);
        assert_int_equal(weir_waker_set_deadline(waker, PASSED), 0);
        expect_timeout(fx, 1);
        /* The timeout goes, the wake stays. */
        assert_int_equal(weir_waker_set_deadline(waker, PASSED), 0);
        fetch(fx, 1);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(weir_waker_set_deadline(waker, far_off()), 0);
        take_bits(fx, 1, EPOLLIN);
        expect_drained_batch(fx);
        expect_silence(fx);
        weir_waker_destroy(waker);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g13_now_is_clock_monotonic),
                CASE(g13_moment_is_when_the_poll_last_fetched),
                CASE(g13_moment_is_known_to_the_handler_of_an_event),
                CASE(g13_timeout_never_comes_early),
                CASE(g13_long_time_is_not_early_either),
                CASE(g13_then_it_has_none),
                CASE(g13_moment_that_has_passed_already_comes_in_the_next_wait),
                CASE(g13_next_wait_brings_what_passed_while_nobody_waited),
                CASE(g13_all_that_is_due_comes_however_small_the_batch),
                CASE(g13_readiness_does_not_starve_what_is_due),
                CASE(g13_one_that_was_moved_later_ends_no_wait),
                CASE(g13_one_that_was_moved_many_times_comes_once_at_the_last_moment),
                CASE(g13_one_that_was_moved_earlier_comes_then),
                CASE(g13_one_that_was_moved_to_and_fro_comes_when_it_was_last_to),
                CASE(g13_far_moments_do_not_come),
                CASE(g13_none_is_set_without_harm_where_there_is_none),
                CASE(g13_set_withdraws_the_timeout_that_was_fetched),
                CASE(g13_set_withdraws_what_was_left_unread),
                CASE(g13_timeout_of_a_batch_that_was_half_read_comes_again),
                CASE(g13_set_while_its_event_is_in_a_batch_brings_the_new_one_alone),
                CASE(g13_timeout_and_readiness_come_in_any_number_of_events),
                CASE(g13_waker_has_a_deadline_of_its_own),
                CASE(g13_wake_that_joins_a_timeout_adds_readable),
        };

        return cmocka_run_group_tests_name("g13_deadlines", cases, NULL, NULL);
}
