/* SPDX-License-Identifier: MIT */
#pragma once

/* The hands on what a crew asks of the kernel: a clock that stands, sleeps that run a hook instead, and wakes that are counted. */

#include "support.h"

#include "turn.h"

static int64_t the_time = 1000000000;
static unsigned wakes, sleeps;
static void (*on_sleep)(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout);
static void (*on_post_sleep)(bool alarm);
static int64_t timer; /* of the post */
static int64_t worked = 1;
static long lost;
static unsigned timer_sets;

int64_t __wrap_weir_seam_now(void);
int64_t __wrap_weir_seam_worked(void);
long __wrap_weir_seam_lost(void);
void __wrap_weir_seam_sleep(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout);
void __wrap_weir_seam_wake(_Atomic(uint32_t) *word, int count);
void __wrap_weir_seam_post_sleep(struct weir_seam_post *post, _Atomic(uint32_t) *word, uint32_t expected, bool alarm);
void __wrap_weir_seam_post_ring(struct weir_seam_post *post);
void __wrap_weir_seam_post_set_alarm(struct weir_seam_post *post, int64_t time);

int64_t __wrap_weir_seam_now(void) {
        return the_time;
}

int64_t __wrap_weir_seam_worked(void) {
        return worked;
}

long __wrap_weir_seam_lost(void) {
        return lost;
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

void __wrap_weir_seam_post_sleep(struct weir_seam_post *post, _Atomic(uint32_t) *word, uint32_t expected, bool alarm) {
        (void)post;
        if (*word != expected)
                return;
        ++sleeps;
        assert_non_null(on_post_sleep);
        on_post_sleep(alarm);
}

void __wrap_weir_seam_post_ring(struct weir_seam_post *post) {
        (void)post;
        ++wakes;
}

void __wrap_weir_seam_post_set_alarm(struct weir_seam_post *post, int64_t time) {
        (void)post;
        timer = time;
        ++timer_sets;
}
