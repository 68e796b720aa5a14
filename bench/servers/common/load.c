/* SPDX-License-Identifier: MIT */

/* Work is a loop that is counted, not timed: see load.h. */

#include "load.h"

#include <stdint.h>
#include <time.h>

#define SAMPLES       31
#define SAMPLE_ROUNDS 20000

static struct load the_load;
static double rounds_per_us;

static void compute(uint64_t rounds) {
        for (uint64_t i = 0; i < rounds; ++i)
                __asm__ volatile("" : "+r"(i) : : "memory");
}

static double cpu_us(void) {
        struct timespec now;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* The fastest of some samples is the one that nothing disturbed. */
void load_set(const struct load *load) {
        the_load = *load;
        if (!load->work && !load->rare)
                return;
        for (unsigned i = 0; i < SAMPLES; ++i) {
                double begin = cpu_us(), rounds;

                compute(SAMPLE_ROUNDS);
                rounds = SAMPLE_ROUNDS / (cpu_us() - begin);
                if (rounds > rounds_per_us)
                        rounds_per_us = rounds;
        }
}

/* One in a hundred, by a generator of each thread. */
static int is_rare(void) {
        static _Thread_local uint32_t state;

        if (!state)
                state = (uint32_t)(uintptr_t)&state | 1;
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        return state % 100 == 0;
}

void load_bear(void) {
        unsigned long us = the_load.work;

        if (the_load.rare && is_rare())
                us += the_load.rare;
        if (us)
                compute((uint64_t)((double)us * rounds_per_us));
        if (the_load.sleep) {
                const struct timespec time = { (time_t)(the_load.sleep / 1000000),
                                               (long)(the_load.sleep % 1000000 * 1000) };

                nanosleep(&time, 0);
        }
}
