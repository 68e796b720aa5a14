/* SPDX-License-Identifier: MIT */

/* The stress build of a scenario: see harness.h. */

#include "harness.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernel.h"

#define THREADS_MAX 8

/* Threads that run and do not sleep. */
static _Atomic(unsigned) running;
/* Threads that have yet to come to the start. */
static _Atomic(unsigned) absent;

static _Thread_local unsigned random_state;

void model_falls_asleep(void) {
        atomic_fetch_sub(&running, 1);
}

void model_wakes_up(void) {
        atomic_fetch_add(&running, 1);
}

bool model_others_run(void) {
        return atomic_load(&running);
}

/* The library's yield points. */
void weir_sys_yield(void) {
        random_state = random_state * 1103515245U + 12345U;
        if ((random_state >> 16) % 4 == 0)
                sched_yield();
}

struct runner {
        void *(*run)(void *);
        unsigned seed;
        pthread_t thread;
};

static void *runs(void *data) {
        struct runner *runner = data;

        random_state = runner->seed;
        atomic_fetch_sub(&absent, 1);
        while (atomic_load(&absent))
                sched_yield();
        runner->run(NULL);
        atomic_fetch_sub(&running, 1);
        return NULL;
}

static double now(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

int model_stress(void (*set_up)(void), void (*tear_down)(void), void *(*const *functions)(void *), unsigned count) {
        const char *seconds = getenv("WEIR_MODEL_SECONDS");
        double end = now() + (seconds ? atof(seconds) : 1);
        unsigned long rounds = 0;

        assert(count <= THREADS_MAX);
        do {
                struct runner runners[THREADS_MAX];

                model_kernel_reset();
                set_up();
                atomic_store(&running, count);
                atomic_store(&absent, count);
                for (unsigned i = 0; i < count; ++i) {
                        runners[i].run = functions[i];
                        runners[i].seed = (unsigned)rounds * THREADS_MAX + i;
                        if (pthread_create(&runners[i].thread, NULL, runs, &runners[i]) != 0)
                                abort();
                }
                for (unsigned i = 0; i < count; ++i)
                        pthread_join(runners[i].thread, NULL);
                tear_down();
                ++rounds;
        } while (now() < end);
        printf("%lu rounds\n", rounds);
        return 0;
}
