/* SPDX-License-Identifier: MIT */

/*
 * Rearm against a reregister. There is a registration all the time, so neither is refused.
 * Threads: one rearms; one reregisters.
 */

#include "library.h"

#define TOKEN 7

static void set_up(void) {
        open_poll();
        assert(weir_register(registry, 0, 1, WEIR_READABLE | WEIR_ONESHOT) == 0);
}

static void *rearms(void *unused) {
        (void)unused;
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        return NULL;
}

static void *reregisters(void *unused) {
        (void)unused;
        assert(weir_reregister(registry, 0, TOKEN, WEIR_READABLE | WEIR_ONESHOT) == 0);
        return NULL;
}

static void tear_down(void) {
        model_ready(0, EPOLLIN);
        assert(take_rest(TOKEN) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, rearms, reregisters)
