/* SPDX-License-Identifier: MIT */

/*
 * A guard that is left, beside the opening of a batch and a defer. The function waits for the batch where that may use the thing,
 * for the guard in any case, and runs once.
 * Threads: one leaves a guard that was entered before; one opens a batch; one withdraws a thing and defers its end.
 */

#include "library.h"
#include "withdrawn.h"

static struct weir_guard *guard;

static void set_up(void) {
        open_poll();
        publish();
        open_guard(&guard);
        assert(weir_guard_enter(guard) == 0);
}

static void *leaves(void *unused) {
        (void)unused;
        if (atomic_load_explicit(&published, memory_order_relaxed))
                assert(withdrawn.value == 7);
        weir_guard_leave(guard);
        return NULL;
}

static void tear_down(void) {
        weir_events_clear(events);
        assert_ended();
        weir_guard_destroy(guard);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, leaves, begins_to_read, withdraws)
