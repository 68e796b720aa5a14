/* SPDX-License-Identifier: MIT */
/*
 * A deferred function defers another one while no batch is open; before it returns, another thread opens a batch, and waits
 * with it for that other one. It runs when the first has returned: the batch was not open when it was deferred.
 */
#include "../support.h"

struct outer {
        struct weir_deferred node;
        struct fixture *fx;
        struct note inner;
        struct latch deferred, opened;
};

static void defer_another(struct weir_deferred *node) {
        struct outer *outer = (struct outer *)node;

        weir_defer(outer->fx->registry, &outer->inner.node, note_run);
        latch_set(&outer->deferred);
        latch_wait(&outer->opened);
}

static int defer(void *arg) {
        struct outer *outer = arg;

        weir_defer(outer->fx->registry, &outer->node, defer_another);
        return 0;
}

static void g6_defer_inside_does_not_wait_for_a_batch_opened_later(void **state) {
        struct fixture *fx = *state;
        struct outer outer = { .fx = fx };
        struct weir_waker *waker = NULL;
        struct worker worker;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        worker_start(&worker, defer, &outer);
        assert_true(latch_within(&outer.deferred, DEADLINE_MS));
        fetch(fx, 1);
        assert_int_equal(note_runs(&outer.inner), 0);
        latch_set(&outer.opened);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(note_runs(&outer.inner), 1);
        weir_events_clear(fx->events);
        assert_int_equal(note_runs(&outer.inner), 1);
        weir_waker_destroy(waker);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g6_defer_inside_does_not_wait_for_a_batch_opened_later),
        };

        return cmocka_run_group_tests_name("defer_before_a_later_batch", cases, NULL, NULL);
}
