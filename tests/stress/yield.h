/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_STRESS_YIELD_H
#define WEIR_TESTS_STRESS_YIELD_H

#include <stdint.h>

/* What decides on this thread's yields from now on. Two threads that give the same number yield in the same places. */
void yield_seed(uint64_t seed);

/* A place in the test itself where another thread may run. */
void yield_here(void);

#endif
