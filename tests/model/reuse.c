/* SPDX-License-Identifier: MIT */

/*
 * A number that is deregistered, closed, reused and registered again, against a fetch and a hand-out. No event of the
 * old registration comes after its end, none comes under the wrong token, and the new one's is not lost.
 * Threads: one waits and takes; one deregisters, reuses and registers.
 */

#include "library.h"

/* Edge-triggered, unless the build asks for another mode. */
#ifndef MODE
#define MODE 0
#endif

static struct payload older, newer;
static _Atomic(int) gone;
static unsigned taken; /* of the newer */

static void set_up(void) {
        older.value = 1;
        newer.value = 0;
        taken = 0;
        atomic_store_explicit(&gone, 0, memory_order_relaxed);
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, weir_ptr_token(&older), MODE | WEIR_READABLE) == 0);
}

static bool take(void) {
        struct weir_event event;
        /* acquire: a hand-out that begins after this saw the mark is one that begins after deregister returned */
        bool ended = atomic_load_explicit(&gone, memory_order_acquire);

        if (!weir_events_next(events, &event))
                return false;
        if (payload_of(&event) == &older)
                assert(!ended && older.value == 1);
        else {
                assert(payload_of(&event) == &newer && newer.value == 2);
                assert(event.readiness == EPOLLOUT); /* which the file is that has the number now */
                ++taken;
        }
        return true;
}

static void *waits(void *unused) {
        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) > 0)
                while (take())
                        ;
        return NULL;
}

static void *replaces(void *unused) {
        (void)unused;
        assert(weir_deregister(registry, 0) == 0);
        atomic_store_explicit(&gone, 1, memory_order_release);
        model_reuse(0, EPOLLOUT);
        newer.value = 2;
        assert(weir_register(registry, 0, weir_ptr_token(&newer), MODE | WEIR_READABLE | WEIR_WRITABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(taken + take_rest(weir_ptr_token(&newer)) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, replaces)
