/* SPDX-License-Identifier: MIT */
/*
 * G1: every registry call and every wake runs on any thread, at any time, and calls about one descriptor take effect
 * one at a time. The first cases block a thread in a wait or in a handler and make every call beside it: a library that
 * holds a lock there never returns. The others race calls about one descriptor and count winners.
 */
#include "../support.h"

#define THREADS 4
#define ROUNDS  300

static void run_now(struct weir_deferred *node) {
        note_run(node);
}

/* Every registry call once, on descriptors that are not ready. */
static void make_every_call(struct weir_registry *registry) {
        struct weir_registry *clone;
        struct weir_waker *waker = NULL;
        struct note note = { 0 };
        char text[512];
        int pair[2], fd;

        make_socketpair(pair);
        fd = pair[0];
        clone = weir_registry_clone(registry);
        assert_non_null(clone);
        assert_int_equal(weir_register(clone, fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_int_equal(weir_reregister(clone, fd, 2, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_int_equal(weir_retoken(clone, fd, 3), 0);
        assert_int_equal(weir_rearm(clone, fd, WEIR_READABLE), 0);
        assert_int_equal(weir_deregister(clone, fd), 0);
        assert_true(weir_registry_format(clone, text, sizeof(text)) >= 0);
        assert_int_equal(stats_of(clone).registered, 0);
        assert_int_equal(weir_waker_create(clone, 4, &waker), 0);
        weir_waker_destroy(waker);
        (void)weir_epoch_passed(clone, weir_epoch_now(clone));
        weir_defer(clone, &note.node, run_now);
        if (note_runs(&note) == 0)
                /* A batch is open; the node must outlive it, and the caller has none to wait for. */
                assert_int_equal(weir_synchronize(clone), 0);
        assert_int_equal(note_runs(&note), 1);
        weir_registry_release(clone);
        close_pair(pair);
}

static void g1_every_call_returns_while_another_thread_is_blocked_in_wait(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct waiter waiter;

        assert_int_equal(weir_waker_create(fx->registry, 7, &waker), 0);
        waiter_start(&waiter, fx->poll);
        make_every_call(fx->registry);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(waiter.got[0].token, 7);
        weir_waker_destroy(waker);
}

struct handler {
        struct fixture *fx;
        struct latch fetched, release;
};

static int handle_slowly(void *arg) {
        struct handler *handler = arg;
        struct weir_event event;

        REQUIRE(wait_ms(handler->fx->poll, handler->fx->events, DEADLINE_MS) == 1);
        REQUIRE(weir_events_next(handler->fx->events, &event));
        latch_set(&handler->fetched);
        REQUIRE(latch_within(&handler->release, DEADLINE_MS));
        REQUIRE(event.token == 8);
        weir_events_clear(handler->fx->events);
        return 0;
}

static void g1_every_call_returns_while_another_thread_handles_a_batch(void **state) {
        struct fixture *fx = *state;
        struct handler handler = { .fx = fx };
        struct weir_registry *clone;
        struct worker worker;
        char text[512];
        int pair[2], fd;

        fd = make_eventfd(1);
        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, fd, 8, WEIR_READABLE), 0);
        worker_start(&worker, handle_slowly, &handler);
        assert_true(latch_within(&handler.fetched, DEADLINE_MS));

        /* The descriptor in the handler's hands and another one. */
        assert_int_equal(weir_retoken(fx->registry, fd, 9), 0);
        assert_int_equal(weir_reregister(fx->registry, fd, 10, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        clone = weir_registry_clone(fx->registry);
        assert_int_equal(weir_register(clone, pair[0], 11, WEIR_READABLE), 0);
        assert_true(weir_registry_format(clone, text, sizeof(text)) > 0);
        assert_int_equal(stats_of(clone).batches, 1);
        assert_int_equal(weir_deregister(clone, pair[0]), 0);
        weir_registry_release(clone);

        latch_set(&handler.release);
        assert_int_equal(worker_join(&worker), 0);
        close(fd);
        close_pair(pair);
}

static void g1_deregister_while_the_wait_blocks_takes_effect_before_it_returns(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct waiter waiter;
        int fd;

        fd = make_eventfd(0);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        assert_int_equal(weir_waker_create(fx->registry, 2, &waker), 0);
        waiter_start(&waiter, fx->poll);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        ring(fd);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(waiter.got[0].token, 2);
        weir_waker_destroy(waker);
        close(fd);
}

/* ---------------------------------------------------------------- races about one descriptor */

struct race {
        struct weir_registry *registry;
        pthread_barrier_t *barrier;
        int fd;
        unsigned id;
        int results[ROUNDS];
        int (*call)(struct race *race);
};

static int race_main(void *arg) {
        struct race *race = arg;

        for (unsigned i = 0; i < ROUNDS; i++) {
                barrier_pass(race->barrier);
                race->results[i] = race->call(race);
                barrier_pass(race->barrier);
                /* The main thread looks and resets between these two. */
                barrier_pass(race->barrier);
        }
        return 0;
}

static int call_register(struct race *race) {
        return weir_register(race->registry, race->fd, race->id, WEIR_READABLE);
}

static int call_deregister(struct race *race) {
        return weir_deregister(race->registry, race->fd);
}

static int call_register_or_deregister(struct race *race) {
        return race->id % 2 ? call_deregister(race) : call_register(race);
}

static int call_retoken(struct race *race) {
        return weir_retoken(race->registry, race->fd, race->id);
}

static int call_reregister(struct race *race) {
        return weir_reregister(race->registry, race->fd, race->id, WEIR_READABLE);
}

static struct race races[THREADS];

static void races_start(struct fixture *fx, struct worker *workers, pthread_barrier_t *barrier, int fd,
                        int (*call)(struct race *)) {
        barrier_make(barrier, THREADS + 1);
        for (unsigned i = 0; i < THREADS; i++) {
                races[i] =
                        (struct race){ .registry = fx->registry, .barrier = barrier, .fd = fd, .id = i, .call = call };
                worker_start(&workers[i], race_main, &races[i]);
        }
}

static void races_join(struct worker *workers, pthread_barrier_t *barrier) {
        for (unsigned i = 0; i < THREADS; i++)
                assert_int_equal(worker_join(&workers[i]), 0);
        pthread_barrier_destroy(barrier);
}

static void g1_racing_registers_of_one_descriptor_have_one_winner(void **state) {
        struct fixture *fx = *state;
        struct worker workers[THREADS];
        pthread_barrier_t barrier;
        struct weir_event got[BATCH];
        unsigned winner = 0;
        int fd, won, n;

        fd = make_eventfd(1);
        races_start(fx, workers, &barrier, fd, call_register);
        for (unsigned i = 0; i < ROUNDS; i++) {
                barrier_pass(&barrier);
                barrier_pass(&barrier);
                won = 0;
                for (unsigned k = 0; k < THREADS; k++) {
                        if (races[k].results[i] == 0) {
                                won++;
                                winner = k;
                        } else
                                assert_int_equal(races[k].results[i], -EEXIST);
                }
                assert_int_equal(won, 1);
                n = collect(fx->poll, fx->events, DEADLINE_MS, got, BATCH);
                assert_int_equal(n, 1);
                assert_int_equal(got[0].token, winner);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
                barrier_pass(&barrier);
        }
        races_join(workers, &barrier);
        close(fd);
}

static void g1_racing_deregisters_of_one_descriptor_have_one_winner(void **state) {
        struct fixture *fx = *state;
        struct worker workers[THREADS];
        pthread_barrier_t barrier;
        int fd, won;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        races_start(fx, workers, &barrier, fd, call_deregister);
        for (unsigned i = 0; i < ROUNDS; i++) {
                barrier_pass(&barrier);
                barrier_pass(&barrier);
                won = 0;
                for (unsigned k = 0; k < THREADS; k++) {
                        won += races[k].results[i] == 0;
                        assert_true(races[k].results[i] == 0 || races[k].results[i] == -ENOENT);
                }
                assert_int_equal(won, 1);
                expect_silence(fx);
                assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
                barrier_pass(&barrier);
        }
        races_join(workers, &barrier);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g1_racing_registers_and_deregisters_take_effect_one_at_a_time(void **state) {
        struct fixture *fx = *state;
        struct worker workers[THREADS];
        pthread_barrier_t barrier;
        int fd, balance;

        fd = make_eventfd(1);
        races_start(fx, workers, &barrier, fd, call_register_or_deregister);
        for (unsigned i = 0; i < ROUNDS; i++) {
                barrier_pass(&barrier);
                barrier_pass(&barrier);
                balance = 0;
                for (unsigned k = 0; k < THREADS; k++) {
                        if (races[k].results[i] == 0)
                                balance += k % 2 ? -1 : 1;
                        else
                                assert_int_equal(races[k].results[i], k % 2 ? -ENOENT : -EEXIST);
                }
                assert_true(balance == 0 || balance == 1);
                /* What the results add up to is what is there, here and in the kernel. */
                assert_int_equal(stats_of(fx->registry).registered, balance);
                if (balance == 0)
                        expect_silence(fx);
                else
                        assert_int_equal(collect(fx->poll, fx->events, DEADLINE_MS, (struct weir_event[1]){ 0 }, 1), 1);
                assert_int_equal(weir_deregister(fx->registry, fd), balance ? 0 : -ENOENT);
                barrier_pass(&barrier);
        }
        races_join(workers, &barrier);
        close(fd);
}

static void g1_racing_retokens_and_reregisters_leave_one_whole_registration(void **state) {
        int (*const calls[])(struct race *) = { call_retoken, call_reregister };
        struct fixture *fx = *state;
        struct worker workers[THREADS];
        pthread_barrier_t barrier;
        struct weir_event got[BATCH];
        int fd, n;

        for (unsigned c = 0; c < ARRAY_LEN(calls); c++) {
                fd = make_eventfd(0);
                assert_int_equal(weir_register(fx->registry, fd, 99, WEIR_READABLE), 0);
                races_start(fx, workers, &barrier, fd, calls[c]);
                for (unsigned i = 0; i < ROUNDS; i++) {
                        barrier_pass(&barrier);
                        barrier_pass(&barrier);
                        for (unsigned k = 0; k < THREADS; k++)
                                assert_int_equal(races[k].results[i], 0);
                        ring(fd);
                        n = collect(fx->poll, fx->events, DEADLINE_MS, got, BATCH);
                        assert_int_equal(n, 1);
                        assert_true(got[0].token < THREADS);
                        drain(fd);
                        barrier_pass(&barrier);
                }
                races_join(workers, &barrier);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
                close(fd);
        }
}

static void g1_calls_about_the_descriptor_at_hand_work_from_its_own_handler(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        fetch(fx, 1);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(weir_retoken(fx->registry, fd, 2), 0);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        assert_int_equal(weir_register(fx->registry, fd, 3, WEIR_READABLE), 0);
        assert_int_equal(expect_soon(fx, 3).token, 3);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g1_every_call_returns_while_another_thread_is_blocked_in_wait),
                CASE(g1_every_call_returns_while_another_thread_handles_a_batch),
                CASE(g1_deregister_while_the_wait_blocks_takes_effect_before_it_returns),
                CASE(g1_racing_registers_of_one_descriptor_have_one_winner),
                CASE(g1_racing_deregisters_of_one_descriptor_have_one_winner),
                CASE(g1_racing_registers_and_deregisters_take_effect_one_at_a_time),
                CASE(g1_racing_retokens_and_reregisters_leave_one_whole_registration),
                CASE(g1_calls_about_the_descriptor_at_hand_work_from_its_own_handler),
        };

        return cmocka_run_group_tests_name("g01_any_thread", cases, NULL, NULL);
}
