/* SPDX-License-Identifier: MIT */

/*
 * A deadline that has passed against a set. Nothing of it comes to a hand-out that begins after the return, and the new one comes
 * at its moment, once: be the place taken out of the heap before the set, after it, or in between.
 * Threads: one waits and takes; one sets it later.
 */

#include "library.h"

#include "timed.h"

static _Atomic(int) moved;
static struct told told;

static void set_up(void) {
        told_reset(&told);
        atomic_store_explicit(&moved, 0, memory_order_relaxed);
        open_poll();
        assert(weir_register(registry, 0, OLDER, MODE | WEIR_READABLE) == 0);
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
        model_set_time(2 * MS);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) <= 0)
                return NULL;
        for (;;) {
                /* acquire: the moment may not come to a hand-out that begins after the return */
                bool late = atomic_load_explicit(&moved, memory_order_acquire);

                if (!weir_events_next(events, &event))
                        return NULL;
                assert(weir_event_is_timeout(&event) && !late);
                tell(&told, &event);
        }
}

static void *sets(void *unused) {
        (void)unused;
        assert(weir_set_deadline(registry, 0, 4 * MS) == 0);
        atomic_store_explicit(&moved, 1, memory_order_release);
        return NULL;
}

static void tear_down(void) {
        unsigned before = told.timeouts[OLDER];

        assert(before <= 1);
        model_set_time(4 * MS - 1);
        tell_rest(&told);
        assert(told.timeouts[OLDER] == before);
        model_set_time(4 * MS);
        tell_rest(&told);
        assert(told.timeouts[OLDER] == before + 1);
        tell_rest(&told);
        assert(told.timeouts[OLDER] == before + 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, sets)
