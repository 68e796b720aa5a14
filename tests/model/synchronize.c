/* SPDX-License-Identifier: MIT */

/*
 * Synchronize against the opening and closing of batches. It returns after every batch that may use the thing was
 * closed, and is not left asleep.
 * Threads: one opens and closes two batches; one withdraws a thing, synchronizes and ends it.
 */

#define MODEL_FUTEX(poll) (&(poll)->core.life->closed)

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

static void *synchronizes(void *unused) {
        (void)unused;
        withdraw();
        assert(weir_synchronize(registry) == 0);
        end_thing(&withdrawn.deferred);
        return NULL;
}

static void tear_down(void) {
        if (!model_check_futex())
                assert_ended();
        close_poll();
}

MODEL_MAIN(set_up, tear_down, reads, synchronizes)
