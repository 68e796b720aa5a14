/* SPDX-License-Identifier: MIT */

/*
 * A poll is nested while it is woken. The outer set is told.
 * Threads: one wakes; one nests the poll.
 */

#define MODEL_SETS 2

#include "library.h"

static struct weir_waker *waker;

static void set_up(void) {
        open_poll();
        assert(weir_waker_create(registry, 7, &waker) == 0);
}

static void *wakes(void *unused) {
        (void)unused;
        assert(weir_waker_wake(waker) == 0);
        return NULL;
}

static void *nests(void *unused) {
        (void)unused;
        assert(weir_poll_fd(poll) >= 0);
        return NULL;
}

static void tear_down(void) {
        assert(model_outer_is_told());
        assert(take_rest(7) == 1);
        assert(!model_outer_is_told());
        weir_waker_destroy(waker);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, wakes, nests)
