/* SPDX-License-Identifier: MIT */

/* Work is a loop that is counted, not timed: see load.h. */

#include "load.h"

#include <stdint.h>
#include <stdlib.h>
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
double load_rate(void) {
        double fastest = 0;

        for (unsigned i = 0; i < SAMPLES; ++i) {
                double begin = cpu_us(), rate;

                compute(SAMPLE_ROUNDS);
                rate = SAMPLE_ROUNDS / (cpu_us() - begin);
                if (rate > fastest)
                        fastest = rate;
        }
        return fastest;
}

void load_set(const struct load *load) {
        const char *rate = getenv(LOAD_RATE);

        the_load = *load;
        if (load->work || load->rare)
                rounds_per_us = rate ? strtod(rate, NULL) : load_rate();
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
