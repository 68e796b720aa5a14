/* SPDX-License-Identifier: MIT */
/*
 * G12 for weir_poll_wait_until(): a wait like another, to a moment of CLOCK_MONOTONIC. It never ends early, a moment that has
 * passed is no error, and WEIR_NEVER is for ever. Nothing here fails because the machine is slow.
 */
#include <signal.h>

#include "../support.h"

#define MS INT64_C(1000000)

static weir_time in(int64_t ns) {
        return (weir_time)now_ns() + ns;
}

static void g12_wait_until_never_ends_early(void **state) {
        const int64_t delays[] = { 0, 1, 999, MS / 10, MS + MS / 2, 3 * MS - 1, 20 * MS + 1, 1000 * MS + 1 };
        struct fixture *fx = *state;
        weir_time moment;

        for (unsigned i = 0; i < ARRAY_LEN(delays); i++) {
                for (unsigned again = 0; again < (delays[i] > 100 * MS ? 1 : 20); again++) {
                        moment = in(delays[i]);
                        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, moment), 0);
                        assert_true((weir_time)now_ns() >= moment);
                        assert_true(weir_events_is_empty(fx->events));
                        assert_int_equal(stats_of(fx->registry).batches, 0);
                }
        }
}

static void g12_wait_until_a_moment_that_has_passed_looks_once(void **state) {
        const weir_time moments[] = { 0, 1, 999999999 };
        struct fixture *fx = *state;
        int fd;

        for (unsigned i = 0; i < ARRAY_LEN(moments); i++)
                assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, moments[i]), 0);
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, in(-1)), 0);
        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_LEVEL), 0);
        for (unsigned i = 0; i < ARRAY_LEN(moments); i++)
                assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, moments[i]), 1);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g12_wait_until_does_not_keep_an_event_waiting(void **state) {
        const weir_time moments[] = { WEIR_NEVER, WEIR_NEVER - 1, WEIR_NEVER / 2, WEIR_NEVER / 1000,
                                      in(3600 * 1000 * MS) };
        struct fixture *fx = *state;
        struct weir_event event;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 7, WEIR_READABLE | WEIR_LEVEL), 0);
        for (unsigned i = 0; i < ARRAY_LEN(moments); i++) {
                assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, moments[i]), 1);
                assert_true(weir_events_next(fx->events, &event));
                assert_int_equal(event.token, 7);
                assert_false(weir_events_next(fx->events, &event));
        }
        weir_events_clear(fx->events);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g12_wait_until_a_moment_below_0_gets_einval_and_touches_nothing(void **state) {
        const weir_time bad[] = { -1, -1000000000, INT64_MIN, INT64_MIN + 1 };
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct note note = { 0 };
        struct weir_event event;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 1);
        weir_defer(fx->registry, &note.node, note_run);
        for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
                assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, bad[i]), -EINVAL);
        assert_int_equal(weir_poll_wait_until(NULL, fx->events, 0), -EINVAL);
        assert_int_equal(weir_poll_wait_until(fx->poll, NULL, 0), -EINVAL);
        assert_int_equal(note_runs(&note), 0);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(event.token, 1);
        weir_events_clear(fx->events);
        weir_waker_destroy(waker);
}

static void g12_wait_until_closes_the_batch_that_was_open(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct note note = { 0 };

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, WEIR_NEVER), 1);
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 0);
        /* It was left unread, so it comes again. */
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, 0), 1);
        assert_int_equal(note_runs(&note), 1);
        assert_true(weir_events_next(fx->events, &(struct weir_event){ 0 }));
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, 0), 0);
        weir_waker_destroy(waker);
}

/* ---------------------------------------------------------------- a wait that somebody else ends */

struct sleeper {
        struct fixture *fx;
        weir_time moment;
        struct latch entering, ended;
        int result;
};

static int sleep_until(void *arg) {
        struct sleeper *sleeper = arg;

        latch_set(&sleeper->entering);
        /* Who looks whether the role is taken may hold it for that. */
        do
                sleeper->result = weir_poll_wait_until(sleeper->fx->poll, sleeper->fx->events, sleeper->moment);
        while (sleeper->result == -EBUSY);
        latch_set(&sleeper->ended);
        return 0;
}

