/* SPDX-License-Identifier: MIT */

/*
 * A timeout, a trigger and readiness of a one-shot, in two batches that two threads read. One of them owns it; what the other one
 * has met comes after the rearm; each comes once.
 * Threads: one takes from one batch, the other from the other one.
 */

#include "library.h"

#define MODE WEIR_ONESHOT
#include "timed.h"

static struct weir_events *later;
static struct told told[2];
static int owner; /* plain, so that the checker reports two */

static void set_up(void) {
        told_reset(&told[0]);
        told_reset(&told[1]);
        owner = 0;
        open_poll();
        assert(weir_events_create(MODEL_CAPACITY, &later) == 0);
        assert(weir_register(registry, 0, OLDER, MODE | WEIR_READABLE) == 0);
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
        model_set_time(2 * MS);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        model_ready(0, EPOLLIN);
        assert(weir_poll_wait(poll, later, &at_once) == 1);
        assert(weir_trigger(registry, 0) == 0);
}

static void take_from(struct weir_events *from, struct told *mine) {
        struct weir_event event;

        while (weir_events_next(from, &event)) {
                ++owner;
                tell(mine, &event);
        }
}

static void *takes(void *unused) {
        (void)unused;
        take_from(events, &told[0]);
        return NULL;
}

static void *takes_too(void *unused) {
        (void)unused;
        take_from(later, &told[1]);
        return NULL;
}

static void tear_down(void) {
        unsigned timeouts = 0, reads = 0, words = 0;

        assert(owner <= 1);
        weir_events_destroy(later);
        for (unsigned i = 0; i < 3; ++i)
                tell_rest(&told[0]);
        for (unsigned i = 0; i < 2; ++i) {
                timeouts += told[i].timeouts[OLDER];
                reads += told[i].reads[OLDER];
                words += told[i].triggers[OLDER];
        }
        assert(timeouts == 1 && words == 1 && reads >= 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, takes, takes_too)
