/* SPDX-License-Identifier: MIT */

/*
 * Disarm waits for a call that holds the lock, and is not left asleep. It finds the one-shot as that call leaves it.
 * Threads: one disarms; one reregisters.
 */

#define MODEL_FUTEX(poll) (&(poll)->core.life->unlocks)

#include "library.h"

static void set_up(void) {
        open_poll();
        assert(weir_register(registry, 0, 1, WEIR_READABLE | WEIR_ONESHOT) == 0);
}

static void *disarms(void *unused) {
        (void)unused;
        assert(weir_disarm(registry, 0) == 1);
        return NULL;
}

static void *reregisters(void *unused) {
        (void)unused;
        assert(weir_reregister(registry, 0, 2, WEIR_READABLE | WEIR_ONESHOT) == 0);
        return NULL;
}

static void tear_down(void) {
        unsigned count;

        model_check_futex();
        model_ready(0, EPOLLIN);
        count = take_rest(2);
        /* The disarm came before the reregister, or after it. */
        assert(count <= 1);
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        model_ready(0, EPOLLIN);
        assert(take_rest(2) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, disarms, reregisters)
