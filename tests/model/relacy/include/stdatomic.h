/* SPDX-License-Identifier: MIT */

/* Stands before the compiler's own header for programs that Relacy explores: each operation is its, see relacy.h. */

#ifndef WEIR_TESTS_MODEL_STDATOMIC_H
#define WEIR_TESTS_MODEL_STDATOMIC_H

#pragma GCC system_header /* for include_next */
#include_next <stdatomic.h>

#include "../relacy.h"

#undef atomic_init
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit

/* Without its qualifier. */
#define RELACY_TYPE(object) __typeof__((void)0, *(object))
#define RELACY_CHANGE(object, change, value, order) \
        ((RELACY_TYPE(object))relacy_change(object, sizeof *(object), change, (uint64_t)(value), order))

/* An object may be at a place where another one was. */
#define atomic_init(object, value) atomic_store_explicit(object, value, memory_order_relaxed)

#define atomic_load_explicit(object, order)             ((RELACY_TYPE(object))relacy_load(object, sizeof *(object), order))
#define atomic_store_explicit(object, value, order)     relacy_store(object, sizeof *(object), (uint64_t)(value), order)
#define atomic_exchange_explicit(object, value, order)  RELACY_CHANGE(object, RELACY_EXCHANGE, value, order)
#define atomic_fetch_add_explicit(object, value, order) RELACY_CHANGE(object, RELACY_ADD, value, order)
#define atomic_fetch_sub_explicit(object, value, order) RELACY_CHANGE(object, RELACY_SUBTRACT, value, order)
#define atomic_fetch_or_explicit(object, value, order)  RELACY_CHANGE(object, RELACY_OR, value, order)
#define atomic_fetch_and_explicit(object, value, order) RELACY_CHANGE(object, RELACY_AND, value, order)
#define atomic_compare_exchange_strong_explicit(object, expected, desired, success, failure) \
        relacy_compare_exchange(object, sizeof *(object), expected, (uint64_t)(desired), success, failure)
#define atomic_compare_exchange_weak_explicit atomic_compare_exchange_strong_explicit

#endif
