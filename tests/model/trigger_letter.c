/* SPDX-License-Identifier: MIT */

/*
 * A trigger against a wait that is about to sleep: what was written before it is seen by the taker.
 * Threads: one waits until it takes the event; one writes and triggers.
 */

#include "library.h"

#include "timed.h"

static struct payload payload;

static void set_up(void) {
        payload.value = 0;
        open_poll();
        assert(weir_register(registry, 0, weir_ptr_token(&payload), MODE | WEIR_READABLE) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        assert(weir_poll_wait(poll, events, NULL) == 1);
        assert(weir_events_next(events, &event) && weir_event_is_triggered(&event));
        assert(payload_of(&event) == &payload && payload.value == 1);
        assert(!weir_events_next(events, &event));
        return NULL;
}

static void *triggers(void *unused) {
        (void)unused;
        payload.value = 1;
        assert(weir_trigger(registry, 0) == 0);
        return NULL;
}

static void tear_down(void) {
        end_wait(false);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, triggers)