static void g12_wait_until_never_and_absurd_moments_sleeps_until_woken(void **state) {
        const weir_time moments[] = {
                WEIR_NEVER,         WEIR_NEVER - 1,       WEIR_NEVER / 2, WEIR_NEVER / 1000, in(WEIR_NEVER / 1000000),
                in(INT32_MAX * MS), in(3600 * 1000 * MS),
        };
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct weir_events *other = NULL;
        struct worker worker;

        assert_int_equal(weir_events_create(1, &other), 0);
        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        for (unsigned i = 0; i < 3 * ARRAY_LEN(moments); i++) {
                struct sleeper sleeper = { .fx = fx, .moment = moments[i / 3] };

                worker_start(&worker, sleep_until, &sleeper);
                assert_true(latch_within(&sleeper.entering, DEADLINE_MS));
                worker_settle(&worker);
                /* One that overflowed would be over at once. */
                assert_false(latch_within(&sleeper.ended, 20));
                /* It has the role (G2), as any wait. */
                assert_int_equal(weir_poll_wait_until(fx->poll, other, 0), -EBUSY);
                assert_int_equal(wait_ms(fx->poll, other, 0), -EBUSY);
                if (i % 3 == 0)
                        assert_int_equal(weir_waker_wake(waker), 0);
                else
                        assert_int_equal(weir_poll_interrupt(fx->poll), 0);
                assert_int_equal(worker_join(&worker), 0);
                assert_int_equal(sleeper.result, i % 3 == 0 ? 1 : -EINTR);
                while (weir_events_next(fx->events, &(struct weir_event){ 0 }))
                        continue;
                weir_events_clear(fx->events);
        }
        weir_events_destroy(other);
        weir_waker_destroy(waker);
}

static void do_nothing(int signal) {
        (void)signal;
}

static void g12_signal_handler_ends_a_wait_until_with_eintr(void **state) {
        struct sigaction action = { .sa_handler = do_nothing }, before;
        struct fixture *fx = *state;
        struct sleeper sleeper = { .fx = fx, .moment = WEIR_NEVER };
        uint64_t end = now_ns() + (uint64_t)MS * DEADLINE_MS;
        struct worker worker;

        assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
        worker_start(&worker, sleep_until, &sleeper);
        while (!latch_is_set(&sleeper.ended)) {
                assert_true(now_ns() < end);
                worker_settle(&worker);
                assert_int_equal(pthread_kill(worker.thread, SIGUSR1), 0);
                (void)latch_within(&sleeper.ended, 20);
        }
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(sleeper.result, -EINTR);
        assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

static void g10_destroy_ends_a_wait_until_with_eshutdown(void **state) {
        struct fixture *fx = *state;
        struct sleeper sleeper = { .moment = WEIR_NEVER };
        struct fixture own = { .events = fx->events };
        struct weir_events *probe = NULL;
        struct weir_registry *clone;
        struct worker worker;

        assert_int_equal(weir_poll_create(&own.poll), 0);
        clone = weir_registry_clone(weir_poll_registry(own.poll));
        assert_int_equal(weir_events_create(1, &probe), 0);
        sleeper.fx = &own;
        worker_start(&worker, sleep_until, &sleeper);
        while (wait_ms(own.poll, probe, 0) != -EBUSY)
                sched_yield();
        worker_settle(&worker);
        weir_poll_destroy(own.poll);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(sleeper.result, -ESHUTDOWN);
        weir_registry_release(clone);
        weir_events_destroy(probe);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g12_wait_until_never_ends_early),
                CASE(g12_wait_until_a_moment_that_has_passed_looks_once),
                CASE(g12_wait_until_does_not_keep_an_event_waiting),
                CASE(g12_wait_until_a_moment_below_0_gets_einval_and_touches_nothing),
                CASE(g12_wait_until_closes_the_batch_that_was_open),
                CASE(g12_wait_until_never_and_absurd_moments_sleeps_until_woken),
                CASE(g12_signal_handler_ends_a_wait_until_with_eintr),
                CASE(g10_destroy_ends_a_wait_until_with_eshutdown),
        };

        return cmocka_run_group_tests_name("g12_wait_until", cases, NULL, NULL);
}
