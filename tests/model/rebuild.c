/* SPDX-License-Identifier: MIT */

/*
 * The cure of a level-triggered ghost against a registration that another thread makes. Whether that is done before, after or
 * while the registrations move, it ends in the set that is then in use, and its event comes. A wait without a timeout has no
 * patience for the other call, and leaves the cure to a later one.
 * Threads: one waits, and moves to a new set; one registers.
 */

#define WEIR_FIRST_SEGMENT_SHIFT 0
#define MODEL_FILES              2
#define MODEL_BEHIND             2
#define MODEL_SETS               3

#include "library.h"

#define TOKEN 7

static unsigned taken;

static void set_up(void) {
        taken = 0;
        open_poll();
        model_ready(0, EPOLLIN);
        model_ready(1, EPOLLIN);
        assert(weir_register(registry, 1, 1, WEIR_READABLE | WEIR_LEVEL) == 0);
        model_lead(1, 1);
        assert(weir_deregister(registry, 1) == 0);
        assert(weir_poll_wait(poll, events, &at_once) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) > 0)
                while (weir_events_next(events, &event)) {
                        assert(event.token == TOKEN);
                        ++taken;
                }
        return NULL;
}

static void *registers(void *unused) {
        (void)unused;
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        /* It may be fetched from the older set, and again from the new one. */
        taken += take_rest(TOKEN);
        model_set_time(NS_PER_S);
        taken += take_rest(TOKEN);
        taken += take_rest(TOKEN);
        assert(taken == 1 || taken == 2);
        assert(atomic_load_explicit(&registry->rebuilds, memory_order_relaxed) == 1);
        assert(weir_deregister(registry, 0) == 0);
        assert(take_rest(0) == 0);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, registers)
