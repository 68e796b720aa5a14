/* SPDX-License-Identifier: MIT */

/*
 * The end of a waker against a wait and a hand-out. No event of it comes after the return, none under the token of the
 * waker made in its place, and that of another waker beside it in the queue is not lost.
 * Threads: one waits and takes; one wakes, destroys and makes anew.
 */

#include "library.h"

/* None is 0, which is what the slot of a waker that is free may hold. */
enum {
        OLDER = 1,
        NEWER,
        OTHER,
};

static struct weir_waker *wakers[4];
static _Atomic(int) gone;
static unsigned taken; /* of the other */

static void set_up(void) {
        taken = 0;
        atomic_store_explicit(&gone, 0, memory_order_relaxed);
        open_poll();
        assert(weir_waker_create(registry, OLDER, &wakers[OLDER]) == 0);
        assert(weir_waker_create(registry, OTHER, &wakers[OTHER]) == 0);
        assert(weir_waker_wake(wakers[OTHER]) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) <= 0)
                return NULL;
        for (;;) {
                /* acquire: the token may not come to a hand-out that begins after the return */
                bool late = atomic_load_explicit(&gone, memory_order_acquire);

                if (!weir_events_next(events, &event))
                        return NULL;
                assert(event.token == OTHER || (event.token == OLDER && !late));
                taken += event.token == OTHER;
        }
}

static void *replaces(void *unused) {
        (void)unused;
        assert(weir_waker_wake(wakers[OLDER]) == 0);
        weir_waker_destroy(wakers[OLDER]);
        atomic_store_explicit(&gone, 1, memory_order_release);
        assert(weir_waker_create(registry, NEWER, &wakers[NEWER]) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(taken + take_rest(OTHER) == 1);
        weir_waker_destroy(wakers[NEWER]);
        weir_waker_destroy(wakers[OTHER]);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, replaces)
