/* SPDX-License-Identifier: MIT */

/*
 * A batch that is closed unread against a reregister. What was not read comes again, under the token that holds then.
 * Threads: one closes the batch unread, and waits; one reregisters.
 */

#include "library.h"

/* Edge-triggered, unless the build asks for another mode. */
#ifndef MODE
#define MODE 0
#endif

static struct payload older, newer;
static unsigned taken;

static void set_up(void) {
        older.value = 1;
        newer.value = 0;
        taken = 0;
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, weir_ptr_token(&older), MODE | WEIR_READABLE) == 0);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
}

static void *waits(void *unused) {
        (void)unused;
        weir_events_clear(events);
        assert(weir_poll_wait(poll, events, &at_once) >= 0);
        return NULL;
}

static void *reregisters(void *unused) {
        (void)unused;
        newer.value = 2;
        assert(weir_reregister(registry, 0, weir_ptr_token(&newer), MODE | WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        struct weir_event event;

        while (weir_events_next(events, &event)) {
                assert(payload_of(&event)->value == (payload_of(&event) == &older ? 1 : 2));
                ++taken;
        }
        taken += take_rest(weir_ptr_token(&newer));
        /* reregister looks afresh: an edge that was handed out before comes once more. */
        assert(taken == 1 || taken == 2);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, reregisters)
