/* SPDX-License-Identifier: MIT */

/*
 * A trigger against the end of a registration and another one of its number. It is of the one or of the other, and nothing of the
 * older comes after the return.
 * Threads: one waits and takes; one deregisters and registers anew; one triggers.
 */

#include "library.h"

#include "timed.h"

static _Atomic(int) gone;
static struct told told;
static int result;

static void set_up(void) {
        told_reset(&told);
        atomic_store_explicit(&gone, 0, memory_order_relaxed);
        open_poll();
        assert(weir_register(registry, 0, OLDER, MODE | WEIR_READABLE) == 0);
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
                assert(event.token == NEWER || !late);
                tell(&told, &event);
        }
}

static void *replaces(void *unused) {
        (void)unused;
        assert(weir_deregister(registry, 0) == 0);
        atomic_store_explicit(&gone, 1, memory_order_release);
        assert(weir_register(registry, 0, NEWER, MODE | WEIR_READABLE) == 0);
        return NULL;
}

static void *triggers(void *unused) {
        (void)unused;
        result = weir_trigger(registry, 0);
        assert(result == 0 || result == -ENOENT);
        return NULL;
}

static void tear_down(void) {
        tell_rest(&told);
        assert(told.triggers[OLDER] + told.triggers[NEWER] <= (result == 0));
        assert(told.timeouts[OLDER] + told.timeouts[NEWER] == 0);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, replaces, triggers)
