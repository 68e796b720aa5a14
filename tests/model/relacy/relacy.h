/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_MODEL_RELACY_H
#define WEIR_TESTS_MODEL_RELACY_H

/*
 * The bridge between C and Relacy, a checker of programs for relaxed memory that consists of C++ headers and is packaged: what
 * GenMC explores of enumerated.c, it explores up to two preemptions, in a fraction of the time, on any machine. It knows
 * atomic objects by their address, and takes what lies there before the first operation for their value. Of plain memory it
 * sees what is declared PLAIN.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum relacy_kind {
        RELACY_EXCHANGE,
        RELACY_ADD,
        RELACY_SUBTRACT,
        RELACY_OR,
        RELACY_AND,
};

uint64_t relacy_load(const volatile void *object, unsigned size, int order);
void relacy_store(volatile void *object, unsigned size, uint64_t value, int order);
uint64_t relacy_change(volatile void *object, unsigned size, enum relacy_kind change, uint64_t value, int order);
bool relacy_compare_exchange(volatile void *object, unsigned size, void *expected, uint64_t desired, int success,
                             int failure);
void relacy_give_way(bool unless);
void relacy_assert(bool condition, const char *text);
int relacy_plain_get(const int *plain);
void relacy_plain_set(int *plain, int value);

/* The program: what the checker calls. */
unsigned enumerated_count(void);
const char *enumerated_letters(unsigned program, unsigned thread);
uint64_t enumerated_outcome(void); /* of the last execution */
void enumerated_begin(unsigned program);
void enumerated_thread(unsigned thread);
void enumerated_end(void);

#ifdef __cplusplus
}
#endif

#endif
