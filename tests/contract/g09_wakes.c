/* SPDX-License-Identifier: MIT */
/*
 * G9: a wake makes the current or the next wait return the waker's token; wakes coalesce until it is taken; they come
 * from any thread and any number of wakers, and cost no write while the poll is awake.
 */
#include "../support.h"

static void g9_wake_before_the_wait_makes_the_next_wait_return(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct weir_event event;

        assert_int_equal(weir_waker_create(fx->registry, 42, &waker), 0);
        /* A new waker has not been woken. */
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        for (unsigned i = 0; i < 10; i++) {
                assert_int_equal(weir_waker_wake(waker), 0);
                /* Without end, so that a lost wake shows. */
                assert_int_equal(wait_ms(fx->poll, fx->events, -1), 1);
                assert_true(weir_events_next(fx->events, &event));
                assert_int_equal(event.token, 42);
                assert_true(weir_event_is_readable(&event));
                assert_false(weir_event_is_error(&event));
                assert_false(weir_event_is_read_closed(&event));
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        }
        weir_waker_destroy(waker);
}

static void g9_wake_ends_a_blocked_wait(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct waiter waiter;

        assert_int_equal(weir_waker_create(fx->registry, 42, &waker), 0);
        for (unsigned i = 0; i < 50; i++) {
                waiter_start(&waiter, fx->poll);
                assert_int_equal(weir_waker_wake(waker), 0);
                assert_int_equal(waiter_join(&waiter), 1);
                assert_int_equal(waiter.got[0].token, 42);
        }
        weir_waker_destroy(waker);
}

static void g9_wakes_coalesce_until_the_event_is_taken(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct weir_event event;

        assert_int_equal(weir_waker_create(fx->registry, 42, &waker), 0);
        for (unsigned i = 0; i < 10; i++)
                assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 1);
        /* Fetched is not taken. */
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(event.token, 42);
        expect_drained_batch(fx);
        expect_silence(fx);

        /* A wake after that makes a new one, even beside the open batch of the old one. */
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 1);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(weir_waker_wake(waker), 0);
        expect_drained_batch(fx);
        expect_one(fx, 42);
        expect_silence(fx);
        weir_waker_destroy(waker);
}

static void g9_wake_of_an_unread_fetched_event_is_still_one_event(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;

        assert_int_equal(weir_waker_create(fx->registry, 42, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 1);
        assert_int_equal(weir_waker_wake(waker), 0);
        weir_events_clear(fx->events);
        assert_int_equal(weir_waker_wake(waker), 0);
        expect_one(fx, 42);
        expect_silence(fx);
        weir_waker_destroy(waker);
}

static void g9_many_wakers_share_one_eventfd_and_each_comes_once(void **state) {
        static struct weir_waker *wakers[1000];
        static unsigned counts[1000];
        struct fixture *fx = *state;
        unsigned open_before;

        open_before = count_descriptors();
        memset(counts, 0, sizeof(counts));
        for (unsigned i = 0; i < 1000; i++)
                assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
        assert_int_equal(count_descriptors(), open_before);
        assert_int_equal(stats_of(fx->registry).wakers, 1000);
        for (unsigned i = 0; i < 1000; i++)
                for (unsigned k = 0; k <= i % 3; k++)
                        assert_int_equal(weir_waker_wake(wakers[i]), 0);
        for (unsigned idle = 0, waits = 0; idle < 2;) {
                assert_true(waits++ < 1000);
                idle = tally(fx->poll, fx->events, 0, counts, 1000) > 0 ? 0 : idle + 1;
        }
        for (unsigned i = 0; i < 1000; i++) {
                assert_int_equal(counts[i], 1);
                weir_waker_destroy(wakers[i]);
        }
        assert_int_equal(stats_of(fx->registry).wakers, 0);
}

static void g9_two_wakers_may_have_one_token(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *wakers[2] = { 0 };
        unsigned counts[1] = { 0 };

        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(weir_waker_create(fx->registry, 0, &wakers[i]), 0);
                assert_int_equal(weir_waker_wake(wakers[i]), 0);
        }
        assert_int_equal(tally(fx->poll, fx->events, DEADLINE_MS, counts, 1), 2);
        for (unsigned i = 0; i < 2; i++)
                weir_waker_destroy(wakers[i]);
}

/* ---------------------------------------------------------------- threads */

#define WAKERS 8
#define WAKES  500

struct calling {
        struct weir_waker *waker;
        atomic_int *taken; /* how many events of it were taken, or NULL to wake without a look */
        atomic_int *finished;
};

static int wake_often(void *arg) {
        struct calling *c = arg;

        for (int i = 0; i < WAKES; i++) {
                REQUIRE(weir_waker_wake(c->waker) == 0);
                if (c->taken)
                        REQUIRE(reached(c->taken, i + 1));
        }
        atomic_fetch_add_explicit(c->finished, 1, memory_order_relaxed);
        return 0;
}

