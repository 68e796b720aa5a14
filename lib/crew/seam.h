/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The seam of the crew to libc and the kernel: a test build makes a call of it fail, and a model checker replaces it. As in the
 * reactor, no ordering is expected of any call here, but of a ring and the sleep that it ends. Every int is 0 or a negative errno;
 * errno itself is left alone. None is a cancellation point, but the sleep at the post, which threads of a crew alone come to.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CREW_LINE    64 /* bytes of a cache line */
#define CREW_FOREVER INT64_MAX

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t weir_seam_now(void);

/* How many nanoseconds of a processor the thread has had so far, never 0; and how often one was taken away from it. */
int64_t weir_seam_worked(void);
long weir_seam_lost(void);

/* Zeroed memory that begins at a cache line, or NULL. */
void *weir_seam_alloc(size_t size);
void weir_seam_free(void *memory);

/*
 * A zeroed page, which reads 0 again in a forked child: then *ret_pid is 0. Where the kernel cannot do that, it is the process
 * that made the page, to be compared with weir_seam_getpid(). NULL when out of memory.
 */
void *weir_seam_page(size_t size, int *ret_pid);
void weir_seam_free_page(void *page, size_t size);
int weir_seam_getpid(void);

/* Sleeps while *word is expected, no longer than timeout; may return for no reason. */
void weir_seam_sleep(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout);
void weir_seam_wake(_Atomic(uint32_t) *word, int count);

/*
 * Where one thread sleeps until it is rung, or the alarm goes off, which others may set meanwhile. What comes while nobody sleeps
 * ends the next sleep. Setting the alarm wakes nobody: so it can be put off again and again, by those who are awake.
 */
struct weir_seam_post {
        int set;   /* epoll, of the other two, edge-triggered: nobody has to read them */
        int bell;  /* eventfd */
        int timer; /* timerfd */
};

/* 0, or a negative errno: -EMFILE, -ENFILE, -ENOMEM, -ENOSPC. What was not opened may be closed all the same. */
int weir_seam_post_open(struct weir_seam_post *ret_post);
void weir_seam_post_close(struct weir_seam_post *post);

/*
 * Sleeps while *word is expected, which who rings changes before, until a ring, or the alarm, if that counts; may return for no
 * reason. What was written before the ring that ends it is seen after it: the locks of the kernel see to it.
 */
void weir_seam_post_sleep(struct weir_seam_post *post, _Atomic(uint32_t) *word, uint32_t expected, bool alarm);
void weir_seam_post_ring(struct weir_seam_post *post);
void weir_seam_post_set_alarm(struct weir_seam_post *post, int64_t time);

/* How many processors the thread may run on; at least 1. */
unsigned weir_seam_processors(void);

/* Makes a thread that blocks all signals. */
int weir_seam_thread(pthread_t *ret_thread, void *(*run)(void *), void *argument);

/* Forbids the cancellation of this thread, or sets back what that returned. */
int weir_seam_forbid_cancel(void);
void weir_seam_restore_cancel(int state);

/* A place where the test build may let another thread run. */
#ifdef WEIR_YIELD_POINTS
void weir_sys_yield(void); /* the reactor's, too */
#define WEIR_CREW_YIELD() weir_sys_yield()
#else
#define WEIR_CREW_YIELD() ((void)0)
#endif
