/* SPDX-License-Identifier: MIT */
/*
 * The yield points of a library built with WEIR_YIELD_POINTS: now and then one of them lets another thread run, so
 * that a few instructions that are rarely interrupted are interrupted often. Which ones is drawn from a seed for each
 * thread.
 */
#include "yield.h"

#include <sched.h>

#include "sys.h"

/* One point in so many yields; a few of those for longer, so that several threads come in between. */
#define ONE_IN  8
#define LONG_IN 16
#define LONG    12

static _Thread_local uint64_t state = 1;

void yield_seed(uint64_t seed) {
        state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

void yield_here(void) {
        unsigned drawn, turns = 1;

        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        drawn = (unsigned)(state >> 33);
        if (drawn % ONE_IN)
                return;
        if (drawn / ONE_IN % LONG_IN == 0)
                turns = LONG;
        while (turns--)
                sched_yield();
}

void weir_sys_yield(void) {
        yield_here();
}
