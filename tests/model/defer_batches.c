/* SPDX-License-Identifier: MIT */

/*
 * Defer against two batches that are open at the same time, in two events objects on two threads.
 * Threads: two open a batch each; one withdraws a thing and defers its end.
 */

#include "library.h"
#include "withdrawn.h"

static struct weir_events *others;

static void set_up(void) {
        open_poll();
        assert(weir_events_create(MODEL_CAPACITY, &others) == 0);
        publish();
        weir_events_attach(others, registry);
}

static void *reads_too(void *unused) {
        (void)unused;
        begin_batch(others);
        return NULL;
}

static void tear_down(void) {
        weir_events_clear(others);
        weir_events_clear(events);
        assert_ended();
        weir_events_destroy(others);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, begins_to_read, reads_too, withdraws)
