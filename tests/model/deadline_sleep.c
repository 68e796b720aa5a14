/* SPDX-License-Identifier: MIT */

/*
 * The first deadline of all against a wait that is about to sleep for ever, not knowing of deadlines. It is woken, and what was
 * written before the set is seen.
 * Threads: one waits until it takes the event; one sets a moment that has passed.
 */

#include "library.h"

#include "timed.h"

static struct payload payload;

static void set_up(void) {
        payload.value = 0;
        open_poll();
        assert(weir_register(registry, 0, weir_ptr_token(&payload), WEIR_READABLE) == 0);
        model_set_time(2 * MS);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        assert(weir_poll_wait(poll, events, NULL) == 1);
        assert(weir_events_next(events, &event) && weir_event_is_timeout(&event));
        assert(payload_of(&event) == &payload && payload.value == 1);
        assert(!weir_events_next(events, &event));
        return NULL;
}

static void *sets(void *unused) {
        (void)unused;
        payload.value = 1;
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
        return NULL;
}

static void tear_down(void) {
        end_wait(false);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, sets)
