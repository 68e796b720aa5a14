/* SPDX-License-Identifier: MIT */
/*
 * G12 for waits: timeouts have nanosecond resolution, never end early and saturate; a signal ends a wait with -EINTR.
 * Nothing here fails because the machine is slow.
 */
#include <limits.h>
#include <signal.h>

#include "../support.h"

static void g12_timeout_never_ends_early(void **state) {
        const struct timespec timeouts[] = {
                { .tv_nsec = 0 },       { .tv_nsec = 1 },       { .tv_nsec = 999 },      { .tv_nsec = 100000 },
                { .tv_nsec = 1500000 }, { .tv_nsec = 2999999 }, { .tv_nsec = 20000001 }, { .tv_sec = 1, .tv_nsec = 1 },
        };
        struct fixture *fx = *state;
        uint64_t start, took;

        for (unsigned i = 0; i < ARRAY_LEN(timeouts); i++) {
                for (unsigned again = 0; again < (timeouts[i].tv_sec ? 1 : 20); again++) {
                        start = now_ns();
                        assert_int_equal(weir_poll_wait(fx->poll, fx->events, &timeouts[i]), 0);
                        took = now_ns() - start;
                        assert_true(took >= (uint64_t)timeouts[i].tv_sec * 1000000000u + (uint64_t)timeouts[i].tv_nsec);
                }
        }
}

static void g12_timeout_leaves_no_batch_open(void **state) {
        struct fixture *fx = *state;
        struct note note = { 0 };
        struct weir_event event;

        assert_int_equal(wait_ms(fx->poll, fx->events, 1), 0);
        assert_true(weir_events_is_empty(fx->events));
        assert_false(weir_events_next(fx->events, &event));
        assert_int_equal(stats_of(fx->registry).batches, 0);
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 1);
        assert_int_equal(weir_synchronize(fx->registry), 0);
}

static void g12_timeout_does_not_keep_an_event_waiting(void **state) {
        struct fixture *fx = *state;
        int fd;

        /* Ready before: the absurd ones return as well as the short ones. */
        const struct timespec timeouts[] = {
                { .tv_sec = 0 },
                { .tv_nsec = 1 },
                { .tv_sec = INT32_MAX, .tv_nsec = 999999999 },
                { .tv_sec = TIME_MAX / 1000 },
                { .tv_sec = TIME_MAX / 1000 + 1 },
                { .tv_sec = TIME_MAX, .tv_nsec = 999999999 },
        };

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_LEVEL), 0);
        for (unsigned i = 0; i < ARRAY_LEN(timeouts); i++)
                assert_int_equal(weir_poll_wait(fx->poll, fx->events, &timeouts[i]), 1);
        assert_int_equal(weir_poll_wait(fx->poll, fx->events, NULL), 1);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g12_invalid_timeout_gets_einval_and_touches_nothing(void **state) {
        const struct timespec bad[] = {
                { .tv_nsec = -1 },
                { .tv_nsec = 1000000000 },
                { .tv_sec = -1 },
                { .tv_sec = -1, .tv_nsec = 999999999 },
                { .tv_sec = TIME_MAX, .tv_nsec = 1000000000 },
                { .tv_nsec = LONG_MAX },
                { .tv_nsec = LONG_MIN },
        };
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct weir_event event;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 1);
        for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
                assert_int_equal(weir_poll_wait(fx->poll, fx->events, &bad[i]), -EINVAL);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(event.token, 1);
        weir_waker_destroy(waker);
}

/* ---------------------------------------------------------------- a wait that somebody else ends */

struct sleeper {
        struct fixture *fx;
        const struct timespec *timeout;
        struct latch entering, ended;
        int result;
};

static int sleep_in_wait(void *arg) {
        struct sleeper *sleeper = arg;

        latch_set(&sleeper->entering);
        sleeper->result = weir_poll_wait(sleeper->fx->poll, sleeper->fx->events, sleeper->timeout);
        latch_set(&sleeper->ended);
        return 0;
}

