/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Batches and deferred functions. Batches are numbered as they are opened and listed in that order; a guard is one without
 * events. A function that must wait is put on the newest open batch: it waits for that one and all older ones. When a batch is
 * closed, its functions go to the next older open batch; when there is none, they are due. So these steps are of a few
 * instructions each.
 *
 *   batch     CLOSED --open--> OPEN(number) --close--> CLOSED
 *   deferred  given --no batch open--> due
 *                   --else--> on a batch --close--> on the next older one ... --none older--> due --> run
 *                   --inside a deferred function--> held, see run.h
 *
 * The word `given` is the top of a stack, that of the newest open batch, whichever that is, and the lock of the list:
 *
 *    63 or 31                   2       1         0
 *   +----------------------------+-----------+--------+
 *   |     top, or NO_BATCH       | CONTENDED | LOCKED |
 *   +----------------------------+-----------+--------+
 *
 *            open                 defer
 *   NO_BATCH ----> EMPTY (NULL) --------> a stack <-+ defer
 *     ^              |    ^ open            | |  |  |
 *     +--------------+    +-----------------+ |  +--+
 *     | close of the last batch               |
 *     +---------------------------------------+
 *
 *   LOCKED     an open, a close, or a look at the list is under way. Giving a function takes no notice of it, but inside a
 *              deferred function: what is given there is put on the list itself, by weir_epochs_defer_since()
 *   CONTENDED  another one may sleep until that is done; giving a function leaves both bits
 *
 * An open takes the stack to the list of the batch that was the newest so far, and the close of the last batch takes what
 * is due. The open of the first and the close of the last are one step with the unlock, for most waits make these two. Every
 * step is a read-modify-write, that of a function for which there is NO_BATCH, too.
 *
 * Invariants, under the lock: open batches are in order of number; a function on a batch was given as of a moment at
 * which that batch and every older one in the list were open, and none that is newer and still open was; `given` is
 * NO_BATCH when the list is empty, and only then.
 */

#include "sys.h"
#include <weir/weir.h>

/* A number that no other thread of the process has or had, or 0: then weir_thread_begin() gives one. */
extern _Thread_local uint64_t weir_thread __attribute__((tls_model("initial-exec")));
uint64_t weir_thread_begin(void);

/* A list of stacks: a stack is linked by next from its newest function on, the list by more from one top to another. */
struct weir_deferred_list {
        struct weir_deferred *first, *last; /* first is NULL when it is empty, last is then not looked at */
};

struct weir_batch {
        struct weir_batch *newer, *older;
        struct weir_deferred_list deferred;
        uint64_t number;         /* 0 while closed */
        bool kept;               /* opened by a wait of a role that was kept; written before it is opened */
        _Atomic(uint64_t) owner; /* the thread that waited, or read last: its weir_thread(); for -EDEADLK alone */
};

struct weir_counts {
        uint64_t events, stale, wakes, requeued, timeouts, triggers;
};

#define GIVEN_LOCKED    ((uintptr_t)1)
#define GIVEN_CONTENDED ((uintptr_t)2)
#define GIVEN_FLAGS     ((uintptr_t)3)
#define GIVEN_NO_BATCH  ((uintptr_t)4) /* where no function can be */

struct weir_epochs {
        _Atomic(uintptr_t) given;
        struct weir_life *life; /* whose words are slept on */

        /*
         * LOCKED guards all below. Rank: below the lock of a slot; held for a few instructions, never over a call of the
         * user's.
         */
        struct weir_batch *oldest, *newest;
        uint64_t number; /* of the newest batch that was ever opened */
        uint64_t open;
        unsigned sleepers;         /* in weir_epochs_synchronize() */
        struct weir_counts counts; /* of closed batches */
};

void weir_epochs_init(struct weir_epochs *epochs);

/* Opens a batch, owned by this thread. False: this process was forked meanwhile. */
bool weir_epochs_open(struct weir_epochs *epochs, struct weir_batch *batch);

/*
 * Closes a batch; its counts are added up. What is due for that is added to the list: the caller runs it. If this process was
 * forked meanwhile, only the batch is closed.
 */
void weir_epochs_close(struct weir_epochs *epochs, struct weir_batch *batch, const struct weir_counts *counts,
                       struct weir_deferred_list *due);

/* Gives a function. Returns whether it is due now: then the caller runs it. */
bool weir_epochs_defer(struct weir_epochs *epochs, struct weir_deferred *node);

/* Gives a stack of functions as of an epoch that may have passed. If it has, they are added to the list. */
void weir_epochs_defer_since(struct weir_epochs *epochs, struct weir_deferred *stack, weir_epoch since,
                             struct weir_deferred_list *due);

/* Adds a list to another one. */
void weir_deferred_append(struct weir_deferred_list *list, const struct weir_deferred_list *more);

/* Whether this thread owns an open batch that was opened by a wait of a kept role. */
bool weir_epochs_owns_kept(struct weir_epochs *epochs);

/* 0, -EDEADLK to the owner of an open batch, or -ECHILD if this process was forked meanwhile. */
int weir_epochs_synchronize(struct weir_epochs *epochs);
weir_epoch weir_epochs_now(struct weir_epochs *epochs);
bool weir_epochs_passed(struct weir_epochs *epochs, weir_epoch epoch);

/* Figures for weir_registry_stats(). */
void weir_epochs_count(struct weir_epochs *epochs, struct weir_counts *ret_counts, uint64_t *ret_open);
