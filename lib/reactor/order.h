/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Memory orders and checks by name. A build may weaken just one of them, by -DWEIR_MUTANTS and -DWEIR_MUTANT_name=1, to show
 * that a test notices: tests/mutants.txt lists them, tests/mutants.sh does it. Otherwise the macros are what they say.
 *
 *   WEIR_ACQUIRE, WEIR_RELEASE   name weakens it to relaxed
 *   WEIR_ACQ_REL                 name_acquire and name_release take that half away
 *   WEIR_SEQ_CST                 name weakens it to acquire, release or both, as the operation can have
 *   WEIR_CHECK                   name makes the condition false
 */

#include <stdatomic.h>

#ifndef WEIR_MUTANTS
#define WEIR_ACQUIRE(name)          memory_order_acquire
#define WEIR_RELEASE(name)          memory_order_release
#define WEIR_ACQ_REL(name)          memory_order_acq_rel
#define WEIR_SEQ_CST(name, weaker)  memory_order_seq_cst
#define WEIR_CHECK(name, condition) (condition)
#else
/* 1 if the macro x is defined as 1, else 0: only then does the first argument become two. */
#define WEIR_MUTANT_TWO_1              0,
#define WEIR_MUTANT_IS(x)              WEIR_MUTANT_IS_(x)
#define WEIR_MUTANT_IS_(x)             WEIR_MUTANT_SECOND(WEIR_MUTANT_TWO_##x 1, 0, 0)
#define WEIR_MUTANT_SECOND(...)        WEIR_MUTANT_SECOND_(__VA_ARGS__)
#define WEIR_MUTANT_SECOND_(a, b, ...) b

#define WEIR_ACQUIRE(name) (WEIR_MUTANT_IS(WEIR_MUTANT_##name) ? memory_order_relaxed : memory_order_acquire)
#define WEIR_RELEASE(name) (WEIR_MUTANT_IS(WEIR_MUTANT_##name) ? memory_order_relaxed : memory_order_release)
#define WEIR_ACQ_REL(name)                                                     \
        (WEIR_MUTANT_IS(WEIR_MUTANT_##name##_acquire)   ? memory_order_release \
         : WEIR_MUTANT_IS(WEIR_MUTANT_##name##_release) ? memory_order_acquire \
                                                        : memory_order_acq_rel)
#define WEIR_SEQ_CST(name, weaker)  (WEIR_MUTANT_IS(WEIR_MUTANT_##name) ? memory_order_##weaker : memory_order_seq_cst)
#define WEIR_CHECK(name, condition) (!WEIR_MUTANT_IS(WEIR_MUTANT_##name) && (condition))
#endif
