/* SPDX-License-Identifier: MIT */

/*
 * The last references to a core, given up on three threads. It is freed once, after all that any of them did with it.
 * Threads: one destroys the poll; one releases a registry; one destroys an events object with an open batch, which runs
 * a deferred function that releases another registry.
 */

#include "library.h"

static struct weir_registry *handles[2];
static struct payload thing;

static void release_inside(struct weir_deferred *deferred) {
        ++((struct payload *)deferred)->value;
        weir_registry_release(handles[1]);
}

static void set_up(void) {
        thing.value = 0;
        open_poll();
        handles[0] = weir_registry_clone(registry);
        handles[1] = weir_registry_clone(registry);
        weir_events_attach(events, registry);
        weir_events_open(events, 0);
        weir_defer(registry, &thing.deferred, release_inside);
        assert(thing.value == 0);
}

static void *destroys(void *unused) {
        (void)unused;
        weir_poll_destroy(poll);
        return NULL;
}

static void *releases(void *unused) {
        (void)unused;
        weir_registry_release(handles[0]);
        return NULL;
}

static void *closes(void *unused) {
        (void)unused;
        weir_events_destroy(events);
        return NULL;
}

static void tear_down(void) {
        assert(thing.value == 1);
        assert(model_core_is_freed());
}

MODEL_MAIN(set_up, tear_down, destroys, releases, closes)
