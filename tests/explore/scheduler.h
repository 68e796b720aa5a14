/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_EXPLORE_SCHEDULER_H
#define WEIR_TESTS_EXPLORE_SCHEDULER_H

/*
 * Threads that are no threads: each has a stack of its own, one of them runs at a time, and it gives way at points alone:
 * before each atomic operation of the library, each call of the seam, and each call of the program. What a program can
 * change is the world, world.h, and the stacks; both are saved and put back by copying, so the search goes back to a
 * point instead of running there again.
 *
 * The main thread has no points. It runs before and after the others, and can act for one of them.
 */

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define THREADS 3
#define MAIN    THREADS /* the main thread, where it is not acting for another one */

#define THREAD_LOCALS 64 /* bytes for all _Thread_local variables of the library */

enum thread_state {
        THREAD_RUNS,
        THREAD_ENDED,
        THREAD_FUTEX,  /* until somebody wakes its word */
        THREAD_MUTEX,  /* until its mutex is free */
        THREAD_SLEEPS, /* in the wait, until its epoll set has something, or a moment has come */
        THREAD_NAPS,   /* until another thread has run, or none can */
};

struct thread {
        enum thread_state state;
        const void *object; /* what it is blocked by */
        int64_t until;      /* when its sleep ends by itself */
        int64_t clock;      /* what it read there last */
        unsigned char *low; /* the stack is in use from here on */
        jmp_buf context;
        unsigned char locals[THREAD_LOCALS];
};

/* What the scheduler adds to the world. */
struct schedule {
        struct thread threads[THREADS + 1];
        unsigned self;  /* who runs, or whom the main thread acts for */
        bool inside;    /* one of the threads runs */
        bool joined;    /* the next point is one with what came before it */
        unsigned steps; /* points passed */
};

/* Makes the stacks. Each thread calls body with its number, once for each time it is started. */
void schedule_init(void (*body)(unsigned thread));

/* All threads are at the beginning of their body. */
void schedule_reset(void);

/* Who the main thread acts for. */
void schedule_act_for(unsigned thread);

/*
 * Lets a thread run: to the next point, or as long as it can with to_the_end. Returns whether it can go on.
 */
bool schedule_run(unsigned thread, bool to_the_end);
bool schedule_can_run(unsigned thread);

/* A thread gives way here. The main thread passes. */
void explore_point(void);

/* The next point is left out: what happens there is one step with what came before. */
void schedule_join_next_point(void);

/* A thread cannot go on. */
void schedule_block(enum thread_state state, const void *object);

/* The same in a wait, until a moment at most. */
void schedule_sleep(const void *object, int64_t until);

/* Those blocked by this object run again. */
void schedule_wake(enum thread_state state, const void *object);

/* Where the main thread goes when it is blocked, or what it called does not end. */
void schedule_escape(jmp_buf *to);

/* The part of a thread's stack that is in use. */
unsigned char *schedule_stack(unsigned thread, size_t *ret_size);

#endif
