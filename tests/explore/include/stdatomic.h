/* SPDX-License-Identifier: MIT */

/*
 * Stands before the compiler's own header where the library is compiled for the explorer: before each operation another
 * thread may run, see scheduler.h.
 */

#ifndef WEIR_TESTS_EXPLORE_STDATOMIC_H
#define WEIR_TESTS_EXPLORE_STDATOMIC_H

#pragma GCC system_header /* for include_next */
#include_next <stdatomic.h>

void explore_point(void);

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_fetch_xor_explicit

#ifdef __clang__
#define atomic_load_explicit(object, order)             (explore_point(), __c11_atomic_load(object, order))
#define atomic_store_explicit(object, value, order)     (explore_point(), __c11_atomic_store(object, value, order))
#define atomic_exchange_explicit(object, value, order)  (explore_point(), __c11_atomic_exchange(object, value, order))
#define atomic_fetch_add_explicit(object, value, order) (explore_point(), __c11_atomic_fetch_add(object, value, order))
#define atomic_fetch_sub_explicit(object, value, order) (explore_point(), __c11_atomic_fetch_sub(object, value, order))
#define atomic_fetch_or_explicit(object, value, order)  (explore_point(), __c11_atomic_fetch_or(object, value, order))
#define atomic_fetch_and_explicit(object, value, order) (explore_point(), __c11_atomic_fetch_and(object, value, order))
#define atomic_fetch_xor_explicit(object, value, order) (explore_point(), __c11_atomic_fetch_xor(object, value, order))
#define atomic_compare_exchange_strong_explicit(object, expected, desired, success, failure) \
        (explore_point(), __c11_atomic_compare_exchange_strong(object, expected, desired, success, failure))
#else
#define atomic_load_explicit(object, order)             (explore_point(), __atomic_load_n(object, order))
#define atomic_store_explicit(object, value, order)     (explore_point(), __atomic_store_n(object, value, order))
#define atomic_exchange_explicit(object, value, order)  (explore_point(), __atomic_exchange_n(object, value, order))
#define atomic_fetch_add_explicit(object, value, order) (explore_point(), __atomic_fetch_add(object, value, order))
#define atomic_fetch_sub_explicit(object, value, order) (explore_point(), __atomic_fetch_sub(object, value, order))
#define atomic_fetch_or_explicit(object, value, order)  (explore_point(), __atomic_fetch_or(object, value, order))
#define atomic_fetch_and_explicit(object, value, order) (explore_point(), __atomic_fetch_and(object, value, order))
#define atomic_fetch_xor_explicit(object, value, order) (explore_point(), __atomic_fetch_xor(object, value, order))
#define atomic_compare_exchange_strong_explicit(object, expected, desired, success, failure) \
        (explore_point(), __atomic_compare_exchange_n(object, expected, desired, 0, success, failure))
#endif

/* One that fails for no reason is tried again: that shows nothing new. */
#define atomic_compare_exchange_weak_explicit atomic_compare_exchange_strong_explicit

#endif
