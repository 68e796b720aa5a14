/* SPDX-License-Identifier: MIT */

/*
 * The move to a new set against a registration whose slot lies in a segment that a third thread makes. Whether the mover
 * sees the segment or not, the registration ends in the new set.
 * Threads: one moves all registrations; one makes the segment; one registers a descriptor of it.
 */

#define WEIR_FIRST_SEGMENT_SHIFT 0
#define MODEL_FILES              3
#define MODEL_SETS               2

#include "library.h"

#define TOKEN 7

static void set_up(void) {
        open_poll();
        model_ready(2, EPOLLIN);
}

static void *moves(void *unused) {
        (void)unused;
        assert(weir_sets_rebuild(registry, WEIR_FOREVER));
        return NULL;
}

static void *makes(void *unused) {
        (void)unused;
        assert(weir_table_make(&registry->fds, 1));
        return NULL;
}

static void *registers(void *unused) {
        (void)unused;
        assert(weir_register(registry, 2, TOKEN, WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(take_rest(TOKEN) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, moves, makes, registers)
