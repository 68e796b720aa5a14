/* SPDX-License-Identifier: MIT */

/*
 * The waiter silences the kernel for a one-shot that is owned, against the owner, who reregisters it. The call of the waiter does
 * not touch the new registration, whose event comes, once, and none of the old one.
 * Threads: one waits; one, which owns the descriptor, reregisters.
 */

#include "library.h"

#define NEWER 2

static unsigned taken;

static void take_all(void) {
        struct weir_event event;

        while (weir_events_next(events, &event)) {
                assert(event.token == NEWER);
                ++taken;
        }
}

static void set_up(void) {
        struct weir_event event;

        taken = 0;
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, 1, WEIR_READABLE | WEIR_ONESHOT) == 0);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        assert(weir_events_next(events, &event));
        model_ready(0, EPOLLIN);
        assert(weir_poll_wait(poll, events, &at_once) == 0);
        model_ready(0, EPOLLIN);
}

static void *waits(void *unused) {
        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) > 0)
                take_all();
        return NULL;
}

static void *replaces(void *unused) {
        (void)unused;
        assert(weir_reregister(registry, 0, NEWER, WEIR_READABLE | WEIR_ONESHOT) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(taken + take_rest(NEWER) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, replaces)
