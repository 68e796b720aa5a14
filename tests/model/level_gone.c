/* SPDX-License-Identifier: MIT */

/*
 * Level-triggered events against a deregister that the kernel obeys. However often a wait fetches an event of the
 * registration after it ended, that is no ghost: nothing is moved to a new set.
 * Threads: one waits twice; one deregisters.
 */

#define MODEL_SETS 2

#include "library.h"

static void set_up(void) {
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, 1, WEIR_READABLE | WEIR_LEVEL) == 0);
}

static void *waits(void *unused) {
        (void)unused;
        for (unsigned i = 0; i < 2; ++i)
                assert(weir_poll_wait(poll, events, &at_once) >= 0);
        return NULL;
}

static void *deregisters(void *unused) {
        (void)unused;
        assert(weir_deregister(registry, 0) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(weir_poll_wait(poll, events, &at_once) == 0);
        assert(atomic_load_explicit(&registry->rebuilds, memory_order_relaxed) == 0);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, deregisters)
