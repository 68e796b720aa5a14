/* SPDX-License-Identifier: MIT */
/*
 * The body of the fuzzer with seeded random bytes, for the normal suite. WEIR_FUZZ_SEED is the first seed,
 * WEIR_FUZZ_RUNS how many runs there are, one seed each. A run that differs ends the program after its operations and
 * its seed are printed; WEIR_FUZZ_SEED=<that seed> WEIR_FUZZ_RUNS=1 repeats it.
 */
#include "body.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WATCHDOG_S 60
#define LONGEST    1500

static volatile uint64_t seed;

/* The library and the model differ, or a wait sleeps for ever: in both cases the seed is what one wants to know. */
static void tell_seed(int signal) {
        char text[64];
        int n = snprintf(text, sizeof(text), "seed %" PRIu64 ", signal %d\n", seed, signal);

        if (write(STDERR_FILENO, text, (size_t)n) != n)
                _exit(2);
        _exit(1);
}

static uint64_t number_from(const char *name, uint64_t otherwise) {
        const char *text = getenv(name);

        return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

/* xorshift64*; the seed is mixed first, so that neighbours have nothing in common. */
static uint64_t next_random(uint64_t *state) {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static unsigned count_descriptors(void) {
        DIR *dir = opendir("/proc/self/fd");
        unsigned n = 0;

        while (dir && readdir(dir))
                n++;
        if (dir)
                closedir(dir);
        return n;
}

int main(void) {
        static uint8_t bytes[LONGEST];
        uint64_t runs = number_from("WEIR_FUZZ_RUNS", 800), operations = 0;
        unsigned open_before;

        signal(SIGPIPE, SIG_IGN);
        signal(SIGABRT, tell_seed);
        signal(SIGALRM, tell_seed);
        open_before = count_descriptors();
        seed = number_from("WEIR_FUZZ_SEED", 1);
        for (uint64_t run = 0; run < runs; run++, seed++) {
                uint64_t state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
                size_t size;

                next_random(&state);
                size = 20 + next_random(&state) % (LONGEST - 20);
                for (size_t i = 0; i < size; i++)
                        bytes[i] = (uint8_t)(next_random(&state) >> 56);
                alarm(WATCHDOG_S);
                operations += fuzz_body(bytes, size);
                if (count_descriptors() != open_before) {
                        fprintf(stderr, "descriptors are left\n");
                        abort();
                }
        }
        alarm(0);
        printf("%" PRIu64 " runs, %" PRIu64 " operations, no difference\n", runs, operations);
        return 0;
}
