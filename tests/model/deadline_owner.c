/* SPDX-License-Identifier: MIT */

/*
 * A deadline that passes while its one-shot is owned, against the owner that sets a new one and gives it back. Nothing comes of
 * the old one, and the new one comes at its moment.
 * Threads: one waits and takes; one sets and rearms.
 */

#include "library.h"

#define MODE WEIR_ONESHOT
#include "timed.h"

static struct told told;

static void set_up(void) {
        told_reset(&told);
        open_poll();
        assert(weir_register(registry, 0, OLDER, MODE | WEIR_READABLE | WEIR_HELD) == 0);
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
        model_set_time(2 * MS);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) > 0)
                assert(!weir_events_next(events, &event));
        return NULL;
}

static void *gives_back(void *unused) {
        (void)unused;
        assert(weir_set_deadline(registry, 0, 4 * MS) == 0);
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        model_set_time(4 * MS - 1);
        tell_rest(&told);
        assert(told.timeouts[OLDER] == 0);
        model_set_time(4 * MS);
        tell_rest(&told);
        assert(told.timeouts[OLDER] == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, gives_back)
