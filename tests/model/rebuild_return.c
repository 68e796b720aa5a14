/* SPDX-License-Identifier: MIT */

/*
 * The move to a new set against a number that leads to a stranger for a moment, and then to what is registered again. Nothing of
 * the stranger is told, which a duplicate keeps open.
 * Threads: one moves all registrations; one puts the stranger on the number, and the file back.
 */

#define MODEL_BEHIND 2
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
        /* It is given up if the stranger was met. */
        (void)weir_sets_rebuild(registry, WEIR_FOREVER);
        return NULL;
}

static void *puts_back(void *unused) {
        (void)unused;
        model_lead(0, STRANGER);
        model_lead(0, 0);
        return NULL;
}

static void tear_down(void) {
        assert(take_rest(0) == 0);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, moves, puts_back)
