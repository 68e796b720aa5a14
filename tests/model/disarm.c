/* SPDX-License-Identifier: MIT */

/*
 * Disarm against a wait and a hand-out. One of the two gets the one-shot, and sees what its former owner did; the readiness that
 * is pending then, and that which comes while it is owned, comes after the rearm.
 * Threads: one waits and takes; one disarms. Whoever gets it brings new data and rearms.
 */

#include "library.h"

#define TOKEN 7

static int owners; /* plain: changed only by the thread that owns the descriptor */

static void set_up(void) {
        owners = 0;
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE | WEIR_ONESHOT) == 0);
}

static void own(void) {
        ++owners;
        model_drain(0);
        model_ready(0, EPOLLIN);
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) > 0)
                while (weir_events_next(events, &event))
                        own();
        return NULL;
}

static void *disarms(void *unused) {
        int r;

        (void)unused;
        r = weir_disarm(registry, 0);
        assert(r == 0 || r == 1);
        if (r == 1)
                own();
        return NULL;
}

static void tear_down(void) {
        assert(owners >= 1 && owners <= 2);
        assert(take_rest(TOKEN) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, disarms)
