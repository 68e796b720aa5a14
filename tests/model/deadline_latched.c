/* SPDX-License-Identifier: MIT */

/*
 * The end of a registration whose deadline has passed, and another one of its number, while a waiter latches the timeout. Nothing
 * of it comes to the newer one.
 * Threads: one waits; one deregisters, and registers anew.
 */

#include "library.h"

#include "timed.h"

static void set_up(void) {
        open_poll();
        assert(weir_register(registry, 0, OLDER, MODE | WEIR_READABLE) == 0);
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
        model_set_time(2 * MS);
}

static void *waits(void *unused) {
        (void)unused;
        weir_poll_wait(poll, events, &at_once);
        return NULL;
}

static void *replaces(void *unused) {
        (void)unused;
        assert(weir_deregister(registry, 0) == 0);
        assert(weir_register(registry, 0, NEWER, MODE | WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        struct told told;

        told_reset(&told);
        tell_rest(&told);
        assert(told.timeouts[OLDER] == 0 && told.timeouts[NEWER] == 0);
        assert(weir_deadline_of(registry, 0) == WEIR_NEVER);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, replaces)
