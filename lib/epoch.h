/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Batches and deferred functions. Batches are numbered as they are opened and listed in that order. A function that must
 * wait is put on the newest open batch: it waits for that one and all older ones. When a batch is closed, its functions go
 * to the next older open batch; when there is none, they are due. So each step is of a few instructions.
 *
 *   batch     CLOSED --open--> OPEN(number) --close--> CLOSED
 *   deferred  given --no batch open--> due
 *                   --else--> on a batch --close--> on the next older one ... --none older--> due --> run
 *                   --inside a deferred function--> held by its runner --it returns--> given, as at the last defer in it
 *
 * Invariants, under the lock: open batches are in order of number; a function on a batch was given as of a moment at
 * which that batch and every older one in the list were open, and none that is newer and still open was.
 */

#include <pthread.h>

#include "order.h"
#include "sys.h"
#include <weir/weir.h>

/* A list of functions: first is NULL when it is empty, last is then not looked at. */
struct weir_deferred_list {
        struct weir_deferred *first, *last;
};

struct weir_batch {
        struct weir_batch *newer, *older;
        struct weir_deferred_list deferred;
        uint64_t number;           /* 0 while closed */
        pthread_t owner;           /* the thread that waited */
        _Atomic(pthread_t) reader; /* a thread that took the batch over and reads it; a hint for -EDEADLK alone */
};

/* A thread that runs deferred functions: it lies on that thread's stack. Only the thread itself touches its lists. */
struct weir_runner {
        struct weir_runner *next;
        pthread_t thread;
        struct weir_deferred_list due;
        struct weir_deferred_list held; /* deferred inside the function that runs now */
        uint64_t held_at;               /* number of the newest batch at the last of these defers */
};

struct weir_counts {
        uint64_t events, stale, wakes, requeued;
};

struct weir_epochs {
        /* Guards all below. Rank: below the lock of a slot; held for a few instructions, never over a call of the user's. */
        pthread_mutex_t lock;
        struct weir_batch *oldest, *newest;
        uint64_t number; /* of the newest batch that was ever opened */
        struct weir_runner *runners;
        uint64_t open;
        unsigned sleepers;         /* in weir_epochs_synchronize() */
        _Atomic(uint32_t) closed;  /* batches, counted for the sleepers */
        struct weir_counts counts; /* of closed batches */
};

void weir_epochs_init(struct weir_epochs *epochs);
void weir_epochs_deinit(struct weir_epochs *epochs);

void weir_epochs_open(struct weir_epochs *epochs, struct weir_batch *batch);

/*
 * The next two return whether something is due now: then the calling thread has become a runner, and runs it by
 * weir_core_run(). Not if it is one already, further up its stack: that call goes on with what is due.
 */

/* Closes a batch; its counts are added up. */
bool weir_epochs_close(struct weir_epochs *epochs, struct weir_batch *batch, const struct weir_counts *counts,
                       struct weir_runner *runner);
bool weir_epochs_defer(struct weir_epochs *epochs, struct weir_deferred *node, struct weir_runner *runner);

/* The next function to run, or NULL: then the thread is no runner any more. */
struct weir_deferred *weir_epochs_next(struct weir_epochs *epochs, struct weir_runner *runner);

int weir_epochs_synchronize(struct weir_epochs *epochs);
weir_epoch weir_epochs_now(struct weir_epochs *epochs);
bool weir_epochs_passed(struct weir_epochs *epochs, weir_epoch epoch);

/* Figures for weir_registry_stats(). */
void weir_epochs_count(struct weir_epochs *epochs, struct weir_counts *ret_counts, uint64_t *ret_open);
