/* SPDX-License-Identifier: MIT */

/*
 * A defer from inside a deferred function, with a batch that another thread opens and closes. On the thread that runs
 * the first function the second one runs after it, not nested in it; each runs once.
 * Threads: one opens and closes a batch; one defers a function that defers another.
 */

#include "library.h"

static struct payload outer, inner;
static _Atomic(pthread_t) outer_thread;
static _Atomic(int) outer_finished;

static void set_up(void) {
        outer.value = inner.value = 0;
        /* relaxed, here and below: only what the same thread wrote counts */
        atomic_store_explicit(&outer_finished, 0, memory_order_relaxed);
        open_poll();
}

static void run_inner(struct weir_deferred *deferred) {
        assert(deferred == &inner.deferred);
        if (pthread_equal(atomic_load_explicit(&outer_thread, memory_order_relaxed), pthread_self()))
                assert(atomic_load_explicit(&outer_finished, memory_order_relaxed));
        ++inner.value;
}

static void run_outer(struct weir_deferred *deferred) {
        assert(deferred == &outer.deferred);
        ++outer.value;
        atomic_store_explicit(&outer_thread, pthread_self(), memory_order_relaxed);
        weir_defer(registry, &inner.deferred, run_inner);
        atomic_store_explicit(&outer_finished, 1, memory_order_relaxed);
}

static void *reads(void *unused) {
        (void)unused;
        weir_events_attach(events, registry);
        weir_events_open(events, 0);
        weir_events_clear(events);
        return NULL;
}

static void *defers(void *unused) {
        (void)unused;
        weir_defer(registry, &outer.deferred, run_outer);
        return NULL;
}

static void tear_down(void) {
        assert(outer.value == 1 && inner.value == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, reads, defers)
