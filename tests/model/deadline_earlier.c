/* SPDX-License-Identifier: MIT */

/*
 * Earlier deadlines against a wait that is about to sleep until a later one. Either it sleeps until the earliest, or it is
 * woken.
 * Threads: one waits for ever; one sets two deadlines.
 */

#define MODEL_CLOCK_STANDS
#define MODEL_FILES 2
#include "library.h"

#include "timed.h"

static void set_up(void) {
        open_poll();
        assert(weir_register(registry, 0, OLDER, WEIR_READABLE) == 0);
        assert(weir_register(registry, 1, NEWER, WEIR_READABLE) == 0);
        assert(weir_set_deadline(registry, 0, 19 * MS) == 0);
        assert(weir_set_deadline(registry, 1, 19 * MS) == 0);
        /* What was pushed for these is taken. */
        assert(weir_poll_wait(poll, events, &at_once) == 0);
}

static void *waits(void *unused) {
        (void)unused;
        (void)weir_poll_wait(poll, events, NULL);
        assert(false);
        return NULL;
}

static void *sets(void *unused) {
        (void)unused;
        assert(weir_set_deadline(registry, 0, 7 * MS) == 0);
        assert(weir_set_deadline(registry, 1, 5 * MS) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(model_slept());
        end_wait(model_slept_until() <= 5 * MS);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, sets)
