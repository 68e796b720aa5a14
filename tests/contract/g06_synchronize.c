/* SPDX-License-Identifier: MIT */
/*
 * G6 asked instead of told: weir_synchronize() waits for the moment, weir_epoch_passed() looks, and a thread that would
 * wait for itself gets -EDEADLK.
 */
#include "../support.h"

static void open_batch(struct fixture *fx, struct weir_events *events) {
        struct weir_waker *waker = NULL;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(wait_ms(fx->poll, events, DEADLINE_MS), 1);
        weir_waker_destroy(waker);
}

static void g6_synchronize_returns_at_once_with_no_batch_open(void **state) {
        struct fixture *fx = *state;

        assert_int_equal(weir_synchronize(fx->registry), 0);
        open_batch(fx, fx->events);
        weir_events_clear(fx->events);
        assert_int_equal(weir_synchronize(fx->registry), 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(weir_synchronize(fx->registry), 0);
}

static void g6_synchronize_gets_edeadlk_with_an_open_batch_of_its_own(void **state) {
        struct fixture *fx = *state;

        open_batch(fx, fx->events);
        assert_int_equal(weir_synchronize(fx->registry), -EDEADLK);
        expect_drained_batch(fx);
        assert_int_equal(weir_synchronize(fx->registry), -EDEADLK);
        weir_events_clear(fx->events);
        assert_int_equal(weir_synchronize(fx->registry), 0);
}

static void g6_synchronize_minds_each_of_several_own_batches(void **state) {
        struct fixture *fx = *state;
        struct weir_events *other = NULL;

        assert_int_equal(weir_events_create(4, &other), 0);
        open_batch(fx, fx->events);
        open_batch(fx, other);
        weir_events_clear(fx->events);
        assert_int_equal(weir_synchronize(fx->registry), -EDEADLK);
        weir_events_destroy(other);
        assert_int_equal(weir_synchronize(fx->registry), 0);
}

struct inside {
        struct weir_deferred node;
        struct weir_registry *registry;
        int result;
};

static void synchronize_inside(struct weir_deferred *node) {
        struct inside *inside = (struct inside *)node;

        inside->result = weir_synchronize(inside->registry);
}

static void g6_synchronize_gets_edeadlk_inside_a_deferred_function(void **state) {
        struct fixture *fx = *state;
        struct inside inside = { .registry = fx->registry, .result = 1 };

        weir_defer(fx->registry, &inside.node, synchronize_inside);
        assert_int_equal(inside.result, -EDEADLK);
        inside.result = 1;
        open_batch(fx, fx->events);
        weir_defer(fx->registry, &inside.node, synchronize_inside);
        assert_int_equal(inside.result, 1);
        weir_events_clear(fx->events);
        assert_int_equal(inside.result, -EDEADLK);
        /* Outside again it works. */
        assert_int_equal(weir_synchronize(fx->registry), 0);
}

struct syncer {
        struct weir_registry *registry;
        struct latch started;
        atomic_int *closed;
        int closed_at_return;
};

static int synchronize(void *arg) {
        struct syncer *s = arg;

        latch_set(&s->started);
        REQUIRE(weir_synchronize(s->registry) == 0);
        if (s->closed)
                s->closed_at_return = atomic_load_explicit(s->closed, memory_order_relaxed);
        return 0;
}

static void g6_synchronize_waits_for_the_open_batch_of_another_thread(void **state) {
        struct fixture *fx = *state;

        for (unsigned round = 0; round < 50; round++) {
                atomic_int closed = 0;
                struct syncer s = { .registry = fx->registry, .closed = &closed, .closed_at_return = -1 };
                struct worker worker;

                open_batch(fx, fx->events);
                worker_start(&worker, synchronize, &s);
                assert_true(latch_within(&s.started, DEADLINE_MS));
                if (round % 10 == 0)
                        worker_settle(&worker);
                /* Not returned, whatever the time, as long as the batch is open. */
                assert_false(worker_done_within(&worker, round % 10 == 0 ? 20 : 0));
                atomic_store_explicit(&closed, 1, memory_order_relaxed);
                if (round % 2)
                        weir_events_clear(fx->events);
                else
                        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
                assert_int_equal(worker_join(&worker), 0);
                assert_int_equal(s.closed_at_return, 1);
        }
}

static void g6_several_threads_synchronize_on_one_batch(void **state) {
        struct fixture *fx = *state;
        atomic_int closed = 0;
        struct syncer s[4];
        struct worker workers[4];

        open_batch(fx, fx->events);
        for (unsigned i = 0; i < 4; i++) {
                s[i] = (struct syncer){ .registry = fx->registry, .closed = &closed, .closed_at_return = -1 };
                worker_start(&workers[i], synchronize, &s[i]);
                assert_true(latch_within(&s[i].started, DEADLINE_MS));
        }
        worker_settle(&workers[0]);
        atomic_store_explicit(&closed, 1, memory_order_relaxed);
        weir_events_clear(fx->events);
        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(worker_join(&workers[i]), 0);
                assert_int_equal(s[i].closed_at_return, 1);
        }
}

static void g6_synchronize_works_after_the_poll_is_gone(void **state) {
        struct fixture *fx = *state;
        struct weir_registry *clone;
        struct syncer s = { 0 };
        struct worker worker;

        clone = weir_registry_clone(fx->registry);
        open_batch(fx, fx->events);
        s.registry = clone;
        fixture_end_poll(fx);
        assert_int_equal(weir_synchronize(clone), -EDEADLK);
        worker_start(&worker, synchronize, &s);
        assert_true(latch_within(&s.started, DEADLINE_MS));
        worker_settle(&worker);
        assert_false(worker_done_within(&worker, 0));
        weir_events_clear(fx->events);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(weir_synchronize(clone), 0);
        weir_registry_release(clone);
}

