/* SPDX-License-Identifier: MIT */

/*
 * A trigger beside the wait that takes the one before. The slot is linked in the queue again, or still.
 * Threads: one waits and takes; one triggers.
 */

#include "library.h"

#include "timed.h"

static struct told told;

static void set_up(void) {
        told_reset(&told);
        open_poll();
        assert(weir_register(registry, 0, OLDER, WEIR_READABLE) == 0);
        assert(weir_trigger(registry, 0) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        while (weir_events_next(events, &event))
                tell(&told, &event);
        return NULL;
}

static void *triggers(void *unused) {
        (void)unused;
        assert(weir_trigger(registry, 0) == 0);
        return NULL;
}

static void tear_down(void) {
        tell_rest(&told);
        assert(told.triggers[OLDER] == 1 || told.triggers[OLDER] == 2);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, triggers)
