/* SPDX-License-Identifier: MIT */

/*
 * The move to a new set against a number that was closed, leads to a stranger, elsewhere, and to the stranger again, which is then
 * registered. Its event comes, under its token alone, though the mover may have put it into the new set before.
 * Threads: one moves all registrations; one closes the number, puts the stranger back and registers it.
 */

#define MODEL_BEHIND 3
#define MODEL_SETS   2

#include "library.h"

#define OLDER    1
#define NEWER    2
#define STRANGER 1

static void set_up(void) {
        open_poll();
        model_ready_behind(0, STRANGER, EPOLLIN);
        assert(weir_register(registry, 0, OLDER, WEIR_READABLE) == 0);
        model_lead(0, STRANGER);
        model_forget(0, 0);
}

static void *moves(void *unused) {
        (void)unused;
        assert(weir_sets_rebuild(registry, WEIR_FOREVER));
        return NULL;
}

static void *registers(void *unused) {
        (void)unused;
        model_lead(0, 2);
        model_lead(0, STRANGER);
        assert(weir_register(registry, 0, NEWER, WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(take_rest(NEWER) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, moves, registers)
