/* SPDX-License-Identifier: MIT */

/*
 * Batches and deferred functions: see epoch.h for the states. Read weir_epochs_defer() and weir_epochs_close() first.
 *
 * Why a deferred function may free what a token points to, though a wait in progress holds nothing up. A thread
 * deregisters (the generation of the slot changes) and then changes the word `given` in weir_epochs_defer(). The waiter
 * changes the top in that word in weir_epochs_open(), after its fetch and before the first weir_events_next() of the batch.
 * One of the two comes first. If the waiter does, the function is put on a batch that is not older than this one, and waits
 * for it. If the deferring thread does, the waiter reads what it wrote and so sees the new generation: the batch may hold
 * an event of the old one, but the filter drops it. The waiter may have looked at slots before it opened the batch; it
 * looked at no token.
 *
 * PAIR(generation): weir_slot_lock() changes it, weir_slot_take() compares it, and this word stands between them.
 * PAIR(given): the same for whatever else a caller made unreachable before it deferred; and the functions on the stack.
 * PAIR(closed): all that a thread did with a batch comes before weir_epochs_close() took the lock, and so before the
 * function that runs because of it, or because of a later weir_epochs_close(), or because no batch is open any more.
 */

#include "epoch.h"

#include "mutex.h"

#include <errno.h>

_Static_assert(_Alignof(struct weir_deferred) > GIVEN_FLAGS, "room for the flags");

_Thread_local uint64_t weir_thread;

uint64_t weir_thread_begin(void) {
        static _Atomic(uint64_t) threads;

        /* relaxed: only that it is unique counts */
        weir_thread = 1 + atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed);
        return weir_thread;
}

void weir_epochs_init(struct weir_epochs *epochs) {
        atomic_init(&epochs->given, GIVEN_NO_BATCH);
}

/* ---------------------------------------------------------------- the word */

static struct weir_deferred *top_of(uintptr_t given) {
        return (struct weir_deferred *)(given & ~GIVEN_FLAGS);
}

/* Whether the caller has the lock now. */
static bool try_lock(struct weir_epochs *epochs) {
        uintptr_t given;

        WEIR_YIELD();
        /* PAIR(epochs): the former holder. PAIR(closed): what was done with the batches that it closed. */
        given = atomic_fetch_or_explicit(&epochs->given, GIVEN_LOCKED, memory_order_acquire);
        return !(given & GIVEN_LOCKED);
}

static bool is_forked(const struct weir_epochs *epochs) {
        /* relaxed: a child is a copy; its page reads 0 */
        return !atomic_load_explicit(&epochs->life->state, memory_order_relaxed);
}

/* False: this process was forked while it waited. */
static bool lock(struct weir_epochs *epochs) {
        uint32_t unlocks;

        while (__builtin_expect(!try_lock(epochs), 0)) {
                if (is_forked(epochs))
                        return false;
                /* PAIR(unlocks): before the mark, so it is not that of an unlock which sees the mark. */
                unlocks = atomic_load_explicit(&epochs->life->unlocks, memory_order_acquire);
                /* relaxed: the unlock comes later in the order of this word and sees the mark, or came before */
                if (atomic_fetch_or_explicit(&epochs->given, GIVEN_CONTENDED, memory_order_relaxed) & GIVEN_LOCKED)
                        weir_sys_futex_wait(&epochs->life->unlocks, unlocks, WEIR_FOREVER);
        }
        WEIR_YIELD();
        return true;
}

static void wake_contender(struct weir_epochs *epochs, uintptr_t given) {
        if (given & GIVEN_CONTENDED)
                weir_unlocked(epochs->life);
}

/* Gives up the lock, and leaves the stack. */
static void unlock(struct weir_epochs *epochs) {
        /* PAIR(epochs), PAIR(closed): the next holder. */
        wake_contender(epochs, atomic_fetch_and_explicit(&epochs->given, ~GIVEN_FLAGS, memory_order_release));
}

/* Gives up the lock, and puts another top in the place of the former one, which is returned. */
static struct weir_deferred *unlock_with(struct weir_epochs *epochs, uintptr_t top) {
        /*
         * PAIR(epochs), PAIR(closed): the next holder, and weir_epochs_defer() that finds no batch.
         * PAIR(given): weir_epochs_defer() that came before.
         */
        uintptr_t given = atomic_exchange_explicit(&epochs->given, top, memory_order_acq_rel);

        wake_contender(epochs, given);
        return top_of(given);
}

/* ---------------------------------------------------------------- lists of functions */

void weir_deferred_append(struct weir_deferred_list *list, const struct weir_deferred_list *more) {
        if (!more->first)
                return;
        if (list->first)
                list->last->more = more->first;
        else
                list->first = more->first;
        list->last = more->last;
}

static void append_stack(struct weir_deferred_list *list, struct weir_deferred *stack) {
        struct weir_deferred_list more = { stack, stack };

        if (stack)
                stack->more = NULL;
        weir_deferred_append(list, &more);
}

/* ---------------------------------------------------------------- batches */

bool weir_epochs_open(struct weir_epochs *epochs, struct weir_batch *batch) {
        /* relaxed: only this thread finds itself in it */
        atomic_store_explicit(&batch->owner, weir_thread ? weir_thread : weir_thread_begin(), memory_order_relaxed);
        batch->newer = NULL;
        batch->deferred.first = NULL;
        if (!lock(epochs))
                return false;
        batch->number = ++epochs->number;
        batch->older = epochs->newest;
        epochs->newest = batch;
        ++epochs->open;
        if (batch->older) {
                batch->older->newer = batch;
                /* PAIR(given): weir_epochs_defer() that came before. */
                append_stack(&batch->older->deferred,
                             top_of(atomic_fetch_and_explicit(&epochs->given, GIVEN_FLAGS, memory_order_acquire)));
                unlock(epochs);
        } else {
                epochs->oldest = batch;
                unlock_with(epochs, 0);
        }
        WEIR_YIELD();
        return true;
}

