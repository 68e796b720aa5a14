/* SPDX-License-Identifier: MIT */

/*
 * The move to a new set against a rearm that asks the kernel for another direction. The one-shot ends in the new set armed for
 * that, and tells of it, once.
 * Threads: one moves all registrations; one, which owns the descriptor, rearms.
 */

#define MODEL_SETS 2

#include "library.h"

#define TOKEN 7

static void set_up(void) {
        open_poll();
        model_ready(0, EPOLLOUT);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD) == 0);
}

static void *moves(void *unused) {
        (void)unused;
        assert(weir_sets_rebuild(registry, WEIR_FOREVER));
        return NULL;
}

static void *rearms(void *unused) {
        (void)unused;
        assert(weir_rearm(registry, 0, WEIR_WRITABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(take_rest(TOKEN) == 1);
        model_drain(0);
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        assert(take_rest(0) == 0);
        model_ready(0, EPOLLIN);
        assert(take_rest(TOKEN) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, moves, rearms)
