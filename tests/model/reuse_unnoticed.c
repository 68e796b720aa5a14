/* SPDX-License-Identifier: MIT */

/*
 * A number that is closed without deregister, reused, and registered again, against a fetch and a hand-out: nothing of
 * the old registration comes under the new token.
 * Threads: one waits and takes; one reuses and registers.
 */

#include "library.h"

static struct payload older, newer;
static _Atomic(int) begun;
static unsigned taken; /* of the newer */

static void set_up(void) {
        older.value = 1;
        newer.value = 0;
        taken = 0;
        atomic_store_explicit(&begun, 0, memory_order_relaxed);
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, weir_ptr_token(&older), WEIR_READABLE) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) <= 0)
                return NULL;
        for (;;) {
                /* acquire: the old token may not come to a hand-out that begins after register returned */
                bool late = atomic_load_explicit(&begun, memory_order_acquire);

                if (!weir_events_next(events, &event))
                        return NULL;
                if (event.readiness == EPOLLIN)
                        assert(payload_of(&event) == &older && older.value == 1 && !late);
                else {
                        assert(payload_of(&event) == &newer && newer.value == 2);
                        ++taken;
                }
        }
}

static void *replaces(void *unused) {
        (void)unused;
        model_reuse(0, EPOLLOUT);
        newer.value = 2;
        assert(weir_register(registry, 0, weir_ptr_token(&newer), WEIR_WRITABLE) == 0);
        atomic_store_explicit(&begun, 1, memory_order_release);
        return NULL;
}

static void tear_down(void) {
        assert(taken + take_rest(weir_ptr_token(&newer)) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, replaces)
