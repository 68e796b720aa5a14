/* SPDX-License-Identifier: MIT */

/*
 * Reregister with the token as it was, against a fetch and a hand-out. After the return the interest withdrawn does not
 * come; the readiness asked for comes once.
 * Threads: one waits and takes; one reregisters.
 */

#include "library.h"

/* Edge-triggered, unless the build asks for another mode. */
#ifndef MODE
#define MODE 0
#endif

static struct payload same;
static _Atomic(int) replaced;
static unsigned taken; /* of the interest asked for */

static void set_up(void) {
        same.value = 1;
        taken = 0;
        atomic_store_explicit(&replaced, 0, memory_order_relaxed);
        open_poll();
        model_ready(0, EPOLLIN | EPOLLOUT);
        assert(weir_register(registry, 0, weir_ptr_token(&same), MODE | WEIR_READABLE) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) <= 0)
                return NULL;
        for (;;) {
                /* acquire: the interest withdrawn may not come to a hand-out that begins after the return */
                bool late = atomic_load_explicit(&replaced, memory_order_acquire);

                if (!weir_events_next(events, &event))
                        return NULL;
                assert(payload_of(&event) == &same && same.value == 1);
                if (event.readiness == EPOLLIN)
                        assert(!late);
                else {
                        assert(event.readiness == EPOLLOUT);
                        ++taken;
                }
        }
}

static void *reregisters(void *unused) {
        (void)unused;
        assert(weir_reregister(registry, 0, weir_ptr_token(&same), MODE | WEIR_WRITABLE) == 0);
        atomic_store_explicit(&replaced, 1, memory_order_release);
        return NULL;
}

static void tear_down(void) {
        assert(taken + take_rest(weir_ptr_token(&same)) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, reregisters)
