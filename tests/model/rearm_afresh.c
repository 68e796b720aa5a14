/* SPDX-License-Identifier: MIT */

/*
 * A one-shot whose owner has left data, against a wait that fetches an edge meanwhile. The rearm that asks the kernel makes one
 * event of both, whether the wait comes before it, in its middle or after it.
 * Threads: one waits, and takes what it may; one, which owns the descriptor, meets an edge and rearms.
 */

#include "library.h"

#define TOKEN 7

static unsigned taken;

static void set_up(void) {
        struct weir_event event;

        taken = 0;
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE | WEIR_ONESHOT) == 0);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        assert(weir_events_next(events, &event) && event.readiness == EPOLLIN);
        weir_events_clear(events);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) > 0)
                while (weir_events_next(events, &event)) {
                        assert(event.token == TOKEN && event.readiness == EPOLLIN);
                        ++taken;
                }
        return NULL;
}

static void *owns(void *unused) {
        (void)unused;
        model_ready(0, EPOLLIN);
        assert(weir_rearm_afresh(registry, 0, WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(taken + take_rest(TOKEN) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, owns)
