/* SPDX-License-Identifier: MIT */

/*
 * Registering against a wait that is about to sleep. The event comes, even when it is fetched before the slot has the
 * registration, and what was written before the call is seen.
 * Threads: one waits until it takes the event; one registers.
 */

#include "library.h"

/* Edge-triggered, unless the build asks for another mode. */
#ifndef MODE
#define MODE 0
#endif

static struct payload payload;

static void set_up(void) {
        payload.value = 0;
        open_poll();
        model_ready(0, EPOLLIN);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        assert(weir_poll_wait(poll, events, NULL) > 0);
        assert(weir_events_next(events, &event));
        assert(payload_of(&event) == &payload && payload.value == 1);
        return NULL;
}

static void *registers(void *unused) {
        (void)unused;
        payload.value = 1;
        assert(weir_register(registry, 0, weir_ptr_token(&payload), MODE | WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        end_wait(false);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, registers)
