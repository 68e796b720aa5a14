/* SPDX-License-Identifier: MIT */

/*
 * A reader that has no batch, and follows a link of its own, against one who takes the link away and defers the end of what it
 * leads to. That is freed once, and not while the reader looks at it.
 * Threads: one enters, follows the link and leaves, twice; one takes it away and defers.
 */

#include "library.h"

static _Atomic(struct payload *) linked;
static struct weir_guard *guard;
static _Atomic(int) freed;

static void set_up(void) {
        struct payload *payload = malloc(sizeof *payload);

        atomic_store_explicit(&freed, 0, memory_order_relaxed);
        payload->value = 7;
        open_poll();
        open_guard(&guard);
        /* relaxed: the threads are made after it */
        atomic_store_explicit(&linked, payload, memory_order_relaxed);
}

static void frees(struct weir_deferred *deferred) {
        struct payload *payload = (struct payload *)deferred;

        payload->value = 0;
        free(payload);
        assert(atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed) == 0);
}

static void *reads(void *unused) {
        (void)unused;
        for (unsigned i = 0; i < 2; ++i) {
                struct payload *payload;

                assert(weir_guard_enter(guard) == 0);
                /* relaxed: that a guard entered after the defer finds it gone comes from the library alone */
                payload = atomic_load_explicit(&linked, memory_order_relaxed);
                assert(!payload || payload->value == 7);
                weir_guard_leave(guard);
        }
        return NULL;
}

static void *takes_away(void *unused) {
        struct payload *payload = atomic_load_explicit(&linked, memory_order_relaxed);

        (void)unused;
        atomic_store_explicit(&linked, NULL, memory_order_relaxed);
        weir_defer(registry, &payload->deferred, frees);
        return NULL;
}

static void tear_down(void) {
        assert(atomic_load_explicit(&freed, memory_order_relaxed) == 1);
        weir_guard_destroy(guard);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, reads, takes_away)
