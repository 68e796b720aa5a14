/* SPDX-License-Identifier: MIT */

/*
 * The move to a new set against a number that is closed, leads to a stranger, and leads elsewhere while a duplicate keeps the
 * stranger open. Nothing of the stranger is told.
 * Threads: one moves all registrations; one closes the number, and closes it again.
 */

#define MODEL_BEHIND 3
#define MODEL_SETS   2

#include "library.h"

#define TOKEN    7
#define STRANGER 1

static void set_up(void) {
        open_poll();
        model_ready_behind(0, STRANGER, EPOLLOUT);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE | WEIR_WRITABLE) == 0);
}

static void *moves(void *unused) {
        (void)unused;
        /* It is given up if what the number leads to changed meanwhile. */
        (void)weir_sets_rebuild(registry, WEIR_FOREVER);
        return NULL;
}

static void *closes(void *unused) {
        (void)unused;
        model_lead(0, STRANGER);
        model_forget(0, 0);
        model_lead(0, 2);
        return NULL;
}

static void tear_down(void) {
        assert(take_rest(0) == 0);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, moves, closes)
