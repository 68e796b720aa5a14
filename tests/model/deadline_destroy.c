/* SPDX-License-Identifier: MIT */

/*
 * The end of the poll against the first deadline of a number, and a trigger. They are refused, or done for nothing; nothing is
 * touched that is freed, and nothing is left.
 * Threads: one destroys the poll; one sets, triggers and releases.
 */

#include "library.h"

#include "timed.h"

static struct weir_registry *handle;

static void set_up(void) {
        open_poll();
        assert(weir_register(registry, 0, OLDER, WEIR_READABLE) == 0);
        handle = weir_registry_clone(registry);
}

static void *destroys(void *unused) {
        (void)unused;
        weir_poll_destroy(poll);
        return NULL;
}

static void *sets(void *unused) {
        int r;

        (void)unused;
        r = weir_set_deadline(handle, 0, 1 * MS);
        assert(r == 0 || r == -ESHUTDOWN);
        r = weir_trigger(handle, 0);
        assert(r == 0 || r == -ESHUTDOWN);
        weir_registry_release(handle);
        return NULL;
}

static void tear_down(void) {
        weir_events_destroy(events);
        assert(model_core_is_freed());
}

MODEL_MAIN(set_up, tear_down, destroys, sets)
