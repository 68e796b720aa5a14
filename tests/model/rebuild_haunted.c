/* SPDX-License-Identifier: MIT */

/*
 * The move to a new set against a call that changes a registration beside a ghost of its number. Whether that is moved before or
 * after, it ends in the new set as it was changed.
 * Threads: one moves all registrations; one reregisters.
 */

#define MODEL_BEHIND 2
#define MODEL_SETS   2

#include "library.h"

#define OTHER 1

static void set_up(void) {
        open_poll();
        assert(weir_register(registry, 0, 1, WEIR_READABLE) == 0);
        model_lead(0, OTHER);
        assert(weir_register(registry, 0, 2, WEIR_READABLE) == 0);
}

static void *moves(void *unused) {
        (void)unused;
        assert(weir_sets_rebuild(registry, WEIR_FOREVER));
        return NULL;
}

static void *reregisters(void *unused) {
        (void)unused;
        assert(weir_reregister(registry, 0, 3, WEIR_WRITABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        struct weir_event event;

        assert(take_rest(0) == 0);
        model_ready_behind(0, OTHER, EPOLLIN | EPOLLOUT);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        assert(weir_events_next(events, &event));
        assert(event.token == 3 && event.readiness == EPOLLOUT);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, moves, reregisters)
