/* SPDX-License-Identifier: MIT */

/*
 * The first deadlines of all, of two numbers. Room is made for each number once, and both come.
 * Threads: one sets the deadline of one number, one that of the other.
 */

#define MODEL_FILES 2
#include "library.h"

#include "timed.h"

static struct told told;

static void set_up(void) {
        told_reset(&told);
        open_poll();
        assert(weir_register(registry, 0, OLDER, WEIR_READABLE) == 0);
        assert(weir_register(registry, 1, NEWER, WEIR_READABLE) == 0);
        model_set_time(2 * MS);
}

static void *sets(void *unused) {
        (void)unused;
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
        return NULL;
}

static void *sets_other(void *unused) {
        (void)unused;
        assert(weir_set_deadline(registry, 1, 1 * MS) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(registry->deadlines.counted == 2 && registry->deadlines.count == 2);
        tell_rest(&told);
        assert(told.timeouts[OLDER] == 1 && told.timeouts[NEWER] == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, sets, sets_other)
