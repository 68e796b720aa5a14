/* SPDX-License-Identifier: MIT */

/*
 * Rearm while the event of a rearm before is taken, and more is latched: the word is as the other thread saw it, but the slot has
 * been in the queue meanwhile.
 * Threads: one waits, takes, and waits for a new edge, which is latched; one rearms.
 */

#include "library.h"

#define TOKEN 7

static unsigned taken;

/* An edge that the one-shot is not armed for. */
static void latch(void) {
        model_ready(0, EPOLLIN);
        assert(weir_poll_wait(poll, events, &at_once) >= 0);
}

static void take(void) {
        struct weir_event event;

        while (weir_events_next(events, &event)) {
                assert(event.token == TOKEN);
                ++taken;
        }
}

static void set_up(void) {
        taken = 0;
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE | WEIR_ONESHOT) == 0);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        take();
        latch();
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
}

static void *owns(void *unused) {
        (void)unused;
        assert(weir_poll_wait(poll, events, &at_once) >= 0);
        take();
        latch();
        return NULL;
}

static void *rearms(void *unused) {
        (void)unused;
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        taken += take_rest(TOKEN);
        assert(taken >= 2 && taken <= 3);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, owns, rearms)
