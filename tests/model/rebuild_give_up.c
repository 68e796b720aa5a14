/* SPDX-License-Identifier: MIT */

/*
 * A call that registers finds no room in the set that is being made, or not, for that is done. If so the move is given up; the
 * registration is made, in whichever set is then in use.
 * Threads: one moves all registrations; one registers.
 */

#define MODEL_SETS 2

#include "library.h"

#define TOKEN 7

static int result;

static void set_up(void) {
        open_poll();
        model_ready(0, EPOLLIN);
        /* Of what is asked for here, the call's own second step alone can fail. */
        model_fill_set(1);
}

static void *moves(void *unused) {
        (void)unused;
        weir_sets_rebuild(registry, WEIR_FOREVER);
        return NULL;
}

static void *registers(void *unused) {
        (void)unused;
        result = weir_register(registry, 0, TOKEN, WEIR_READABLE);
        assert(result == 0 || result == -ENOSPC);
        return NULL;
}

static void tear_down(void) {
        bool rebuilt = atomic_load_explicit(&registry->rebuilds, memory_order_relaxed);

        /* It is refused by the new set, if that is in use by then. */
        assert(result == 0 || rebuilt);
        assert(take_rest(TOKEN) == (result == 0));
        assert(weir_deregister(registry, 0) == (result == 0 ? 0 : -ENOENT));
        close_poll();
}

MODEL_MAIN(set_up, tear_down, moves, registers)
