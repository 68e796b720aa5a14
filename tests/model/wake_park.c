/* SPDX-License-Identifier: MIT */

/*
 * A wake against a wait that is about to sleep. No wake is lost, and what was written before it is seen.
 * Threads: one waits, takes and closes; one wakes.
 */

#include "library.h"

#define TOKEN 7

static struct weir_waker *waker;
static int message;

static void set_up(void) {
        message = 0;
        open_poll();
        assert(weir_waker_create(registry, TOKEN, &waker) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        assert(weir_poll_wait(poll, events, NULL) == 1);
        assert(weir_events_next(events, &event));
        assert(event.token == TOKEN);
        assert(message == 1);
        assert(!weir_events_next(events, &event));
        weir_events_clear(events);
        return NULL;
}

static void *wakes(void *unused) {
        (void)unused;
        message = 1;
        assert(weir_waker_wake(waker) == 0);
        return NULL;
}

static void tear_down(void) {
        end_wait(false);
        weir_waker_destroy(waker);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, wakes)
