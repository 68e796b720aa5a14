/* SPDX-License-Identifier: MIT */

/*
 * Reregistering against a wait that is about to sleep. The event of the new interest comes, even when it is fetched before the
 * slot has the registration, once, and what was written before the call is seen.
 * Threads: one waits until it takes the event; one reregisters.
 */

#include "library.h"

/* Edge-triggered, unless the build asks for another mode. */
#ifndef MODE
#define MODE 0
#endif

static struct payload older, newer;

static void set_up(void) {
        older.value = newer.value = 0;
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, weir_ptr_token(&older), MODE | WEIR_WRITABLE) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        assert(weir_poll_wait(poll, events, NULL) == 1);
        assert(weir_events_next(events, &event));
        assert(payload_of(&event) == &newer && newer.value == 1 && event.readiness == EPOLLIN);
        assert(!weir_events_next(events, &event));
        return NULL;
}

static void *reregisters(void *unused) {
        (void)unused;
        newer.value = 1;
        assert(weir_reregister(registry, 0, weir_ptr_token(&newer), MODE | WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        end_wait(false);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, reregisters)
