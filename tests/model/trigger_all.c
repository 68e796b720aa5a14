/* SPDX-License-Identifier: MIT */

/*
 * A trigger of all against two registrations, in a segment that is made meanwhile. Each is triggered, or sees what was written
 * before.
 * Threads: one writes and triggers all; two register and look.
 */

#define WEIR_FIRST_SEGMENT_SHIFT 0
#define MODEL_FILES              4
#include "library.h"

#include "timed.h"

#ifdef ONE
#define FDS 2
#else
#define FDS 3
#endif

static _Atomic(int) ending;
static bool seen[3];

static void set_up(void) {
        seen[1] = seen[2] = false;
        atomic_store_explicit(&ending, 0, memory_order_relaxed);
        open_poll();
#ifdef BEFORE
        assert(weir_register(registry, BEFORE, OTHER, WEIR_READABLE) == 0);
#endif
}

static void *triggers(void *unused) {
        (void)unused;
        atomic_store_explicit(&ending, 1, memory_order_relaxed);
        assert(weir_trigger_all(registry) >= 0);
        return NULL;
}

static void register_and_look(int fd) {
        assert(weir_register(registry, fd, (weir_token)fd, WEIR_READABLE) == 0);
        /* relaxed: that is what is tried here */
        seen[fd] = atomic_load_explicit(&ending, memory_order_relaxed);
}

static void *registers_one(void *unused) {
        (void)unused;
        register_and_look(1);
        return NULL;
}

#ifndef ONE
static void *registers_other(void *unused) {
        (void)unused;
        register_and_look(2);
        return NULL;
}
#endif

static void tear_down(void) {
        struct told told;

        told_reset(&told);
        tell_rest(&told);
        for (unsigned fd = 1; fd < FDS; ++fd)
                assert(told.triggers[fd] == 1 || seen[fd]);
        close_poll();
}

#ifdef ONE
MODEL_MAIN(set_up, tear_down, triggers, registers_one)
#else
MODEL_MAIN(set_up, tear_down, triggers, registers_one, registers_other)
#endif
