/* SPDX-License-Identifier: MIT */

/*
 * The waiting role passes from thread to thread while both still read their batches. Each event is handed out once, and
 * a waiter sees what the former one left behind.
 * Threads: two wait, take and close, each in an events object of its own; one wakes.
 */

#include "library.h"

static struct weir_events *others;
static struct weir_waker *waker;
static _Atomic(unsigned) taken;

static void set_up(void) {
        /* relaxed, here and below: a count */
        atomic_store_explicit(&taken, 0, memory_order_relaxed);
        open_poll();
        assert(weir_events_create(MODEL_CAPACITY, &others) == 0);
        assert(weir_waker_create(registry, 7, &waker) == 0);
}

static void wait_and_take(struct weir_events *batch) {
        struct weir_event event;
        int r = weir_poll_wait(poll, batch, &at_once);

        assert(r == 0 || r == 1 || r == -EBUSY);
        if (r == 1)
                while (weir_events_next(batch, &event))
                        atomic_fetch_add_explicit(&taken, 1, memory_order_relaxed);
        weir_events_clear(batch);
}

static void *waits(void *unused) {
        (void)unused;
        wait_and_take(events);
        return NULL;
}

static void *waits_too(void *unused) {
        (void)unused;
        wait_and_take(others);
        return NULL;
}

static void *wakes(void *unused) {
        (void)unused;
        assert(weir_waker_wake(waker) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(atomic_load_explicit(&taken, memory_order_relaxed) + take_rest(7) == 1);
        weir_waker_destroy(waker);
        weir_events_destroy(others);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, waits_too, wakes)
