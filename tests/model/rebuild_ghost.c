/* SPDX-License-Identifier: MIT */

/*
 * The cure of a ghost against the return of its file to the number, where another file is registered by now. Nothing of the
 * ghost's file is told under the token of the other one.
 * Threads: one moves all registrations; one puts the file back on the number.
 */

#define MODEL_BEHIND 2
#define MODEL_SETS   2

#include "library.h"

#define GHOST 0
#define OTHER 1

static void set_up(void) {
        open_poll();
        assert(weir_register(registry, 0, 1, WEIR_READABLE | WEIR_WRITABLE) == 0);
        model_lead(0, OTHER);
        assert(weir_register(registry, 0, 2, WEIR_READABLE | WEIR_WRITABLE) == 0);
        model_ready_behind(0, GHOST, EPOLLIN);
}

static void *moves(void *unused) {
        (void)unused;
        /* It is given up if what the number leads to changed meanwhile. */
        (void)weir_sets_rebuild(registry, WEIR_FOREVER);
        return NULL;
}

static void *puts_back(void *unused) {
        (void)unused;
        model_lead(0, GHOST);
        return NULL;
}

static void tear_down(void) {
        assert(take_rest(0) == 0);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, moves, puts_back)
