/* SPDX-License-Identifier: MIT */

/*
 * A one-shot whose deadline has passed is taken in hand by another thread, which gives it more time and gives it back. Of the two
 * one owns it at a time, and nothing comes of the old moment after that.
 * Threads: one waits and takes; one disarms, sets and rearms.
 */

#include "library.h"

#define MODE WEIR_ONESHOT
#include "timed.h"

static int owner; /* plain, so that the checker reports two */
static bool disarmed;
static struct told told;

static void set_up(void) {
        owner = 0;
        disarmed = false;
        told_reset(&told);
        open_poll();
        assert(weir_register(registry, 0, OLDER, MODE | WEIR_READABLE) == 0);
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
        model_set_time(2 * MS);
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) <= 0)
                return NULL;
        while (weir_events_next(events, &event)) {
                assert(owner == 0); /* it has passed, and nobody has given it more time */
                owner = 1;
                tell(&told, &event);
        }
        return NULL;
}

static void *gives_time(void *unused) {
        (void)unused;
        disarmed = weir_disarm(registry, 0);
        if (!disarmed)
                return NULL;
        assert(owner == 0);
        owner = 2;
        assert(weir_set_deadline(registry, 0, 4 * MS) == 0);
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(told.timeouts[OLDER] <= !disarmed);
        model_set_time(4 * MS);
        tell_rest(&told);
        assert(told.timeouts[OLDER] == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, gives_time)