struct receiver {
        struct fixture *fx;
        struct latch given, tried;
        int result;
};

static int take_over_and_synchronize(void *arg) {
        struct receiver *r = arg;
        struct weir_event event;

        REQUIRE(latch_within(&r->given, DEADLINE_MS));
        REQUIRE(weir_events_next(r->fx->events, &event));
        r->result = weir_synchronize(r->fx->registry);
        latch_set(&r->tried);
        return 0;
}

static void g6_thread_that_took_a_batch_over_gets_edeadlk_too(void **state) {
        struct fixture *fx = *state;
        struct receiver r = { .fx = fx, .result = 1 };
        struct weir_waker *waker = NULL;
        struct worker worker;
        bool tried;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        worker_start(&worker, take_over_and_synchronize, &r);
        fetch(fx, 1);
        latch_set(&r.given);
        tried = latch_within(&r.tried, DEADLINE_MS / 3);
        /* Lets go of a thread that waits for itself. */
        weir_events_clear(fx->events);
        assert_int_equal(worker_join(&worker), 0);
        assert_true(tried);
        assert_int_equal(r.result, -EDEADLK);
        weir_waker_destroy(waker);
}

/* ---------------------------------------------------------------- epochs */

static void g6_epoch_passes_when_the_open_batches_are_closed(void **state) {
        struct fixture *fx = *state;
        struct weir_events *later = NULL;
        weir_epoch idle, early, late;

        idle = weir_epoch_now(fx->registry);
        assert_true(weir_epoch_passed(fx->registry, idle));
        assert_int_equal(weir_events_create(4, &later), 0);
        open_batch(fx, fx->events);
        early = weir_epoch_now(fx->registry);
        assert_true(weir_epoch_passed(fx->registry, idle));
        assert_false(weir_epoch_passed(fx->registry, early));
        expect_drained_batch(fx);
        assert_false(weir_epoch_passed(fx->registry, early));
        open_batch(fx, later);
        late = weir_epoch_now(fx->registry);
        assert_false(weir_epoch_passed(fx->registry, late));
        weir_events_clear(fx->events);
        /* A batch opened after it does not count. */
        assert_true(weir_epoch_passed(fx->registry, early));
        assert_false(weir_epoch_passed(fx->registry, late));
        weir_events_destroy(later);
        assert_true(weir_epoch_passed(fx->registry, late));
        open_batch(fx, fx->events);
        assert_true(weir_epoch_passed(fx->registry, idle));
        assert_true(weir_epoch_passed(fx->registry, early));
        assert_true(weir_epoch_passed(fx->registry, late));
        weir_events_clear(fx->events);
}

static void g6_epoch_between_open_batches_passes_in_any_order_of_closing(void **state) {
        struct fixture *fx = *state;
        struct weir_events *both[2] = { 0 };
        weir_epoch epoch;

        for (unsigned first = 0; first < 2; first++) {
                for (unsigned i = 0; i < 2; i++) {
                        assert_int_equal(weir_events_create(4, &both[i]), 0);
                        open_batch(fx, both[i]);
                }
                epoch = weir_epoch_now(fx->registry);
                weir_events_clear(both[first]);
                assert_false(weir_epoch_passed(fx->registry, epoch));
                weir_events_clear(both[!first]);
                assert_true(weir_epoch_passed(fx->registry, epoch));
                for (unsigned i = 0; i < 2; i++)
                        weir_events_destroy(both[i]);
        }
}

static void g6_blocked_wait_does_not_keep_an_epoch_from_passing(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct waiter waiter;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        waiter_start(&waiter, fx->poll);
        assert_true(weir_epoch_passed(fx->registry, weir_epoch_now(fx->registry)));
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        weir_waker_destroy(waker);
}

static void g6_epoch_of_a_destroyed_poll_passes_when_its_batch_is_closed(void **state) {
        struct fixture *fx = *state;
        struct weir_registry *clone;
        weir_epoch before, after;

        clone = weir_registry_clone(fx->registry);
        open_batch(fx, fx->events);
        before = weir_epoch_now(clone);
        fixture_end_poll(fx);
        after = weir_epoch_now(clone);
        assert_false(weir_epoch_passed(clone, before));
        assert_false(weir_epoch_passed(clone, after));
        weir_events_clear(fx->events);
        assert_true(weir_epoch_passed(clone, before));
        assert_true(weir_epoch_passed(clone, after));
        weir_registry_release(clone);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g6_synchronize_returns_at_once_with_no_batch_open),
                CASE(g6_synchronize_gets_edeadlk_with_an_open_batch_of_its_own),
                CASE(g6_synchronize_minds_each_of_several_own_batches),
                CASE(g6_synchronize_gets_edeadlk_inside_a_deferred_function),
                CASE(g6_synchronize_waits_for_the_open_batch_of_another_thread),
                CASE(g6_several_threads_synchronize_on_one_batch),
                CASE(g6_synchronize_works_after_the_poll_is_gone),
                CASE(g6_thread_that_took_a_batch_over_gets_edeadlk_too),
                CASE(g6_epoch_passes_when_the_open_batches_are_closed),
                CASE(g6_epoch_between_open_batches_passes_in_any_order_of_closing),
                CASE(g6_blocked_wait_does_not_keep_an_epoch_from_passing),
                CASE(g6_epoch_of_a_destroyed_poll_passes_when_its_batch_is_closed),
        };

        return cmocka_run_group_tests_name("g06_synchronize", cases, NULL, NULL);
}
