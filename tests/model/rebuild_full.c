/* SPDX-License-Identifier: MIT */

/*
 * The move to a new set, for which there is no room, against a registration. Either the mover or the call that registers meets
 * that; nothing is moved then, and the registration is made in any case. What was registered before stays as it was.
 * Threads: one moves all registrations; one registers.
 */

#define WEIR_FIRST_SEGMENT_SHIFT 1
#define MODEL_FILES              2
#define MODEL_SETS               2

#include "library.h"

static void set_up(void) {
        open_poll();
        model_ready(1, EPOLLIN);
        assert(weir_register(registry, 0, 1, WEIR_READABLE) == 0);
        model_fill_set(1);
}

static void *moves(void *unused) {
        (void)unused;
        assert(!weir_sets_rebuild(registry, WEIR_FOREVER));
        return NULL;
}

static void *registers(void *unused) {
        (void)unused;
        assert(weir_register(registry, 1, 2, WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(atomic_load_explicit(&registry->moving, memory_order_relaxed) == MOVING_NOT);
        assert(take_rest(2) == 1);
        model_ready(0, EPOLLIN);
        assert(take_rest(1) == 1);
        assert(weir_deregister(registry, 1) == 0);
        model_ready(1, EPOLLIN);
        assert(take_rest(0) == 0);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, moves, registers)
