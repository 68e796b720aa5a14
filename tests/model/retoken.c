/* SPDX-License-Identifier: MIT */

/*
 * Retoken against a fetch and a hand-out. The one edge comes once, under the old token or the new; after the return the
 * old one does not come.
 * Threads: one waits, takes and closes; one retokens.
 */

#include "library.h"

/* Edge-triggered, unless the build asks for another mode. */
#ifndef MODE
#define MODE 0
#endif

static struct payload older, newer;
static _Atomic(int) replaced;
static unsigned taken;

static void set_up(void) {
        older.value = 1;
        newer.value = 0;
        taken = 0;
        atomic_store_explicit(&replaced, 0, memory_order_relaxed);
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, weir_ptr_token(&older), MODE | WEIR_READABLE) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) > 0)
                for (;;) {
                        /* acquire: the old token may not come to a hand-out that begins after the return */
                        bool late = atomic_load_explicit(&replaced, memory_order_acquire);

                        if (!weir_events_next(events, &event))
                                break;
                        if (payload_of(&event) == &older)
                                assert(!late && older.value == 1);
                        else
                                assert(payload_of(&event) == &newer && newer.value == 2);
                        ++taken;
                }
        weir_events_clear(events);
        return NULL;
}

static void *retokens(void *unused) {
        (void)unused;
        newer.value = 2;
        assert(weir_retoken(registry, 0, weir_ptr_token(&newer)) == 0);
        atomic_store_explicit(&replaced, 1, memory_order_release);
        return NULL;
}

static void tear_down(void) {
        assert(taken + take_rest(weir_ptr_token(&newer)) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, retokens)