void weir_epochs_close(struct weir_epochs *epochs, struct weir_batch *batch, const struct weir_counts *counts,
                       struct weir_deferred_list *due) {
        bool wake;

        if (!lock(epochs)) {
                batch->number = 0;
                return;
        }
        if (batch->newer)
                batch->newer->older = batch->older;
        else
                epochs->newest = batch->older;
        if (batch->older)
                batch->older->newer = batch->newer;
        else
                epochs->oldest = batch->newer;
        weir_deferred_append(batch->older ? &batch->older->deferred : due, &batch->deferred);
        batch->number = 0;
        --epochs->open;
        epochs->counts.events += counts->events;
        epochs->counts.stale += counts->stale;
        epochs->counts.wakes += counts->wakes;
        epochs->counts.requeued += counts->requeued;
        epochs->counts.timeouts += counts->timeouts;
        epochs->counts.triggers += counts->triggers;
        wake = epochs->sleepers;
        if (wake)
                /* relaxed: under the lock; the kernel compares the value alone */
                atomic_fetch_add_explicit(&epochs->life->closed, 1, memory_order_relaxed);
        if (epochs->newest)
                unlock(epochs);
        else
                append_stack(due, unlock_with(epochs, GIVEN_NO_BATCH));
        if (wake)
                weir_sys_futex_wake_all(&epochs->life->closed);
}

bool weir_epochs_defer(struct weir_epochs *epochs, struct weir_deferred *node) {
        uintptr_t given = atomic_load_explicit(&epochs->given, memory_order_relaxed), next;

        for (;;) {
                WEIR_YIELD();
                if ((given & ~GIVEN_FLAGS) == GIVEN_NO_BATCH) {
                        /* PAIR(given): who opens a batch later sees what came before. PAIR(closed): every close came before. */
                        if (atomic_compare_exchange_strong_explicit(&epochs->given, &given, given, memory_order_acq_rel,
                                                                    memory_order_relaxed))
                                return true;
                } else {
                        node->next = top_of(given);
                        next = (uintptr_t)node | (given & GIVEN_FLAGS);
                        /* PAIR(given): the next open, or the last close, takes the node and those below. */
                        if (atomic_compare_exchange_strong_explicit(&epochs->given, &given, next, memory_order_release,
                                                                    memory_order_relaxed))
                                return false;
                }
        }
}

void weir_epochs_defer_since(struct weir_epochs *epochs, struct weir_deferred *stack, weir_epoch since,
                             struct weir_deferred_list *due) {
        struct weir_batch *batch;

        if (!lock(epochs)) {
                append_stack(due, stack);
                return;
        }
        /* Not to a batch that was opened since: its reader may wait for the functions. */
        batch = epochs->newest;
        while (batch && batch->number > since)
                batch = batch->older;
        append_stack(batch ? &batch->deferred : due, stack);
        unlock(epochs);
}

/* Under the lock: whether this thread owns an open batch; of those of a kept role, if kept says so. */
static bool owns_batch(struct weir_epochs *epochs, bool kept) {
        for (struct weir_batch *batch = epochs->oldest; batch; batch = batch->newer)
                /* relaxed: if it is this thread, this thread wrote it */
                if (atomic_load_explicit(&batch->owner, memory_order_relaxed) == weir_thread && batch->kept >= kept)
                        return true;
        return false;
}

bool weir_epochs_owns_kept(struct weir_epochs *epochs) {
        bool owns;

        if (!lock(epochs))
                return false;
        owns = owns_batch(epochs, true);
        unlock(epochs);
        return owns;
}

static bool has_passed(struct weir_epochs *epochs, weir_epoch epoch) {
        return !epochs->oldest || epochs->oldest->number > epoch;
}

/* Sleeps on the count of closed batches, so that it waits for batches alone, and not for functions that become due. */
int weir_epochs_synchronize(struct weir_epochs *epochs) {
        weir_epoch epoch;
        uint32_t closed;

        if (!lock(epochs))
                return -ECHILD;
        if (owns_batch(epochs, false)) {
                unlock(epochs);
                return -EDEADLK;
        }
        epoch = epochs->number;
        ++epochs->sleepers;
        while (!has_passed(epochs, epoch)) {
                /* relaxed: under the lock */
                closed = atomic_load_explicit(&epochs->life->closed, memory_order_relaxed);
                unlock(epochs);
                weir_sys_futex_wait(&epochs->life->closed, closed, WEIR_FOREVER);
                if (is_forked(epochs) || !lock(epochs))
                        return -ECHILD;
        }
        --epochs->sleepers;
        unlock(epochs);
        return 0;
}

weir_epoch weir_epochs_now(struct weir_epochs *epochs) {
        weir_epoch now;

        if (!lock(epochs))
                return 0;
        now = epochs->number;
        unlock(epochs);
        return now;
}

bool weir_epochs_passed(struct weir_epochs *epochs, weir_epoch epoch) {
        bool passed;

        if (!lock(epochs))
                return true;
        passed = has_passed(epochs, epoch);
        unlock(epochs);
        return passed;
}

void weir_epochs_count(struct weir_epochs *epochs, struct weir_counts *ret_counts, uint64_t *ret_open) {
        struct weir_counts none = { 0 };

        *ret_counts = none;
        *ret_open = 0;
        if (!lock(epochs))
                return;
        *ret_counts = epochs->counts;
        *ret_open = epochs->open;
        unlock(epochs);
}
