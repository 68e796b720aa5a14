/* SPDX-License-Identifier: MIT */
/*
 * G6: a deferred function runs exactly once, when every batch that was open at weir_defer() has been closed: at once
 * with none open, and no sooner and no later with one or two, whoever owns and whoever closes them.
 */
#include "../support.h"

/* Opens a batch in events by a wake of its own. */
static void open_batch(struct fixture *fx, struct weir_events *events) {
        struct weir_waker *waker = NULL;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(wait_ms(fx->poll, events, DEADLINE_MS), 1);
        weir_waker_destroy(waker);
}

static void g6_with_no_batch_open_it_runs_at_once_on_the_caller(void **state) {
        struct fixture *fx = *state;
        struct note note = { 0 };

        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 1);
        assert_true(pthread_equal(note.ran_on, pthread_self()));
        /* A closed batch, one that timed out, and a refused wait leave none open either. */
        open_batch(fx, fx->events);
        weir_events_clear(fx->events);
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 2);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 3);
        assert_int_equal(weir_poll_wait(fx->poll, fx->events, &(struct timespec){ .tv_nsec = -1 }), -EINVAL);
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 4);
}

static void g6_null_is_taken_quietly(void **state) {
        struct fixture *fx = *state;
        struct note note = { .runs = 0 };

        weir_defer(fx->registry, NULL, note_run);
        weir_defer(fx->registry, &note.node, NULL);
        assert_int_equal(note_runs(&note), 0);
        /* There is nothing to wait for. */
        weir_defer(NULL, &note.node, note_run);
        assert_int_equal(note_runs(&note), 1);
}

static void g6_open_batch_holds_it_up_until_clear(void **state) {
        struct fixture *fx = *state;
        struct note note = { 0 };

        open_batch(fx, fx->events);
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 0);
        /* Read to its end is not closed. */
        expect_drained_batch(fx);
        assert_int_equal(note_runs(&note), 0);
        weir_events_clear(fx->events);
        assert_int_equal(note_runs(&note), 1);
        weir_events_clear(fx->events);
        assert_int_equal(note_runs(&note), 1);
}

static void g6_open_batch_holds_it_up_until_destroy(void **state) {
        struct fixture *fx = *state;
        struct weir_events *events = NULL;
        struct note note = { 0 };

        assert_int_equal(weir_events_create(4, &events), 0);
        open_batch(fx, events);
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 0);
        weir_events_destroy(events);
        assert_int_equal(note_runs(&note), 1);
}

static void g6_open_batch_holds_it_up_until_the_next_wait_into_it(void **state) {
        struct fixture *fx = *state;
        struct note note = { 0 };

        open_batch(fx, fx->events);
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(note_runs(&note), 1);
        /* A wait that opens a new batch closes the old one as well. */
        open_batch(fx, fx->events);
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 1);
        open_batch(fx, fx->events);
        assert_int_equal(note_runs(&note), 2);
}

struct blocked {
        struct fixture *fx;
        struct latch opened, go;
        struct weir_waker *waker;
};

static int block_with_a_batch(void *arg) {
        struct blocked *b = arg;
        struct weir_event event;

        REQUIRE(wait_ms(b->fx->poll, b->fx->events, DEADLINE_MS) == 1);
        latch_set(&b->opened);
        REQUIRE(latch_within(&b->go, DEADLINE_MS));
        REQUIRE(wait_ms(b->fx->poll, b->fx->events, -1) == 1);
        REQUIRE(weir_events_next(b->fx->events, &event));
        weir_events_clear(b->fx->events);
        return 0;
}

static void g6_wait_closes_its_former_batch_before_it_blocks(void **state) {
        struct fixture *fx = *state;
        struct blocked b = { .fx = fx };
        struct note note = { 0 };
        struct worker worker;
        uint64_t end = now_ns() + UINT64_C(1000000) * DEADLINE_MS;

        assert_int_equal(weir_waker_create(fx->registry, 1, &b.waker), 0);
        assert_int_equal(weir_waker_wake(b.waker), 0);
        worker_start(&worker, block_with_a_batch, &b);
        assert_true(latch_within(&b.opened, DEADLINE_MS));
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 0);
        /* The unread wake would let the wait return; without its waker the wait has nothing to come back for. */
        weir_waker_destroy(b.waker);
        latch_set(&b.go);
        while (!note_runs(&note)) {
                assert_true(now_ns() < end);
                sched_yield();
        }
        assert_true(pthread_equal(note.ran_on, worker.thread));
        assert_int_equal(weir_waker_create(fx->registry, 2, &b.waker), 0);
        assert_int_equal(weir_waker_wake(b.waker), 0);
        assert_int_equal(worker_join(&worker), 0);
        weir_waker_destroy(b.waker);
}

static void g6_two_open_batches_hold_it_up_until_both_are_closed(void **state) {
        struct fixture *fx = *state;

        for (unsigned first = 0; first < 2; first++) {
                struct weir_events *both[2] = { 0 };
                struct note note = { 0 };

                assert_int_equal(weir_events_create(4, &both[0]), 0);
                assert_int_equal(weir_events_create(4, &both[1]), 0);
                open_batch(fx, both[0]);
                open_batch(fx, both[1]);
                assert_int_equal(stats_of(fx->registry).batches, 2);
                weir_defer(fx->registry, &note.node, note_run);
                assert_int_equal(note_runs(&note), 0);
                weir_events_clear(both[first]);
                assert_int_equal(note_runs(&note), 0);
                weir_events_clear(both[!first]);
                assert_int_equal(note_runs(&note), 1);
                weir_events_destroy(both[0]);
                weir_events_destroy(both[1]);
                assert_int_equal(note_runs(&note), 1);
        }
}

