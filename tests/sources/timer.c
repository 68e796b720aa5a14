/* SPDX-License-Identifier: MIT */
/*
 * Timers against the real clocks. No case passes or fails by how fast the machine is: what is asserted of time is that
 * nothing expires before its moment.
 */
#include "support.h"

#include <time.h>
#include <weir/sources.h>

#define TIMER 7

static const struct timespec zero, millisecond = { 0, 1000000 }, hour = { 3600, 0 };

static struct weir_timer make_timer(clockid_t clock) {
        struct weir_timer timer;

        assert_int_equal(weir_timer_init(clock, &timer), 0);
        assert_int_equal(fcntl(timer.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        assert_int_equal(fcntl(timer.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        return timer;
}

static void watch(struct fixture *fx, struct weir_timer *timer, weir_interest interest) {
        assert_int_equal(weir_source_register(fx->registry, &timer->source, TIMER, interest), 0);
}

static void end(struct fixture *fx, struct weir_timer *timer) {
        assert_int_equal(weir_source_deregister(fx->registry, &timer->source), 0);
        weir_timer_deinit(timer);
}

static struct timespec read_clock(clockid_t clock) {
        struct timespec now;

        assert_int_equal(clock_gettime(clock, &now), 0);
        return now;
}

static bool is_before(struct timespec a, struct timespec b) {
        return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

static struct timespec later(struct timespec moment, const struct timespec *delay) {
        moment.tv_sec += delay->tv_sec;
        moment.tv_nsec += delay->tv_nsec;
        if (moment.tv_nsec >= 1000000000) {
                moment.tv_nsec -= 1000000000;
                moment.tv_sec++;
        }
        return moment;
}

static void a_timer_expires_once(void **state) {
        static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME };
        struct fixture *fx = *state;

        for (size_t i = 0; i < ARRAY_LEN(clocks); ++i) {
                struct weir_timer timer = make_timer(clocks[i]);
                struct timespec moment;
                uint64_t expirations = 99;

                watch(fx, &timer, WEIR_READABLE);
                expect_silence(fx);
                assert_int_equal(weir_timer_read(&timer, &expirations), -EAGAIN);
                assert_int_equal(expirations, 99);
                moment = later(read_clock(CLOCK_MONOTONIC), &millisecond);
                assert_int_equal(weir_timer_set(&timer, &millisecond, NULL), 0);
                expect_one(fx, TIMER);
                if (clocks[i] != CLOCK_REALTIME)
                        assert_false(is_before(read_clock(CLOCK_MONOTONIC), moment));
                assert_int_equal(weir_timer_read(&timer, &expirations), 0);
                assert_int_equal(expirations, 1);
                assert_int_equal(weir_timer_read(&timer, &expirations), -EAGAIN);
                expect_silence(fx);
                end(fx, &timer);
        }
}

static void a_period_expires_again_and_again(void **state) {
        struct fixture *fx = *state;
        struct weir_timer timer = make_timer(CLOCK_MONOTONIC);
        struct timespec moment = read_clock(CLOCK_MONOTONIC);
        uint64_t sum = 0, expirations;

        watch(fx, &timer, WEIR_READABLE);
        assert_int_equal(weir_timer_set(&timer, &millisecond, &millisecond), 0);
        while (sum < 5) {
                expect_one(fx, TIMER);
                assert_int_equal(weir_timer_read(&timer, &expirations), 0);
                assert_true(expirations > 0);
                sum += expirations;
        }
        for (unsigned i = 0; i < 5; ++i)
                moment = later(moment, &millisecond);
        assert_false(is_before(read_clock(CLOCK_MONOTONIC), moment));
        end(fx, &timer);
}

/* What is not read adds up: after two periods of which one was seen, at least two come at once. */
static void missed_periods_are_counted(void **state) {
        struct weir_timer timer = make_timer(CLOCK_MONOTONIC), other = make_timer(CLOCK_MONOTONIC);
        struct timespec start = read_clock(CLOCK_MONOTONIC), end_of_third = start;
        uint64_t expirations;

        (void)state;
        for (unsigned i = 0; i < 3; ++i)
                end_of_third = later(end_of_third, &millisecond);
        assert_int_equal(weir_timer_set_at(&timer, &start, &millisecond), 0);
        assert_int_equal(weir_timer_set_at(&other, &end_of_third, NULL), 0);
        assert_true(polls_readable(other.fd, DEADLINE_MS));
        assert_int_equal(weir_timer_read(&timer, &expirations), 0);
        assert_true(expirations >= 4); /* at 0, 1, 2 and 3 ms */
        weir_timer_deinit(&timer);
        weir_timer_deinit(&other);
}

static void a_moment_is_of_the_timers_clock(void **state) {
        static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME };
        struct fixture *fx = *state;

        for (size_t i = 0; i < ARRAY_LEN(clocks); ++i) {
                struct weir_timer timer = make_timer(clocks[i]);
                struct timespec moment = later(read_clock(clocks[i]), &millisecond);
                uint64_t expirations;

                watch(fx, &timer, WEIR_READABLE);
                assert_int_equal(weir_timer_set_at(&timer, &moment, NULL), 0);
                expect_one(fx, TIMER);
                assert_false(is_before(read_clock(clocks[i]), moment));
                assert_int_equal(weir_timer_read(&timer, &expirations), 0);
                assert_int_equal(expirations, 1);
                end(fx, &timer);
        }
}

static void at_once_is_at_once(void **state) {
        struct fixture *fx = *state;
        struct weir_timer timer = make_timer(CLOCK_MONOTONIC);
        struct timespec past = { 0, 1 };
        uint64_t expirations;

        watch(fx, &timer, WEIR_READABLE);
        assert_int_equal(weir_timer_set(&timer, &zero, NULL), 0);
        expect_one(fx, TIMER);
        assert_int_equal(weir_timer_read(&timer, &expirations), 0);
        assert_int_equal(weir_timer_set_at(&timer, &zero, NULL), 0);
        expect_one(fx, TIMER);
        assert_int_equal(weir_timer_read(&timer, &expirations), 0);
        assert_int_equal(weir_timer_set_at(&timer, &past, NULL), 0);
        expect_one(fx, TIMER);
        assert_int_equal(weir_timer_read(&timer, &expirations), 0);
        assert_int_equal(expirations, 1);
        end(fx, &timer);
}

static void disarm_forgets_what_was_not_read(void **state) {
        struct fixture *fx = *state;
        struct weir_timer timer = make_timer(CLOCK_MONOTONIC);
        uint64_t expirations;

        watch(fx, &timer, WEIR_READABLE);
        assert_int_equal(weir_timer_set(&timer, &zero, &millisecond), 0);
        assert_true(polls_readable(timer.fd, DEADLINE_MS));
        assert_int_equal(weir_timer_disarm(&timer), 0);
        assert_int_equal(weir_timer_read(&timer, &expirations), -EAGAIN);
        expect_silence(fx);
        assert_int_equal(weir_timer_disarm(&timer), 0);
        end(fx, &timer);
}

static void set_replaces_what_was_set(void **state) {
        struct fixture *fx = *state;
        struct weir_timer timer = make_timer(CLOCK_MONOTONIC);
        uint64_t expirations;

        watch(fx, &timer, WEIR_READABLE);
        assert_int_equal(weir_timer_set(&timer, &zero, NULL), 0);
        assert_true(polls_readable(timer.fd, DEADLINE_MS));
        assert_int_equal(weir_timer_set(&timer, &hour, NULL), 0);
        assert_int_equal(weir_timer_read(&timer, &expirations), -EAGAIN);
        expect_silence(fx);
        assert_int_equal(weir_timer_set(&timer, &zero, NULL), 0);
        expect_one(fx, TIMER);
        end(fx, &timer);
}

static void absurd_delays_never_expire(void **state) {
        struct timespec for_ever = { .tv_sec = sizeof(time_t) == 8 ? (time_t)INT64_MAX : (time_t)INT32_MAX };
        struct fixture *fx = *state;
        struct weir_timer timer = make_timer(CLOCK_MONOTONIC);

        watch(fx, &timer, WEIR_READABLE);
        assert_int_equal(weir_timer_set(&timer, &for_ever, NULL), 0);
        expect_silence(fx);
        assert_int_equal(weir_timer_set_at(&timer, &for_ever, &for_ever), 0);
        expect_silence(fx);
        end(fx, &timer);
}

static void a_one_shot_is_rearmed_by_its_descriptor(void **state) {
        struct fixture *fx = *state;
        struct weir_timer timer = make_timer(CLOCK_MONOTONIC);
        uint64_t expirations;

        watch(fx, &timer, WEIR_READABLE | WEIR_ONESHOT);
        for (unsigned i = 0; i < 3; ++i) {
                assert_int_equal(weir_timer_set(&timer, &zero, NULL), 0);
                expect_soon(fx, TIMER);
                assert_int_equal(weir_timer_read(&timer, &expirations), 0);
                assert_int_equal(weir_timer_set(&timer, &zero, NULL), 0);
                assert_true(polls_readable(timer.fd, DEADLINE_MS));
                expect_silence(fx); /* not before it is armed */
                assert_int_equal(weir_timer_read(&timer, &expirations), 0);
                assert_int_equal(weir_timer_read(&timer, &expirations), -EAGAIN);
                assert_int_equal(weir_rearm(fx->registry, timer.fd, WEIR_READABLE), 0);
        }
        end(fx, &timer);
}

static void reregister_changes_token_and_mode(void **state) {
        struct fixture *fx = *state;
        struct weir_timer timer = make_timer(CLOCK_MONOTONIC);

        watch(fx, &timer, WEIR_READABLE);
        assert_int_equal(weir_source_reregister(fx->registry, &timer.source, 8, WEIR_READABLE | WEIR_LEVEL), 0);
        assert_int_equal(weir_timer_set(&timer, &zero, NULL), 0);
        expect_one(fx, 8);
        expect_one(fx, 8);
        end(fx, &timer);
}

static void a_timer_may_be_moved(void **state) {
        struct fixture *fx = *state;
        struct weir_timer timer = make_timer(CLOCK_MONOTONIC), moved;

        watch(fx, &timer, WEIR_READABLE);
        moved = timer;
        memset(&timer, 0, sizeof timer);
        weir_timer_deinit(&timer);
        assert_int_equal(weir_timer_set(&moved, &zero, NULL), 0);
        expect_one(fx, TIMER);
        end(fx, &moved);
}

static void bad_arguments_get_einval(void **state) {
        static const struct timespec bad[] = { { -1, 0 }, { 0, -1 }, { 0, 1000000000 } };
        struct fixture *fx = *state;
        struct weir_timer timer = make_timer(CLOCK_MONOTONIC), none = { .fd = 0 };
        uint64_t expirations = 99;

        assert_int_equal(weir_timer_init(CLOCK_MONOTONIC, NULL), -EINVAL);
        assert_int_equal(weir_timer_init(CLOCK_THREAD_CPUTIME_ID, &none), -EINVAL);
        assert_int_equal(weir_timer_init(-1, &none), -EINVAL);
        assert_null(none.source.ops);
        for (size_t i = 0; i < ARRAY_LEN(bad); ++i) {
                assert_int_equal(weir_timer_set(&timer, &bad[i], NULL), -EINVAL);
                assert_int_equal(weir_timer_set(&timer, &millisecond, &bad[i]), -EINVAL);
                assert_int_equal(weir_timer_set_at(&timer, &bad[i], NULL), -EINVAL);
        }
        assert_int_equal(weir_timer_set(&timer, NULL, NULL), -EINVAL);
        assert_int_equal(weir_timer_set(&timer, &millisecond, &zero), -EINVAL);
        assert_int_equal(weir_timer_set_at(&timer, NULL, &millisecond), -EINVAL);
        assert_int_equal(weir_timer_read(&timer, NULL), -EINVAL);
        weir_timer_deinit(&timer);

        for (struct weir_timer *bare = &timer; bare; bare = bare == &timer ? &none : NULL) {
                assert_int_equal(weir_timer_set(bare, &millisecond, NULL), -EINVAL);
                assert_int_equal(weir_timer_set_at(bare, &millisecond, NULL), -EINVAL);
                assert_int_equal(weir_timer_disarm(bare), -EINVAL);
                assert_int_equal(weir_timer_read(bare, &expirations), -EINVAL);
                assert_int_equal(weir_source_register(fx->registry, &bare->source, TIMER, WEIR_READABLE), -EINVAL);
                weir_timer_deinit(bare);
        }
        assert_int_equal(weir_timer_set(NULL, &millisecond, NULL), -EINVAL);
        assert_int_equal(weir_timer_set_at(NULL, &millisecond, NULL), -EINVAL);
        assert_int_equal(weir_timer_disarm(NULL), -EINVAL);
        assert_int_equal(weir_timer_read(NULL, &expirations), -EINVAL);
        weir_timer_deinit(NULL);
        assert_int_equal(expirations, 99);
        assert_int_equal(stats_of(fx->registry).registered, 0);
        assert_true(fcntl(0, F_GETFD) >= 0); /* the zero of a struct that is all zero is no descriptor */
}

static void registering_twice_is_refused_as_ever(void **state) {
        struct fixture *fx = *state;
        struct weir_timer timer = make_timer(CLOCK_MONOTONIC);

        assert_int_equal(weir_source_reregister(fx->registry, &timer.source, TIMER, WEIR_READABLE), -ENOENT);
        assert_int_equal(weir_source_deregister(fx->registry, &timer.source), -ENOENT);
        watch(fx, &timer, WEIR_READABLE);
        assert_int_equal(weir_source_register(fx->registry, &timer.source, TIMER, WEIR_READABLE), -EEXIST);
        end(fx, &timer);
}

static int set_in_child(void *arg) {
        struct weir_timer *timer = arg;

        REQUIRE(weir_timer_set(timer, &zero, NULL) == 0);
        weir_timer_deinit(timer);
        return 0;
}

/* As the header says: what a child sets is its parent's, what it closes is its own. */
static void a_forked_child_sets_its_parents_timer(void **state) {
        struct fixture *fx = *state;
        struct weir_timer timer = make_timer(CLOCK_MONOTONIC);

        watch(fx, &timer, WEIR_READABLE);
        assert_int_equal(run_child(set_in_child, &timer), 0);
        expect_one(fx, TIMER);
        end(fx, &timer);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(a_timer_expires_once),
                CASE(a_period_expires_again_and_again),
                CASE(missed_periods_are_counted),
                CASE(a_moment_is_of_the_timers_clock),
                CASE(at_once_is_at_once),
                CASE(disarm_forgets_what_was_not_read),
                CASE(set_replaces_what_was_set),
                CASE(absurd_delays_never_expire),
                CASE(a_one_shot_is_rearmed_by_its_descriptor),
                CASE(reregister_changes_token_and_mode),
                CASE(a_timer_may_be_moved),
                CASE(bad_arguments_get_einval),
                CASE(registering_twice_is_refused_as_ever),
                CASE(a_forked_child_sets_its_parents_timer),
        };

        return cmocka_run_group_tests_name("timer", cases, NULL, NULL);
}