static void g12_endless_and_absurd_timeouts_sleep_until_woken(void **state) {
        const struct timespec timeouts[] = {
                { .tv_sec = INT32_MAX },
                { .tv_sec = TIME_MAX > INT32_MAX ? (time_t)(INT64_C(1) << 31) : INT32_MAX },
                { .tv_sec = TIME_MAX / 1000000000, .tv_nsec = 999999999 },
                { .tv_sec = TIME_MAX / 1000000 },
                { .tv_sec = TIME_MAX / 1000 },
                { .tv_sec = TIME_MAX - 1, .tv_nsec = 999999999 },
                { .tv_sec = TIME_MAX, .tv_nsec = 999999999 },
        };
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct worker worker;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        for (unsigned i = 0; i <= ARRAY_LEN(timeouts); i++) {
                struct sleeper sleeper = { .fx = fx, .timeout = i < ARRAY_LEN(timeouts) ? &timeouts[i] : NULL };

                worker_start(&worker, sleep_in_wait, &sleeper);
                assert_true(latch_within(&sleeper.entering, DEADLINE_MS));
                worker_settle(&worker);
                /* One that overflowed would be over at once. */
                assert_false(latch_within(&sleeper.ended, 20));
                assert_int_equal(weir_waker_wake(waker), 0);
                assert_int_equal(worker_join(&worker), 0);
                assert_int_equal(sleeper.result, 1);
                assert_true(weir_events_next(fx->events, &(struct weir_event){ 0 }));
                weir_events_clear(fx->events);
        }
        weir_waker_destroy(waker);
}

static void do_nothing(int signal) {
        (void)signal;
}

static void g12_signal_handler_ends_a_wait_with_eintr(void **state) {
        const int flags[] = { 0, SA_RESTART };
        struct fixture *fx = *state;
        struct worker worker;

        for (unsigned f = 0; f < ARRAY_LEN(flags); f++) {
                struct sigaction action = { .sa_handler = do_nothing, .sa_flags = flags[f] }, before;
                struct sleeper sleeper = { .fx = fx };
                struct note note = { 0 };
                uint64_t end = now_ns() + UINT64_C(1000000) * DEADLINE_MS;

                assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
                worker_start(&worker, sleep_in_wait, &sleeper);
                assert_true(latch_within(&sleeper.entering, DEADLINE_MS));
                /* A signal that comes before the wait is none of its business, so there is more than one. */
                while (!latch_is_set(&sleeper.ended)) {
                        assert_true(now_ns() < end);
                        worker_settle(&worker);
                        assert_int_equal(pthread_kill(worker.thread, SIGUSR1), 0);
                        (void)latch_within(&sleeper.ended, 20);
                }
                assert_int_equal(worker_join(&worker), 0);
                assert_int_equal(sleeper.result, -EINTR);
                /* No batch is open after it. */
                assert_true(weir_events_is_empty(fx->events));
                assert_int_equal(stats_of(fx->registry).batches, 0);
                weir_defer(fx->registry, &note.node, note_run);
                assert_int_equal(note_runs(&note), 1);
                assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
        }
}

static void g12_interrupted_wait_has_closed_the_former_batch(void **state) {
        struct sigaction action = { .sa_handler = do_nothing }, before;
        struct fixture *fx = *state;
        struct sleeper sleeper = { .fx = fx };
        struct weir_waker *waker = NULL;
        struct note note = { 0 };
        struct worker worker;
        uint64_t end = now_ns() + UINT64_C(1000000) * DEADLINE_MS;

        assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 1);
        assert_true(weir_events_next(fx->events, &(struct weir_event){ 0 }));
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 0);
        /* The batch goes to the other thread, whose wait closes it. */
        worker_start(&worker, sleep_in_wait, &sleeper);
        while (!latch_is_set(&sleeper.ended)) {
                assert_true(now_ns() < end);
                worker_settle(&worker);
                assert_int_equal(pthread_kill(worker.thread, SIGUSR1), 0);
                (void)latch_within(&sleeper.ended, 20);
        }
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(sleeper.result, -EINTR);
        assert_int_equal(note_runs(&note), 1);
        weir_waker_destroy(waker);
        assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

static int wait_while_cancelled(void *arg) {
        struct fixture *fx = arg;
        int r, old;

        /* Pending from here on; a wait that is a cancellation point does not come back. */
        REQUIRE(pthread_cancel(pthread_self()) == 0);
        r = wait_ms(fx->poll, fx->events, 1);
        REQUIRE(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old) == 0);
        REQUIRE(r == 0);
        return 0;
}

static void g12_wait_is_no_cancellation_point(void **state) {
        struct fixture *fx = *state;
        struct worker worker;

        worker_start(&worker, wait_while_cancelled, fx);
        assert_int_equal(worker_join(&worker), 0);
        /* The role is free again. */
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g12_timeout_never_ends_early),
                CASE(g12_timeout_leaves_no_batch_open),
                CASE(g12_timeout_does_not_keep_an_event_waiting),
                CASE(g12_invalid_timeout_gets_einval_and_touches_nothing),
                CASE(g12_endless_and_absurd_timeouts_sleep_until_woken),
                CASE(g12_signal_handler_ends_a_wait_with_eintr),
                CASE(g12_interrupted_wait_has_closed_the_former_batch),
                CASE(g12_wait_is_no_cancellation_point),
        };

        return cmocka_run_group_tests_name("g12_timeouts", cases, NULL, NULL);
}
