/* SPDX-License-Identifier: MIT */

/*
 * Two triggers against a wait that is about to sleep, and a hand-out. Each is seen by the taker of some event, with what was
 * written before it.
 * Threads: one waits until both are seen; two trigger.
 */

#include "library.h"

#include "timed.h"

static bool seen[2];
static _Atomic(int) written[2];

static void set_up(void) {
        for (unsigned i = 0; i < 2; ++i) {
                seen[i] = false;
                atomic_store_explicit(&written[i], 0, memory_order_relaxed);
        }
        open_poll();
        assert(weir_register(registry, 0, OLDER, MODE | WEIR_READABLE) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        while (!(seen[0] && seen[1])) {
                assert(weir_poll_wait(poll, events, NULL) == 1);
                while (weir_events_next(events, &event)) {
                        assert(weir_event_is_triggered(&event));
                        for (unsigned i = 0; i < 2; ++i)
                                /* relaxed: the trigger orders it */
                                if (atomic_load_explicit(&written[i], memory_order_relaxed))
                                        seen[i] = true;
                        if (MODE & WEIR_ONESHOT)
                                assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
                }
        }
        return NULL;
}

static void *triggers_one(void *unused) {
        (void)unused;
        atomic_store_explicit(&written[0], 1, memory_order_relaxed);
        assert(weir_trigger(registry, 0) == 0);
        return NULL;
}

static void *triggers_other(void *unused) {
        (void)unused;
        atomic_store_explicit(&written[1], 1, memory_order_relaxed);
        assert(weir_trigger(registry, 0) == 0);
        return NULL;
}

static void tear_down(void) {
        end_wait(false);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, triggers_one, triggers_other)
