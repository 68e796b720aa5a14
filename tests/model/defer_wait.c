/* SPDX-License-Identifier: MIT */

/*
 * Defer with a waiter inside the wait, which holds nothing up: the function runs at once unless the batch is open
 * already, and then when it is closed.
 * Threads: one waits, takes and closes; one wakes it and then defers, twice.
 */

#include "library.h"

static struct weir_waker *waker;
static struct payload things[2];

static void set_up(void) {
        things[0].value = things[1].value = 0;
        open_poll();
        assert(weir_waker_create(registry, 0, &waker) == 0);
}

static void count(struct weir_deferred *deferred) {
        ++((struct payload *)deferred)->value;
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, NULL) > 0)
                while (weir_events_next(events, &event))
                        ;
        weir_events_clear(events);
        return NULL;
}

static void *defers(void *unused) {
        (void)unused;
        /* Nothing was there to wait for: no batch can be open. */
        weir_defer(registry, &things[0].deferred, count);
        assert(things[0].value == 1);
        assert(weir_waker_wake(waker) == 0);
        weir_defer(registry, &things[1].deferred, count);
        return NULL;
}

static void tear_down(void) {
        end_wait(false);
        assert(things[0].value == 1);
        assert(things[1].value == 1 || model_slept());
        weir_waker_destroy(waker);
        close_poll();
        assert(things[1].value == 1);
}

MODEL_MAIN(set_up, tear_down, waits, defers)
