/* SPDX-License-Identifier: MIT */

/*
 * The move to a new set against the hand-out of a timeout and a trigger, and another deadline. Each comes, once.
 * Threads: one moves all registrations; one takes from a batch, and sets.
 */

#define MODEL_SETS 2

#include "library.h"

#include "timed.h"

static struct told told;

static void set_up(void) {
        told_reset(&told);
        open_poll();
        assert(weir_register(registry, 0, OLDER, WEIR_READABLE) == 0);
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
        assert(weir_trigger(registry, 0) == 0);
        model_set_time(2 * MS);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
}

static void *moves(void *unused) {
        (void)unused;
        assert(weir_sets_rebuild(registry, WEIR_FOREVER));
        return NULL;
}

static void *takes(void *unused) {
        struct weir_event event;

        (void)unused;
        while (weir_events_next(events, &event))
                tell(&told, &event);
        assert(weir_set_deadline(registry, 0, 2 * MS) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(told.timeouts[OLDER] == 1 && told.triggers[OLDER] == 1);
        tell_rest(&told);
        assert(told.timeouts[OLDER] == 2 && told.triggers[OLDER] == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, moves, takes)
