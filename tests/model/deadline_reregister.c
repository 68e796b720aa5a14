/* SPDX-License-Identifier: MIT */

/*
 * A timeout and a trigger that are pending, against reregister. Both come, once, under the older token or under the newer one, and
 * under the older one not after the return.
 * Threads: one takes from a batch; one reregisters.
 */

#include "library.h"

#include "timed.h"

#ifndef CHANGE
#define CHANGE weir_reregister(registry, 0, NEWER, MODE | WEIR_READABLE)
#endif

static _Atomic(int) replaced;
static struct told told;

static void set_up(void) {
        told_reset(&told);
        atomic_store_explicit(&replaced, 0, memory_order_relaxed);
        open_poll();
        assert(weir_register(registry, 0, OLDER, MODE | WEIR_READABLE) == 0);
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
        assert(weir_trigger(registry, 0) == 0);
        model_set_time(2 * MS);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
}

static void *takes(void *unused) {
        struct weir_event event;

        (void)unused;
        for (;;) {
                /* acquire: the token may not come to a hand-out that begins after the return */
                bool late = atomic_load_explicit(&replaced, memory_order_acquire);

                if (!weir_events_next(events, &event))
                        return NULL;
                assert(event.token == NEWER || !late);
                tell(&told, &event);
        }
}

static void *changes(void *unused) {
        (void)unused;
        assert(CHANGE == 0);
        atomic_store_explicit(&replaced, 1, memory_order_release);
        return NULL;
}

static void tear_down(void) {
        unsigned before = told.timeouts[OLDER];

        tell_rest(&told);
        assert(told.timeouts[OLDER] == before);
        assert(told.timeouts[OLDER] + told.timeouts[NEWER] == 1);
        assert(told.triggers[OLDER] + told.triggers[NEWER] == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, takes, changes)
