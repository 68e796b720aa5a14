/* SPDX-License-Identifier: MIT */

/*
 * A place that comes up for a deadline which was moved later, against a set to a moment in between. That comes, once.
 * Threads: one waits, which puts the number back; one sets it.
 */

#include "library.h"

#include "timed.h"

static struct told told;

static void set_up(void) {
        told_reset(&told);
        open_poll();
        assert(weir_register(registry, 0, OLDER, WEIR_READABLE) == 0);
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
        assert(weir_set_deadline(registry, 0, 9 * MS) == 0);
        model_set_time(2 * MS);
}

static void *waits(void *unused) {
        (void)unused;
        assert(weir_poll_wait(poll, events, &at_once) == 0);
        return NULL;
}

static void *sets_earlier(void *unused) {
        (void)unused;
        assert(weir_set_deadline(registry, 0, 4 * MS) == 0);
        return NULL;
}

static void tear_down(void) {
        model_set_time(4 * MS - 1);
        tell_rest(&told);
        assert(told.timeouts[OLDER] == 0);
        model_set_time(4 * MS);
        tell_rest(&told);
        assert(told.timeouts[OLDER] == 1);
        model_set_time(9 * MS);
        tell_rest(&told);
        assert(told.timeouts[OLDER] == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, sets_earlier)
