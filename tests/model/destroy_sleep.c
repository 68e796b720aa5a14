/* SPDX-License-Identifier: MIT */

/*
 * The end of a poll against a sleep. The waiter is not left asleep.
 * Threads: one waits for ever; one destroys the poll.
 */

#include "library.h"

static void set_up(void) {
        open_poll();
        /* The wait may begin after the end of the poll, so something must hold the memory. */
        weir_events_attach(events, registry);
}

static void *waits(void *unused) {
        (void)unused;
        assert(weir_poll_wait(poll, events, NULL) == -ESHUTDOWN);
        return NULL;
}

static void *destroys(void *unused) {
        (void)unused;
        weir_poll_destroy(poll);
        return NULL;
}

static void tear_down(void) {
        end_wait(false);
        weir_events_destroy(events);
        assert(model_core_is_freed());
}

MODEL_MAIN(set_up, tear_down, waits, destroys)
