/* SPDX-License-Identifier: MIT */

/*
 * The waiter silences the kernel for a one-shot that is owned, against the owner, who rearms for another direction. That is told of
 * when it is ready, once.
 * Threads: one waits; one, which owns the descriptor, rearms.
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
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE | WEIR_WRITABLE | WEIR_ONESHOT) == 0);
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

static void *rearms(void *unused) {
        (void)unused;
        assert(weir_rearm(registry, 0, WEIR_WRITABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        model_ready(0, EPOLLOUT);
        while (weir_poll_wait(poll, events, &at_once) > 0)
                take_all();
        assert(taken == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, rearms)
