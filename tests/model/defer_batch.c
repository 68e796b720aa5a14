/* SPDX-License-Identifier: MIT */

/*
 * Defer against the opening and closing of batches in one events object. A function waits for the batch that may use
 * what it frees, and runs once; one batch that is opened later does not hold it up, and sees that the thing is gone.
 * Threads: one opens and closes two batches; one withdraws a thing and defers its end.
 */

#include "library.h"
#include "withdrawn.h"

static void set_up(void) {
        open_poll();
        publish();
}

static void *reads(void *unused) {
        (void)unused;
        for (unsigned i = 0; i < 2; ++i)
                use_in_batch(events);
        return NULL;
}

static void tear_down(void) {
        assert_ended();
        close_poll();
}

MODEL_MAIN(set_up, tear_down, reads, withdraws)
