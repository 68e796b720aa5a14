/* SPDX-License-Identifier: MIT */

/*
 * A trigger of a one-shot that is owned, and given back. It comes after the rearm, once, and who takes it sees what was written
 * before it: no queue stands between the two.
 * Threads: one gives the one-shot back, waits and takes; one writes and triggers.
 */

#include "library.h"

#define MODE WEIR_ONESHOT
#include "timed.h"

static int letter; /* plain, so that the checker reports a reading that nothing orders */
static struct told told;

static void set_up(void) {
        letter = 0;
        told_reset(&told);
        open_poll();
        assert(weir_register(registry, 0, OLDER, MODE | WEIR_READABLE | WEIR_HELD) == 0);
}

static void *gives_back(void *unused) {
        struct weir_event event;

        (void)unused;
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        weir_poll_wait(poll, events, &at_once);
        while (weir_events_next(events, &event)) {
                assert(letter == 1);
                tell(&told, &event);
        }
        return NULL;
}

static void *triggers(void *unused) {
        (void)unused;
        letter = 1;
        assert(weir_trigger(registry, 0) == 0);
        return NULL;
}

static void tear_down(void) {
        tell_rest(&told);
        assert(told.triggers[OLDER] == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, gives_back, triggers)
