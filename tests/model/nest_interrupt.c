/* SPDX-License-Identifier: MIT */

/*
 * A poll is nested while it is interrupted. The outer set is told.
 * Threads: one interrupts; one nests the poll.
 */

#define MODEL_SETS 2

#include "library.h"

static void set_up(void) {
        open_poll();
}

static void *interrupts(void *unused) {
        (void)unused;
        assert(weir_poll_interrupt(poll) == 0);
        return NULL;
}

static void *nests(void *unused) {
        (void)unused;
        assert(weir_poll_fd(poll) >= 0);
        return NULL;
}

static void tear_down(void) {
        assert(model_outer_is_told());
        assert(weir_poll_wait(poll, events, &at_once) == -EINTR);
        assert(weir_poll_wait(poll, events, &at_once) == 0);
        assert(!model_outer_is_told());
        close_poll();
}

MODEL_MAIN(set_up, tear_down, interrupts, nests)
