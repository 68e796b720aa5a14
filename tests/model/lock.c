/* SPDX-License-Identifier: MIT */

/*
 * Two calls about one descriptor at the same time. They take effect one after the other, the kernel is left with what
 * the slot says, and neither is left asleep on the lock.
 * Threads: one reregisters; one deregisters.
 */

#define MODEL_FUTEX(poll) (&(poll)->core.life->unlocks)

#include "library.h"

static _Atomic(int) results[2];

static void set_up(void) {
        /* relaxed, here and below: read when the threads have ended */
        atomic_store_explicit(&results[0], 1, memory_order_relaxed);
        atomic_store_explicit(&results[1], 1, memory_order_relaxed);
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, 1, WEIR_READABLE) == 0);
}

static void *reregisters(void *unused) {
        (void)unused;
        atomic_store_explicit(&results[0], weir_reregister(registry, 0, 2, WEIR_READABLE), memory_order_relaxed);
        return NULL;
}

static void *deregisters(void *unused) {
        (void)unused;
        atomic_store_explicit(&results[1], weir_deregister(registry, 0), memory_order_relaxed);
        return NULL;
}

static void tear_down(void) {
        int reregistered = atomic_load_explicit(&results[0], memory_order_relaxed);
        int deregistered = atomic_load_explicit(&results[1], memory_order_relaxed);

        if (model_check_futex()) {
                close_poll();
                return;
        }
        assert(reregistered == 0 || reregistered == -ENOENT);
        assert(deregistered == 0);
        assert(take_rest(0) == 0);
        assert(weir_register(registry, 0, 3, WEIR_READABLE) == 0);
        assert(take_rest(3) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, reregisters, deregisters)
