/* SPDX-License-Identifier: MIT */

/*
 * Synchronize against guards. It returns after every guard that may use the thing was left, and is not left asleep.
 * Threads: one enters and leaves, twice; one withdraws a thing, synchronizes and ends it.
 */

#define MODEL_FUTEX(poll) (&(poll)->core.life->closed)

#include "library.h"
#include "withdrawn.h"

static struct weir_guard *guard;

static void set_up(void) {
        open_poll();
        publish();
        open_guard(&guard);
}

static void *enters(void *unused) {
        (void)unused;
        for (unsigned i = 0; i < 2; ++i) {
                assert(weir_guard_enter(guard) == 0);
                if (atomic_load_explicit(&published, memory_order_relaxed))
                        assert(withdrawn.value == 7);
                weir_guard_leave(guard);
        }
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
        weir_guard_destroy(guard);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, enters, synchronizes)
