/* SPDX-License-Identifier: MIT */

/*
 * Rearm on a handler's thread against a fetch of a new edge. The edge is not lost, the one-shot does not fire while the
 * handler owns the descriptor, and its next owner sees what this one did.
 * Threads: one waits and takes; one, which owns the descriptor, drains and rearms; one brings new data.
 */

#include "library.h"

#define TOKEN 7

static int owners; /* plain: changed only by the thread that owns the descriptor */

static void handle(void) {
        ++owners;
        model_drain(0);
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
}

static void set_up(void) {
        struct weir_event event;

        owners = 0;
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE | WEIR_ONESHOT) == 0);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        assert(weir_events_next(events, &event) && event.token == TOKEN);
        weir_events_clear(events);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) > 0)
                while (weir_events_next(events, &event))
                        handle();
        return NULL;
}

static void *handles(void *unused) {
        (void)unused;
        handle();
        return NULL;
}

static void *writes(void *unused) {
        (void)unused;
        model_ready(0, EPOLLIN);
        return NULL;
}

static void tear_down(void) {
        unsigned count = take_rest(TOKEN);

        assert(count <= 1);
        assert(count == 1 || !model_drain(0));
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, handles, writes)
