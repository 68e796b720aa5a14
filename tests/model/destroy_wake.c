/* SPDX-License-Identifier: MIT */

/*
 * The end of a poll against a wake and a wait. The waiter is not left asleep, and the core goes with its last holder,
 * once.
 * Threads: one waits for ever; one destroys the poll; one wakes.
 */

#include "library.h"

static struct weir_waker *waker;

static void set_up(void) {
        open_poll();
        assert(weir_waker_create(registry, 7, &waker) == 0);
        /* The wait may begin after the end of the poll, so something must hold the memory. */
        weir_events_attach(events, registry);
}

static void *waits(void *unused) {
        struct weir_event event;
        int r;

        (void)unused;
        r = weir_poll_wait(poll, events, NULL);
        assert(r == 1 || r == -ESHUTDOWN);
        if (r == 1 && weir_events_next(events, &event))
                assert(event.token == 7);
        return NULL;
}

static void *destroys(void *unused) {
        (void)unused;
        weir_poll_destroy(poll);
        return NULL;
}

static void *wakes(void *unused) {
        int r;

        (void)unused;
        r = weir_waker_wake(waker);
        assert(r == 0 || r == -ESHUTDOWN);
        return NULL;
}

static void tear_down(void) {
        end_wait(false);
        weir_waker_destroy(waker);
        weir_events_destroy(events);
        assert(model_core_is_freed());
}

MODEL_MAIN(set_up, tear_down, waits, destroys, wakes)
