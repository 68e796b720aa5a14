/* SPDX-License-Identifier: MIT */

/*
 * The end of a poll against the calls of a registry. Each succeeds or says -ESHUTDOWN; deregister and defer go on
 * working; the core goes with its last holder, once.
 * Threads: one destroys the poll; one registers, deregisters and defers through a handle of its own, and releases it.
 */

#include "library.h"

static struct weir_registry *handle;
static struct payload thing;

static void set_up(void) {
        thing.value = 0;
        open_poll();
        handle = weir_registry_clone(registry);
        model_ready(0, EPOLLIN);
}

static void count(struct weir_deferred *deferred) {
        ++((struct payload *)deferred)->value;
}

static void *destroys(void *unused) {
        (void)unused;
        weir_poll_destroy(poll);
        return NULL;
}

static void *registers(void *unused) {
        int r;

        (void)unused;
        r = weir_register(handle, 0, 7, WEIR_READABLE);
        assert(r == 0 || r == -ESHUTDOWN);
        assert(weir_deregister(handle, 0) == (r == 0 ? 0 : -ENOENT));
        weir_defer(handle, &thing.deferred, count);
        assert(thing.value == 1);
        weir_registry_release(handle);
        return NULL;
}

static void tear_down(void) {
        weir_events_destroy(events);
        assert(model_core_is_freed());
}

MODEL_MAIN(set_up, tear_down, destroys, registers)
