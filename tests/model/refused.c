/* SPDX-License-Identifier: MIT */

/*
 * Calls that are refused because of another thread's call come after it: they see what that thread wrote before.
 * Threads: one deregisters; one rearms, disarms if that was not refused, and reregisters if neither was.
 */

#include "library.h"

static int message;

static void set_up(void) {
        message = 0;
        open_poll();
        assert(weir_register(registry, 0, 1, WEIR_READABLE | WEIR_ONESHOT) == 0);
}

static void *deregisters(void *unused) {
        (void)unused;
        message = 1;
        assert(weir_deregister(registry, 0) == 0);
        return NULL;
}

static void *changes(void *unused) {
        int r;

        (void)unused;
        r = weir_rearm(registry, 0, WEIR_READABLE);
        if (r == 0)
                r = weir_disarm(registry, 0);
        if (r == 1)
                r = weir_reregister(registry, 0, 2, WEIR_READABLE);
        assert(r == 0 || r == -ENOENT);
        if (r == -ENOENT)
                assert(message == 1);
        return NULL;
}

static void tear_down(void) {
        assert(weir_deregister(registry, 0) == -ENOENT);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, deregisters, changes)
