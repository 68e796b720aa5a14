/* SPDX-License-Identifier: MIT */

/*
 * The end of a registration whose deadline has passed, and another one of its number, with one of its own. Nothing of the older
 * comes after the return, the newer one's comes, once, and nothing comes early or under the other's token.
 * Threads: one takes from a batch; one deregisters, registers anew, and sets.
 */

#include "library.h"

#include "timed.h"

static _Atomic(int) gone;
static struct told told;

static void set_up(void) {
        told_reset(&told);
        atomic_store_explicit(&gone, 0, memory_order_relaxed);
        open_poll();
        assert(weir_register(registry, 0, OLDER, MODE | WEIR_READABLE) == 0);
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
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
                assert(event.token == OLDER && !late);
                tell(&told, &event);
        }
}

static void *replaces(void *unused) {
        (void)unused;
#ifdef REUSED
        model_reuse(0, 0);
#else
        assert(weir_deregister(registry, 0) == 0);
#endif
        assert(weir_register(registry, 0, NEWER, MODE | WEIR_READABLE) == 0);
        atomic_store_explicit(&gone, 1, memory_order_release);
        assert(weir_set_deadline(registry, 0, 4 * MS) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(told.timeouts[OLDER] <= 1);
        model_set_time(4 * MS - 1);
        tell_rest(&told);
        assert(told.timeouts[NEWER] == 0);
        model_set_time(4 * MS);
        tell_rest(&told);
        tell_rest(&told);
        assert(told.timeouts[OLDER] <= 1 && told.timeouts[NEWER] == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, takes, replaces)
