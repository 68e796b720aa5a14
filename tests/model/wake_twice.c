/* SPDX-License-Identifier: MIT */

/*
 * One waker, woken by two threads. Wakes may become one event, but only with an event that is taken after both: the
 * taker of the last event sees what was written before either.
 * Threads: one waits until it has seen both messages; two wake.
 */

#include "library.h"

static struct weir_waker *waker;
static _Atomic(int) messages[2];

static void set_up(void) {
        /* relaxed, here and below: whoever waits for a message relies on the wake */
        atomic_store_explicit(&messages[0], 0, memory_order_relaxed);
        atomic_store_explicit(&messages[1], 0, memory_order_relaxed);
        open_poll();
        assert(weir_waker_create(registry, 0, &waker) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;
        bool seen = false;

        (void)unused;
        while (!seen) {
                assert(weir_poll_wait(poll, events, NULL) > 0);
                while (weir_events_next(events, &event))
                        seen = atomic_load_explicit(&messages[0], memory_order_relaxed) &&
                               atomic_load_explicit(&messages[1], memory_order_relaxed);
        }
        return NULL;
}

static void wake(unsigned i) {
        atomic_store_explicit(&messages[i], 1, memory_order_relaxed);
        assert(weir_waker_wake(waker) == 0);
}

static void *wakes_first(void *unused) {
        (void)unused;
        wake(0);
        return NULL;
}

static void *wakes_second(void *unused) {
        (void)unused;
        wake(1);
        return NULL;
}

static void tear_down(void) {
        end_wait(false);
        weir_waker_destroy(waker);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, wakes_first, wakes_second)
