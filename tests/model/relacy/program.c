/* SPDX-License-Identifier: MIT */

/* enumerated.c for Relacy: see relacy.h. */

#include "relacy.h"

#define ENUMERATED_ELSEWHERE

#define PLAIN(type)         type
#define PLAIN_GET(plain)    relacy_plain_get(&(plain))
#define PLAIN_SET(plain, v) relacy_plain_set(&(plain), v)

#include "../enumerated.c"

unsigned enumerated_count(void) {
        return ENUMERATED_PROGRAMS;
}

const char *enumerated_letters(unsigned number, unsigned thread) {
        return enumerated_programs[number][thread];
}

uint64_t enumerated_outcome(void) {
        return outcome;
}

void enumerated_begin(unsigned number) {
        program = number;
        model_kernel_reset();
        atomic_store_explicit(&runs, 0, memory_order_relaxed);
        atomic_store_explicit(&given, 0, memory_order_relaxed);
        /* It counts threads in a word that must be known before there are any. */
        weir_thread_begin();
        set_up();
}

void enumerated_thread(unsigned thread) {
        if (thread)
                second(NULL);
        else
                first(NULL);
}

void enumerated_end(void) {
        tear_down();
}
