/* SPDX-License-Identifier: MIT */

/*
 * Deregister and defer against a handler of two batches of a level-triggered descriptor, in two events objects. What
 * the token points to is freed once, when both are closed.
 * Threads: one takes from a batch, waits for another and takes from it, closes the newer, and follows; one deregisters and
 * defers.
 */

#include "library.h"

static struct weir_events *others;
static struct payload *payload;
static _Atomic(int) freed;

static void set_up(void) {
        atomic_store_explicit(&freed, 0, memory_order_relaxed);
        open_poll();
        assert(weir_events_create(MODEL_CAPACITY, &others) == 0);
        payload = malloc(sizeof *payload);
        payload->value = 7;
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, weir_ptr_token(payload), WEIR_READABLE | WEIR_LEVEL) == 0);
        assert(weir_poll_wait(poll, others, &at_once) == 1);
}

static void frees(struct weir_deferred *deferred) {
        struct payload *p = (struct payload *)deferred;

        p->value = 0;
        free(p);
        assert(atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed) == 0);
}

static struct payload *take(struct weir_events *batch) {
        struct weir_event event;

        return weir_events_next(batch, &event) ? payload_of(&event) : NULL;
}

static void *handles(void *unused) {
        struct payload *from_older, *from_newer = NULL;

        (void)unused;
        from_older = take(others);
        if (weir_poll_wait(poll, events, &at_once) > 0)
                from_newer = take(events);
        assert(!from_newer || from_newer->value == 7);
        weir_events_clear(events);
        assert(!from_older || from_older->value == 7);
        return NULL;
}

static void *ends(void *unused) {
        (void)unused;
        assert(weir_deregister(registry, 0) == 0);
        weir_defer(registry, &payload->deferred, frees);
        return NULL;
}

static void tear_down(void) {
        weir_events_clear(others);
        assert(atomic_load_explicit(&freed, memory_order_relaxed) == 1);
        weir_events_destroy(others);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, handles, ends)
