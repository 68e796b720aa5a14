/* SPDX-License-Identifier: MIT */

/*
 * A deadline that passes while its one-shot is owned, against the owner that gives it back. It comes after the rearm, once, and
 * whoever sleeps is woken.
 * Threads: one waits until it takes the event; one rearms.
 */

#include "library.h"

#define MODE WEIR_ONESHOT
#include "timed.h"

static void set_up(void) {
        open_poll();
        assert(weir_register(registry, 0, OLDER, MODE | WEIR_READABLE | WEIR_HELD) == 0);
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
        /* What was pushed for that is taken. */
        assert(weir_poll_wait(poll, events, &at_once) == 0);
        model_set_time(2 * MS);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        assert(weir_poll_wait(poll, events, NULL) == 1);
        assert(weir_events_next(events, &event));
        assert(event.token == OLDER && weir_event_is_timeout(&event));
        assert(!weir_events_next(events, &event));
        return NULL;
}

static void *rearms(void *unused) {
        (void)unused;
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        end_wait(false);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, rearms)
