/* SPDX-License-Identifier: MIT */

/*
 * The move to a new set of a poll that is nested, against new readiness. The outer set is told of it.
 * Threads: one moves all registrations; one brings new data.
 */

#define MODEL_SETS 3

#include "library.h"

#define TOKEN 7

static void set_up(void) {
        open_poll();
        assert(weir_poll_fd(poll) >= 0);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE) == 0);
        assert(weir_poll_wait(poll, events, &at_once) == 0);
}

static void *moves(void *unused) {
        (void)unused;
        assert(weir_sets_rebuild(registry, WEIR_FOREVER));
        return NULL;
}

static void *writes(void *unused) {
        (void)unused;
        model_ready(0, EPOLLIN);
        return NULL;
}

static void tear_down(void) {
        assert(model_outer_is_told());
        assert(take_rest(TOKEN) == 1);
        assert(!model_outer_is_told());
        close_poll();
}

MODEL_MAIN(set_up, tear_down, moves, writes)
