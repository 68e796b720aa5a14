/* SPDX-License-Identifier: MIT */

/*
 * A wake of a poll that is nested in an outer set.
 * Threads: one waits for ever and takes; one wakes.
 */

#define MODEL_SETS 2
#include "library.h"

#define TOKEN 3

static struct weir_waker *waker;
static unsigned taken;

static void set_up(void) {
        taken = 0;
        open_poll();
        assert(weir_waker_create(registry, TOKEN, &waker) == 0);
        assert(weir_poll_fd(poll) >= 0);
        assert(weir_poll_wait(poll, events, &at_once) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        assert(weir_poll_wait(poll, events, NULL) == 1);
        while (weir_events_next(events, &event))
                ++taken;
        weir_events_clear(events);
        return NULL;
}

static void *wakes(void *unused) {
        (void)unused;
        assert(weir_waker_wake(waker) == 0);
        return NULL;
}

static void tear_down(void) {
        end_wait(false);
        taken += take_rest(TOKEN);
        assert(taken == 1);
        weir_waker_destroy(waker);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, wakes)
