/* SPDX-License-Identifier: MIT */
/*
 * An events object is destroyed; that closes its batch, and a function that runs because of it waits into the same object. The
 * second batch is closed, too, and not left open in memory that is freed.
 */
#include "../support.h"

struct refill {
        struct weir_deferred node;
        struct fixture *fx;
        struct weir_events *events;
        struct weir_waker *waker;
        int waited;
};

static void wait_again(struct weir_deferred *node) {
        struct refill *refill = (struct refill *)node;

        assert_int_equal(weir_waker_wake(refill->waker), 0);
        refill->waited = weir_poll_wait(refill->fx->poll, refill->events, NULL);
}

static void g10_destroy_closes_what_its_close_filled(void **state) {
        struct fixture *fx = *state;
        struct refill refill = { .fx = fx };
        struct note note;

        memset(&note, 0, sizeof note);
        assert_int_equal(weir_waker_create(fx->registry, 1, &refill.waker), 0);
        assert_int_equal(weir_events_create(4, &refill.events), 0);
        assert_int_equal(weir_waker_wake(refill.waker), 0);
        assert_int_equal(weir_poll_wait(fx->poll, refill.events, NULL), 1);
        weir_defer(fx->registry, &refill.node, wait_again);
        weir_events_destroy(refill.events);
        assert_int_equal(refill.waited, 1);
        assert_int_equal(stats_of(fx->registry).batches, 0);
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 1);
        weir_waker_destroy(refill.waker);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g10_destroy_closes_what_its_close_filled),
        };

        return cmocka_run_group_tests_name("destroy_of_a_filled_batch", cases, NULL, NULL);
}
