/* SPDX-License-Identifier: MIT */

/*
 * The end of a waker whose deadline has passed, and another one in its place. Nothing of the older comes after the return, and
 * the newer one is not deaf.
 * Threads: one takes from a batch; one destroys, and makes anew.
 */

#include "library.h"

#include "timed.h"

static struct weir_waker *older, *newer;
static _Atomic(int) gone;
static struct told told;

static void set_up(void) {
        told_reset(&told);
        atomic_store_explicit(&gone, 0, memory_order_relaxed);
        open_poll();
        assert(weir_waker_create(registry, OLDER, &older) == 0);
        assert(weir_waker_set_deadline(older, 1 * MS) == 0);
        model_set_time(2 * MS);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
}

static void *takes(void *unused) {
        struct weir_event event;

        (void)unused;
        for (;;) {
                /* acquire: the token may not come to a hand-out that begins after the return */
                bool late = atomic_load_explicit(&gone, memory_order_acquire);

                if (!weir_events_next(events, &event))
                        return NULL;
                assert(event.token == NEWER || !late);
                tell(&told, &event);
        }
}

static void *replaces(void *unused) {
        (void)unused;
        weir_waker_destroy(older);
        atomic_store_explicit(&gone, 1, memory_order_release);
        assert(weir_waker_create(registry, NEWER, &newer) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(weir_waker_wake(newer) == 0);
        tell_rest(&told);
        assert(told.reads[NEWER] == 1 && told.timeouts[NEWER] == 0);
        assert(told.timeouts[OLDER] <= 1 && told.reads[OLDER] == 0);
        weir_waker_destroy(newer);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, takes, replaces)
