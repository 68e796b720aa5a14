/* SPDX-License-Identifier: MIT */

/*
 * Defer against a batch that is opened while an older one is open. The function may wait for the older one alone: then the
 * newer one sees that the thing is gone.
 * Threads: one closes the older batch; one opens the newer one; one withdraws a thing and defers its end.
 */

#include "library.h"
#include "withdrawn.h"

static struct weir_events *others;

static void set_up(void) {
        open_poll();
        assert(weir_events_create(MODEL_CAPACITY, &others) == 0);
        publish();
        weir_events_attach(others, registry);
        weir_events_open(others, 0);
}

static void *closes(void *unused) {
        (void)unused;
        weir_events_clear(others);
        return NULL;
}

static void tear_down(void) {
        weir_events_clear(events);
        assert_ended();
        weir_events_destroy(others);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, closes, begins_to_read, withdraws)
