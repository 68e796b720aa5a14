/* SPDX-License-Identifier: MIT */

/*
 * The opening and closing of two batches, of two events objects, at the same time. The list is whole when both have ended,
 * and neither is left asleep on its lock.
 * Threads: each opens and closes a batch of its own.
 */

#define MODEL_FUTEX(poll) (&(poll)->core.life->unlocks)

#include "library.h"
#include "withdrawn.h"

static struct weir_events *others;

static void set_up(void) {
        open_poll();
        publish();
        assert(weir_events_create(MODEL_CAPACITY, &others) == 0);
        weir_events_attach(others, registry);
}

static void *reads_others(void *unused) {
        (void)unused;
        use_in_batch(others);
        return NULL;
}

static void tear_down(void) {
        if (!model_check_futex())
                assert(weir_epoch_passed(registry, weir_epoch_now(registry)));
        weir_events_destroy(others);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, reads_once, reads_others)
