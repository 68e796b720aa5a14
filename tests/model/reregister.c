/* SPDX-License-Identifier: MIT */

/*
 * Reregister against a fetch and a hand-out. After the return neither the old token nor the interest withdrawn comes;
 * the readiness asked for comes, for reregister looks afresh.
 * Threads: one waits and takes; one reregisters.
 */

#include "library.h"

static struct payload older, newer;
static _Atomic(int) replaced;
static unsigned taken; /* of the newer */

static void set_up(void) {
        older.value = 1;
        newer.value = 0;
        taken = 0;
        atomic_store_explicit(&replaced, 0, memory_order_relaxed);
        open_poll();
        model_ready(0, EPOLLIN | EPOLLOUT);
        assert(weir_register(registry, 0, weir_ptr_token(&older), WEIR_READABLE) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) <= 0)
                return NULL;
        for (;;) {
                /* acquire: the old token may not come to a hand-out that begins after the return */
                bool late = atomic_load_explicit(&replaced, memory_order_acquire);

                if (!weir_events_next(events, &event))
                        return NULL;
                if (payload_of(&event) == &older)
                        assert(!late && older.value == 1 && event.readiness == EPOLLIN);
                else {
                        assert(payload_of(&event) == &newer && newer.value == 2 && event.readiness == EPOLLOUT);
                        ++taken;
                }
        }
}

static void *reregisters(void *unused) {
        (void)unused;
        newer.value = 2;
        assert(weir_reregister(registry, 0, weir_ptr_token(&newer), WEIR_WRITABLE) == 0);
        atomic_store_explicit(&replaced, 1, memory_order_release);
        return NULL;
}

static void tear_down(void) {
        assert(taken + take_rest(weir_ptr_token(&newer)) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, reregisters)
