/* SPDX-License-Identifier: MIT */

/*
 * Rearm against a wait that is about to sleep. Data that came while the handler owned the descriptor is latched, and
 * the rearm wakes the sleeper for it.
 * Threads: one waits until it takes the event; one, which owns the descriptor, rearms without having drained what came.
 */

#include "library.h"

#define TOKEN 7

static void set_up(void) {
        struct weir_event event;

        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE | WEIR_ONESHOT) == 0);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        assert(weir_events_next(events, &event) && event.token == TOKEN);
        model_drain(0);
        model_ready(0, EPOLLIN);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        assert(weir_poll_wait(poll, events, NULL) == 1);
        assert(weir_events_next(events, &event) && event.token == TOKEN);
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
