/* SPDX-License-Identifier: MIT */

/*
 * The small lock. Whoever gets it sees what the former holder did, and neither thread is left asleep.
 * Threads: two that lock it, change what it guards, and unlock it.
 */

#define MODEL_FUTEX(poll) (&(poll)->core.life->unlocks)

#include "library.h"

static int guarded;

static void set_up(void) {
        guarded = 0;
        open_poll();
}

static void *changes(void *unused) {
        (void)unused;
        assert(weir_lock(registry->life, &registry->nest_lock));
        ++guarded;
        weir_unlock(registry->life, &registry->nest_lock);
        return NULL;
}

static void tear_down(void) {
        if (!model_check_futex())
                assert(guarded == 2);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, changes, changes)
