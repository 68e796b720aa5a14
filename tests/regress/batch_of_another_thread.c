/* SPDX-License-Identifier: MIT */
/*
 * Who owns a batch is told by the thread, not by a number that the system gives to the next thread when one has ended; and who
 * took a batch over half read owns it, the one that gave it away no longer.
 */
#include "../support.h"

/* ---------------------------------------------------------------- a number that is used again */

struct opener {
        struct fixture *fx;
        struct weir_waker *waker;
        pthread_t self;
};

static int open_and_leave(void *arg) {
        struct opener *opener = arg;

        opener->self = pthread_self();
        REQUIRE(weir_waker_wake(opener->waker) == 0);
        REQUIRE(wait_ms(opener->fx->poll, opener->fx->events, DEADLINE_MS) == 1);
        return 0;
}

struct syncer {
        struct fixture *fx;
        struct latch started;
        pthread_t self;
        int result;
};

static int synchronize(void *arg) {
        struct syncer *syncer = arg;

        syncer->self = pthread_self();
        latch_set(&syncer->started);
        syncer->result = weir_synchronize(syncer->fx->registry);
        return 0;
}

static void g6_thread_after_the_owner_of_a_batch_is_not_the_owner(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        unsigned wrong = 0;
        bool same = false;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        for (unsigned i = 0; i < 20 && !same; i++) {
                struct opener opener = { .fx = fx, .waker = waker };
                struct syncer syncer = { .fx = fx, .result = 1 };
                struct worker worker;

                worker_start(&worker, open_and_leave, &opener);
                assert_int_equal(worker_join(&worker), 0);
                worker_start(&worker, synchronize, &syncer);
                assert_true(latch_within(&syncer.started, DEADLINE_MS));
                same = pthread_equal(opener.self, syncer.self);
                worker_settle(&worker);
                weir_events_clear(fx->events);
                assert_int_equal(worker_join(&worker), 0);
                wrong += syncer.result != 0;
        }
        weir_waker_destroy(waker);
        assert_int_equal(wrong, 0);
        /* A system that never gives a number again has not the fault. */
        if (!same)
                skip();
}

/* ---------------------------------------------------------------- a batch handed on half read */

struct taker {
        struct fixture *fx;
        struct latch give, tried, closed;
        unsigned reads;
        int result;
        bool close; /* the taker closes it */
};

static int take_over(void *arg) {
        struct taker *taker = arg;
        struct weir_event event;

        latch_wait(&taker->give);
        for (unsigned i = 0; i < taker->reads; i++)
                REQUIRE(weir_events_next(taker->fx->events, &event));
        taker->result = weir_synchronize(taker->fx->registry);
        latch_set(&taker->tried);
        latch_wait(&taker->closed);
        if (taker->close)
                weir_events_clear(taker->fx->events);
        return 0;
}

/* Four things that are ready in the next wait: wakers, or descriptors in a mode. */
struct four {
        struct fixture *fx;
        struct weir_waker *wakers[4];
        int fds[4];
};

#define N_KINDS 4

static void four_make(struct four *four, struct fixture *fx, unsigned kind) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };

        memset(four, 0, sizeof(*four));
        four->fx = fx;
        for (unsigned i = 0; i < 4; i++) {
                if (kind == 0) {
                        assert_int_equal(weir_waker_create(fx->registry, i, &four->wakers[i]), 0);
                        assert_int_equal(weir_waker_wake(four->wakers[i]), 0);
                } else {
                        four->fds[i] = make_eventfd(1);
                        assert_int_equal(weir_register(fx->registry, four->fds[i], i, WEIR_READABLE | modes[kind - 1]),
                                         0);
                }
        }
        fetch(fx, 4);
}

static void four_end(struct four *four) {
        for (unsigned i = 0; i < 4; i++) {
                if (four->wakers[i]) {
                        weir_waker_destroy(four->wakers[i]);
                } else {
                        assert_int_equal(weir_deregister(four->fx->registry, four->fds[i]), 0);
                        close(four->fds[i]);
                }
        }
}

static void g6_reader_of_the_rest_of_a_batch_gets_edeadlk(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        unsigned waited = 0;
        struct four four;

        /* Some of the four were read before it was handed on, and some are read after. */
        for (unsigned way = 0; way < N_KINDS * 4 * 4; way++) {
                unsigned kind = way / 16, before = way / 4 % 4, after = way % 4 + 1;
                struct taker taker = { .fx = fx, .reads = after, .result = 1 };
                struct worker worker;

                if (before + after > 4)
                        continue;
                four_make(&four, fx, kind);
                for (unsigned i = 0; i < before; i++)
                        assert_true(weir_events_next(fx->events, &event));
                worker_start(&worker, take_over, &taker);
                latch_set(&taker.give);
                if (!latch_within(&taker.tried, waited ? 100 : DEADLINE_MS / 3) && waited++ == 0)
                        print_error("kind %u: %u were read before, %u after: it waits for itself\n", kind, before,
                                    after);
                weir_events_clear(fx->events);
                latch_set(&taker.closed);
                assert_int_equal(worker_join(&worker), 0);
                if (!waited)
                        assert_int_equal(taker.result, -EDEADLK);
                four_end(&four);
        }
        assert_int_equal(waited, 0);
}

static void g6_thread_that_gave_its_batch_away_may_wait_for_it(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        unsigned wrong = 0;
        struct four four;

        for (unsigned way = 0; way < N_KINDS * 2; way++) {
                struct taker taker = { .fx = fx, .reads = 2, .result = 1, .close = true };
                unsigned kind = way / 2, before = way % 2;
                struct worker worker;
                int result;

                four_make(&four, fx, kind);
                for (unsigned i = 0; i < before; i++)
                        assert_true(weir_events_next(fx->events, &event));
                worker_start(&worker, take_over, &taker);
                latch_set(&taker.give);
                if (!latch_within(&taker.tried, wrong ? 100 : DEADLINE_MS / 3)) {
                        /* It waits for itself; let it go. */
                        weir_events_clear(fx->events);
                        taker.close = false;
                }
                latch_set(&taker.closed);
                result = weir_synchronize(fx->registry);
                assert_int_equal(worker_join(&worker), 0);
                if ((result != 0 || taker.result != -EDEADLK) && wrong++ == 0)
                        print_error(
                                "kind %u, %u were read before: %d for the one that gave, %d for the one that took\n",
                                kind, before, result, taker.result);
                four_end(&four);
        }
        assert_int_equal(wrong, 0);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g6_thread_after_the_owner_of_a_batch_is_not_the_owner),
                CASE(g6_reader_of_the_rest_of_a_batch_gets_edeadlk),
                CASE(g6_thread_that_gave_its_batch_away_may_wait_for_it),
        };

        return cmocka_run_group_tests_name("batch_of_another_thread", cases, NULL, NULL);
}
