/* SPDX-License-Identifier: MIT */
#pragma once

/* The hands on what a crew asks of the kernel: a clock that stands, sleeps that run a hook instead, and wakes that are counted. */

#include "support.h"

#include "turn.h"

static int64_t the_time = 1000000000;
static unsigned wakes, sleeps;
static void (*on_sleep)(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout);

int64_t __wrap_weir_seam_now(void);
void __wrap_weir_seam_sleep(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout);
void __wrap_weir_seam_wake(_Atomic(uint32_t) *word, int count);

int64_t __wrap_weir_seam_now(void) {
        return the_time;
}

/* As the kernel: does not sleep if the word is another. */
void __wrap_weir_seam_sleep(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout) {
        if (*word != expected)
                return;
        ++sleeps;
        assert_non_null(on_sleep);
        on_sleep(word, expected, timeout);
}

void __wrap_weir_seam_wake(_Atomic(uint32_t) *word, int count) {
        (void)word;
        (void)count;
        ++wakes;
}
