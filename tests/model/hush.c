/* SPDX-License-Identifier: MIT */

/*
 * The waiter silences the kernel for a one-shot that is owned, for readiness keeps coming, against the owner, who rearms. What is
 * ready is not lost, one thread at a time owns the descriptor, and its next owner sees what this one did.
 * Threads: one waits, takes what it may, and rearms; one, which owns the descriptor, drains, is told of new data, and rearms.
 */

#include "library.h"

#define TOKEN 7

static int owners; /* plain: changed only by the thread that owns the descriptor */

static void set_up(void) {
        struct weir_event event;

        owners = 0;
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE | WEIR_ONESHOT) == 0);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        assert(weir_events_next(events, &event));
        /* The first that comes to the owner is latched; the next one makes the waiter silence it. */
        model_ready(0, EPOLLIN);
        assert(weir_poll_wait(poll, events, &at_once) == 0);
        model_ready(0, EPOLLIN);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) > 0)
                while (weir_events_next(events, &event)) {
                        ++owners;
                        model_drain(0);
                        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
                }
        return NULL;
}

static void *owns(void *unused) {
        (void)unused;
        ++owners;
        model_drain(0);
        model_ready(0, EPOLLIN);
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        unsigned count = take_rest(TOKEN);

        assert(count <= 1);
        assert(count == 1 || !model_drain(0));
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, owns)