static void g6_batch_opened_after_the_defer_does_not_hold_it_up(void **state) {
        struct fixture *fx = *state;
        struct weir_events *later = NULL;
        struct note early = { 0 }, late = { 0 };

        assert_int_equal(weir_events_create(4, &later), 0);
        open_batch(fx, fx->events);
        weir_defer(fx->registry, &early.node, note_run);
        open_batch(fx, later);
        weir_defer(fx->registry, &late.node, note_run);
        weir_events_clear(fx->events);
        assert_int_equal(note_runs(&early), 1);
        assert_int_equal(note_runs(&late), 0);
        weir_events_destroy(later);
        assert_int_equal(note_runs(&early), 1);
        assert_int_equal(note_runs(&late), 1);
}

static void g6_batch_reopened_in_the_same_object_does_not_hold_it_up(void **state) {
        struct fixture *fx = *state;
        struct weir_events *other = NULL;
        struct note note = { 0 };

        assert_int_equal(weir_events_create(4, &other), 0);
        open_batch(fx, fx->events);
        open_batch(fx, other);
        weir_defer(fx->registry, &note.node, note_run);
        open_batch(fx, fx->events);
        assert_int_equal(note_runs(&note), 0);
        weir_events_clear(other);
        assert_int_equal(note_runs(&note), 1);
        weir_events_destroy(other);
        weir_events_clear(fx->events);
        assert_int_equal(note_runs(&note), 1);
}

static void g6_blocked_wait_holds_nothing_up(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct note note = { 0 };
        struct waiter waiter;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        waiter_start(&waiter, fx->poll);
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 1);
        assert_true(pthread_equal(note.ran_on, pthread_self()));
        assert_int_equal(weir_synchronize(fx->registry), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        weir_waker_destroy(waker);
}

struct handover {
        struct fixture *fx;
        struct weir_events *second;
        struct latch given, done;
};

static int open_and_hand_over(void *arg) {
        struct handover *h = arg;

        REQUIRE(wait_ms(h->fx->poll, h->fx->events, DEADLINE_MS) == 1);
        latch_set(&h->given);
        /* Waits on with another object while the first batch lives in other hands. */
        REQUIRE(wait_ms(h->fx->poll, h->second, DEADLINE_MS) == 1);
        weir_events_clear(h->second);
        return 0;
}

static void g6_batch_handed_to_another_thread_holds_it_up_until_closed_there(void **state) {
        struct fixture *fx = *state;
        struct handover h = { .fx = fx };
        struct weir_waker *waker = NULL;
        struct note note = { 0 };
        struct weir_event event;
        struct worker worker;

        assert_int_equal(weir_events_create(4, &h.second), 0);
        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        worker_start(&worker, open_and_hand_over, &h);
        assert_true(latch_within(&h.given, DEADLINE_MS));
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 0);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(note_runs(&note), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(note_runs(&note), 0);
        weir_events_clear(fx->events);
        assert_int_equal(note_runs(&note), 1);
        assert_true(pthread_equal(note.ran_on, pthread_self()));
        weir_waker_destroy(waker);
        weir_events_destroy(h.second);
}

static void g6_batch_of_another_poll_holds_nothing_up(void **state) {
        struct fixture *fx = *state;
        struct weir_poll *other = NULL;
        struct note note = { 0 };

        assert_int_equal(weir_poll_create(&other), 0);
        open_batch(fx, fx->events);
        weir_defer(weir_poll_registry(other), &note.node, note_run);
        assert_int_equal(note_runs(&note), 1);
        assert_int_equal(weir_synchronize(weir_poll_registry(other)), 0);
        weir_poll_destroy(other);
        weir_events_clear(fx->events);
}

static void g6_every_one_of_many_runs_exactly_once(void **state) {
        static struct note notes[1000];
        struct fixture *fx = *state;

        memset(notes, 0, sizeof(notes));
        open_batch(fx, fx->events);
        for (unsigned i = 0; i < ARRAY_LEN(notes); i++)
                weir_defer(fx->registry, &notes[i].node, note_run);
        weir_events_clear(fx->events);
        for (unsigned i = 0; i < ARRAY_LEN(notes); i++)
                assert_int_equal(note_runs(&notes[i]), 1);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g6_with_no_batch_open_it_runs_at_once_on_the_caller),
                CASE(g6_null_is_taken_quietly),
                CASE(g6_open_batch_holds_it_up_until_clear),
                CASE(g6_open_batch_holds_it_up_until_destroy),
                CASE(g6_open_batch_holds_it_up_until_the_next_wait_into_it),
                CASE(g6_wait_closes_its_former_batch_before_it_blocks),
                CASE(g6_two_open_batches_hold_it_up_until_both_are_closed),
                CASE(g6_batch_opened_after_the_defer_does_not_hold_it_up),
                CASE(g6_batch_reopened_in_the_same_object_does_not_hold_it_up),
                CASE(g6_blocked_wait_holds_nothing_up),
                CASE(g6_batch_handed_to_another_thread_holds_it_up_until_closed_there),
                CASE(g6_batch_of_another_poll_holds_nothing_up),
                CASE(g6_every_one_of_many_runs_exactly_once),
        };

        return cmocka_run_group_tests_name("g06_defer", cases, NULL, NULL);
}
