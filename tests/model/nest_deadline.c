/* SPDX-License-Identifier: MIT */

/*
 * A poll is nested while a deadline is set. When that has passed, the outer set is told.
 * Threads: one sets; one nests the poll.
 */

#define MODEL_SETS 2
#include "library.h"

#include "timed.h"

static struct told told;

static void set_up(void) {
        told_reset(&told);
        open_poll();
        assert(weir_register(registry, 0, OLDER, WEIR_READABLE) == 0);
}

static void *sets(void *unused) {
        (void)unused;
        assert(weir_set_deadline(registry, 0, 3 * MS) == 0);
        return NULL;
}

static void *nests(void *unused) {
        (void)unused;
        assert(weir_poll_fd(poll) >= 0);
        return NULL;
}

static void tear_down(void) {
        tell_rest(&told);
        assert(told.timeouts[OLDER] == 0 && !model_outer_is_told());
        model_set_time(3 * MS);
        assert(model_outer_is_told());
        tell_rest(&told);
        assert(told.timeouts[OLDER] == 1 && !model_outer_is_told());
        close_poll();
}

MODEL_MAIN(set_up, tear_down, sets, nests)
