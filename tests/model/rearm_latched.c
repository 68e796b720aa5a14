/* SPDX-License-Identifier: MIT */

/*
 * An edge that is latched while the waiter still remembers the same readiness of before: its look must be at the newest word,
 * for in the meantime the other thread rearmed, took what was latched, drained it, and rearmed again.
 * Threads: one waits and takes; one rearms, takes from a batch of its own, drains, rearms, and is told of a new edge.
 */

#include "library.h"

#define TOKEN 7

static struct weir_events *later;
static unsigned taken;

static bool take(struct weir_events *from) {
        struct weir_event event;

        if (!weir_events_next(from, &event))
                return false;
        assert(event.token == TOKEN);
        return true;
}

static void set_up(void) {
        taken = 0;
        open_poll();
        assert(weir_events_create(MODEL_CAPACITY, &later) == 0);
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE | WEIR_ONESHOT) == 0);
        /* Two batches with an event each: one is taken, the other would be. */
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        model_ready(0, EPOLLIN);
        assert(weir_poll_wait(poll, later, &at_once) == 1);
        assert(take(later));
        /* A third one is latched by the waiter itself. */
        model_ready(0, EPOLLIN);
        assert(weir_poll_wait(poll, later, &at_once) == 0);
}

static void *owns(void *unused) {
        (void)unused;
        model_drain(0);
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        if (take(events)) {
                model_drain(0);
                assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        }
        model_ready(0, EPOLLIN);
        return NULL;
}

static void *waits(void *unused) {
        (void)unused;
        assert(weir_poll_wait(poll, later, &at_once) >= 0);
        if (take(later))
                ++taken;
        return NULL;
}

static void tear_down(void) {
        weir_events_destroy(later);
        taken += take_rest(TOKEN);
        assert(taken >= 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, owns, waits)
