/* SPDX-License-Identifier: MIT */

/*
 * Defer against the lock of the list. It leaves the lock as it is, and none that waits for it is left asleep.
 * Threads: two look at the epoch; one defers. A batch is open.
 */

#define MODEL_FUTEX(poll) (&(poll)->core.life->unlocks)

#include "library.h"
#include "withdrawn.h"

static void set_up(void) {
        open_poll();
        publish();
        weir_events_attach(events, registry);
        weir_events_open(events, 0);
}

static void *looks(void *unused) {
        (void)unused;
        assert(weir_epoch_now(registry) == 1);
        return NULL;
}

static void tear_down(void) {
        model_check_futex();
        assert(withdrawn.value == 7);
        weir_events_clear(events);
        assert_ended();
        close_poll();
}

MODEL_MAIN(set_up, tear_down, looks, looks, withdraws)
