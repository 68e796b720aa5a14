/* SPDX-License-Identifier: MIT */

/*
 * The birth of a ghost against two threads that look which numbers have one. Whoever looks afterwards finds its number marked.
 * Threads: two look; one deregisters a number that was closed, while a duplicate keeps its file open.
 */

#define MODEL_BEHIND 2

#include "library.h"

static struct weir_slot *slot(void) {
        return weir_table_find(&registry->fds, 0);
}

static void set_up(void) {
        open_poll();
        assert(weir_register(registry, 0, 1, WEIR_READABLE) == 0);
        weir_ghost_mark(registry, slot());
        model_lead(0, 1);
}

static void *looks(void *unused) {
        (void)unused;
        assert(weir_ghost_look(registry));
        return NULL;
}

static void *deregisters(void *unused) {
        (void)unused;
        assert(weir_deregister(registry, 0) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(atomic_load_explicit(&slot()->haunted, memory_order_relaxed) != HAUNTED_NOT);
        assert(weir_ghost_look(registry));
        assert(atomic_load_explicit(&slot()->haunted, memory_order_relaxed) == HAUNTED_IS);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, looks, looks, deregisters)
