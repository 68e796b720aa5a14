/* SPDX-License-Identifier: MIT */

/*
 * A hang-up that was told, came again, and is over before the owner rearms. The rearm asks the kernel: what comes after it tells
 * of new readiness, once, and of no hang-up.
 * Threads: one waits, and takes what it may; one, which owns the descriptor, connects it anew and rearms.
 */

#include "library.h"

#define TOKEN 7

static unsigned taken;

static void take_all(void) {
        struct weir_event event;

        while (weir_events_next(events, &event)) {
                assert(event.token == TOKEN && event.readiness == EPOLLOUT);
                ++taken;
        }
}

static void set_up(void) {
        struct weir_event event;

        taken = 0;
        open_poll();
        model_ready(0, EPOLLHUP);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE | WEIR_WRITABLE | WEIR_ONESHOT) == 0);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        assert(weir_events_next(events, &event) && event.readiness == EPOLLHUP);
        weir_events_clear(events);
        model_ready(0, EPOLLHUP);
}

static void *waits(void *unused) {
        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) > 0)
                take_all();
        return NULL;
}

static void *owns(void *unused) {
        (void)unused;
        model_drain(0);
        model_ready(0, EPOLLOUT);
        assert(weir_rearm(registry, 0, WEIR_READABLE | WEIR_WRITABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        while (weir_poll_wait(poll, events, &at_once) > 0)
                take_all();
        assert(taken == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, owns)
