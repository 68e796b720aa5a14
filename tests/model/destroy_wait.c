/* SPDX-License-Identifier: MIT */

/*
 * The end of a poll against the end of a wait: one of the two gives up the poll's reference, after all that the other
 * did.
 * Threads: one waits, destroys its events object and releases its handle; one destroys the poll.
 */

#include "library.h"

static void set_up(void) {
        open_poll();
        /* The wait may begin after the end of the poll, so something must hold the memory. */
        weir_registry_clone(registry);
}

static void *waits(void *unused) {
        int r;

        (void)unused;
        r = weir_poll_wait(poll, events, &at_once);
        assert(r == 0 || r == -ESHUTDOWN);
        weir_events_destroy(events);
        weir_registry_release(registry);
        return NULL;
}

static void *destroys(void *unused) {
        (void)unused;
        weir_poll_destroy(poll);
        return NULL;
}

static void tear_down(void) {
        assert(model_core_is_freed());
}

MODEL_MAIN(set_up, tear_down, waits, destroys)