static void wake_from_threads(struct fixture *fx, bool answered, bool shared) {
        struct weir_waker *wakers[WAKERS] = { 0 };
        atomic_int taken[WAKERS] = { 0 }, finished = 0;
        struct calling callings[WAKERS];
        struct worker workers[WAKERS];
        struct weir_event got[BATCH];
        unsigned n_wakers = shared ? 1 : WAKERS;
        uint64_t end = now_ns() + UINT64_C(1000000) * DEADLINE_MS;
        int n;

        for (unsigned i = 0; i < n_wakers; i++)
                assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
        for (unsigned i = 0; i < WAKERS; i++) {
                callings[i] = (struct calling){ .waker = wakers[shared ? 0 : i], .finished = &finished };
                if (answered)
                        callings[i].taken = &taken[i];
                worker_start(&workers[i], wake_often, &callings[i]);
        }
        for (;;) {
                bool last = atomic_load_explicit(&finished, memory_order_relaxed) == WAKERS;

                /* An answered wake must end a wait that has no end; the others may all have been taken already. */
                n = collect(fx->poll, fx->events, last ? 0 : 100, got, BATCH);
                assert_in_range(n, 0, n_wakers);
                for (int i = 0; i < n; i++) {
                        assert_true(got[i].token < n_wakers);
                        atomic_fetch_add_explicit(&taken[got[i].token], 1, memory_order_relaxed);
                }
                if (last && n == 0)
                        break;
                assert_true(now_ns() < end);
        }
        for (unsigned i = 0; i < WAKERS; i++)
                assert_int_equal(worker_join(&workers[i]), 0);
        for (unsigned i = 0; i < n_wakers; i++) {
                if (answered)
                        assert_int_equal(taken[i], WAKES);
                else
                        assert_in_range(taken[i], 1, shared ? WAKERS * WAKES : WAKES);
                weir_waker_destroy(wakers[i]);
        }
}

static void g9_each_answered_wake_from_eight_threads_makes_its_own_event(void **state) {
        wake_from_threads(*state, true, false);
}

static void g9_unanswered_wakes_from_eight_threads_end_with_an_event(void **state) {
        wake_from_threads(*state, false, false);
}

static void g9_wakes_of_one_waker_from_eight_threads_end_with_an_event(void **state) {
        wake_from_threads(*state, false, true);
}

struct last_word {
        struct weir_waker *waker;
        pthread_barrier_t *barrier;
};

static int say_last_word(void *arg) {
        struct last_word *word = arg;

        for (unsigned i = 0; i < 2000; i++) {
                barrier_pass(word->barrier);
                REQUIRE(weir_waker_wake(word->waker) == 0);
        }
        return 0;
}

static void g9_wake_racing_with_the_way_to_sleep_is_never_lost(void **state) {
        struct fixture *fx = *state;
        struct last_word word;
        pthread_barrier_t barrier;
        struct weir_waker *waker = NULL;
        struct worker worker;

        assert_int_equal(weir_waker_create(fx->registry, 9, &waker), 0);
        barrier_make(&barrier, 2);
        word = (struct last_word){ .waker = waker, .barrier = &barrier };
        worker_start(&worker, say_last_word, &word);
        for (unsigned i = 0; i < 2000; i++) {
                barrier_pass(&barrier);
                /* One wake, one endless wait: a lost one ends with the watchdog. */
                assert_int_equal(wait_ms(fx->poll, fx->events, -1), 1);
                assert_true(weir_events_next(fx->events, &(struct weir_event){ 0 }));
        }
        assert_int_equal(worker_join(&worker), 0);
        pthread_barrier_destroy(&barrier);
        weir_waker_destroy(waker);
}

/* ---------------------------------------------------------------- cost */

static void g9_wakes_of_a_busy_poll_write_nothing(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *wakers[4] = { 0 };
        uint64_t before;

        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
        before = stats_of(fx->registry).eventfd_writes;
        for (unsigned round = 0; round < 100; round++) {
                unsigned counts[4] = { 0 };

                for (unsigned i = 0; i < 4; i++)
                        assert_int_equal(weir_waker_wake(wakers[i]), 0);
                assert_int_equal(wait_ms(fx->poll, fx->events, DEADLINE_MS), 4);
                assert_int_equal(tally_batch(fx->events, counts, 4), 4);
                /* From inside the handler too. */
                for (unsigned i = 0; i < 4; i++)
                        assert_int_equal(weir_waker_wake(wakers[i]), 0);
                assert_int_equal(tally(fx->poll, fx->events, DEADLINE_MS, counts, 4), 4);
        }
        assert_int_equal(stats_of(fx->registry).eventfd_writes, before);
        for (unsigned i = 0; i < 4; i++)
                weir_waker_destroy(wakers[i]);
}

static void g9_wake_of_a_sleeping_poll_is_counted_as_a_write(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct waiter waiter;
        uint64_t before;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        before = stats_of(fx->registry).eventfd_writes;
        for (unsigned i = 0; i < 10; i++) {
                waiter_start(&waiter, fx->poll);
                assert_int_equal(weir_waker_wake(waker), 0);
                assert_int_equal(waiter_join(&waiter), 1);
        }
        /* Never more than one for each time it slept. */
        assert_in_range(stats_of(fx->registry).eventfd_writes - before, 0, 10);
        weir_waker_destroy(waker);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g9_wake_before_the_wait_makes_the_next_wait_return),
                CASE(g9_wake_ends_a_blocked_wait),
                CASE(g9_wakes_coalesce_until_the_event_is_taken),
                CASE(g9_wake_of_an_unread_fetched_event_is_still_one_event),
                CASE(g9_many_wakers_share_one_eventfd_and_each_comes_once),
                CASE(g9_two_wakers_may_have_one_token),
                CASE(g9_each_answered_wake_from_eight_threads_makes_its_own_event),
                CASE(g9_unanswered_wakes_from_eight_threads_end_with_an_event),
                CASE(g9_wakes_of_one_waker_from_eight_threads_end_with_an_event),
                CASE(g9_wake_racing_with_the_way_to_sleep_is_never_lost),
                CASE(g9_wakes_of_a_busy_poll_write_nothing),
                CASE(g9_wake_of_a_sleeping_poll_is_counted_as_a_write),
        };

        return cmocka_run_group_tests_name("g09_wakes", cases, NULL, NULL);
}
