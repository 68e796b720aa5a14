/* SPDX-License-Identifier: MIT */

/*
 * What was written before a deadline was set is seen by whoever takes its event, also when that was fetched for an older one: the
 * entry is in a batch, and the moment is all that tells.
 * Threads: one takes; one writes and sets.
 */

#include "library.h"

#include "timed.h"

static int letter; /* plain, so that the checker reports a reading that nothing orders */

static void set_up(void) {
        letter = 0;
        open_poll();
        assert(weir_register(registry, 0, OLDER, WEIR_READABLE) == 0);
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
        model_set_time(2 * MS);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        assert(weir_set_deadline(registry, 0, 9 * MS) == 0);
}

static void *takes(void *unused) {
        struct weir_event event;

        (void)unused;
        while (weir_events_next(events, &event))
                assert(weir_event_is_timeout(&event) && letter == 1);
        return NULL;
}

static void *sets(void *unused) {
        (void)unused;
        letter = 1;
        assert(weir_set_deadline(registry, 0, 2 * MS) == 0);
        return NULL;
}

static void tear_down(void) {
        close_poll();
}

MODEL_MAIN(set_up, tear_down, takes, sets)
