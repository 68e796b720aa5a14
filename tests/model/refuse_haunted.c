/* SPDX-License-Identifier: MIT */

/*
 * A hand-out of a one-shot against a register that is refused beside a ghost of the number, for which a turn begins. Before or
 * after that, the event is handed out, once.
 * Threads: one takes the event; one registers the number again.
 */

#define MODEL_BEHIND 2

#include "library.h"

#define OTHER 1

static unsigned taken;

static void set_up(void) {
        taken = 0;
        open_poll();
        assert(weir_register(registry, 0, 1, WEIR_READABLE) == 0);
        model_lead(0, OTHER);
        assert(weir_register(registry, 0, 2, WEIR_READABLE | WEIR_ONESHOT) == 0);
        model_ready_behind(0, OTHER, EPOLLIN);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
}

static void *takes(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_events_next(events, &event)) {
                assert(event.token == 2 && event.readiness == EPOLLIN);
                ++taken;
        }
        return NULL;
}

static void *registers(void *unused) {
        (void)unused;
        assert(weir_register(registry, 0, 3, WEIR_READABLE) == -EEXIST);
        return NULL;
}

static void tear_down(void) {
        assert(taken + take_rest(2) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, takes, registers)
