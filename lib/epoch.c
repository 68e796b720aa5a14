/* SPDX-License-Identifier: MIT */

/*
 * Batches and deferred functions: see epoch.h for the states. Read weir_epochs_defer() and weir_epochs_close() first.
 *
 * Why a deferred function may free what a token points to, though a wait in progress holds nothing up. A thread
 * deregisters (the generation of the slot changes) and then changes the word `given` in weir_epochs_defer(). The waiter
 * changes that word in weir_epochs_open(), after its fetch and before the first weir_events_next() of the batch. One of the
 * two comes first. If the waiter does, the function is put on a batch that is not older than this one, and waits for it. If
 * the deferring thread does, the waiter reads what it wrote and so sees the new generation: the batch may hold an event of
 * the old one, but the filter drops it. The waiter may have looked at slots before it opened the batch; it looked at no
 * token.
 *
 * PAIR(generation): weir_slot_lock() changes it, weir_slot_take() compares it, and this word stands between them.
 * PAIR(given): the same for whatever else a caller made unreachable before it deferred; and the functions on the stack.
 * PAIR(closed): all that a thread did with a batch comes before weir_epochs_close() took the lock, and so before the
 * function that runs because of it, or because of a later weir_epochs_close(), or because no batch is open any more.
 */

#include "epoch.h"

#include <errno.h>

#define NO_BATCH ((struct weir_deferred *)1)

void weir_epochs_init(struct weir_epochs *epochs) {
        pthread_mutex_init(&epochs->lock, NULL);
        atomic_init(&epochs->given, NO_BATCH);
}

void weir_epochs_deinit(struct weir_epochs *epochs) {
        pthread_mutex_destroy(&epochs->lock);
}

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

void weir_epochs_open(struct weir_epochs *epochs, struct weir_batch *batch) {
        struct weir_deferred *given;

        batch->owner = pthread_self();
        /* relaxed: a hint */
        atomic_store_explicit(&batch->reader, batch->owner, memory_order_relaxed);
        batch->newer = NULL;
        batch->deferred.first = NULL;
        WEIR_YIELD();
        pthread_mutex_lock(&epochs->lock);
        /* PAIR(given): weir_epochs_defer() that came before. PAIR(closed): carried on. */
        given = atomic_exchange_explicit(&epochs->given, NULL, WEIR_ACQUIRE(open_given));
        batch->number = ++epochs->number;
        batch->older = epochs->newest;
        if (batch->older) {
                append_stack(&batch->older->deferred, given);
                batch->older->newer = batch;
        } else {
                epochs->oldest = batch;
        }
        epochs->newest = batch;
        ++epochs->open;
        pthread_mutex_unlock(&epochs->lock);
        WEIR_YIELD();
}

void weir_epochs_close(struct weir_epochs *epochs, struct weir_batch *batch, const struct weir_counts *counts,
                       struct weir_deferred_list *due) {
        bool wake;

        WEIR_YIELD();
        /* PAIR(closed): what was done with the batch comes before what is due now or after a later close. */
        pthread_mutex_lock(&epochs->lock);
        if (batch->newer)
                batch->newer->older = batch->older;
        else
                epochs->newest = batch->older;
        if (batch->older)
                batch->older->newer = batch->newer;
        else
                epochs->oldest = batch->newer;
        weir_deferred_append(WEIR_CHECK(close_older, batch->older) ? &batch->older->deferred : due, &batch->deferred);
        /* PAIR(given): the functions given. PAIR(closed): weir_epochs_defer() that finds no batch. */
        if (!epochs->newest)
                append_stack(due, atomic_exchange_explicit(&epochs->given, NO_BATCH, WEIR_ACQ_REL(close_given)));
        batch->number = 0;
        --epochs->open;
        epochs->counts.events += counts->events;
        epochs->counts.stale += counts->stale;
        epochs->counts.wakes += counts->wakes;
        epochs->counts.requeued += counts->requeued;
        /* relaxed, and no single step: under the lock; the kernel compares the value alone */
        atomic_store_explicit(&epochs->closed, atomic_load_explicit(&epochs->closed, memory_order_relaxed) + 1,
                              memory_order_relaxed);
        wake = epochs->sleepers;
        pthread_mutex_unlock(&epochs->lock);
        if (WEIR_CHECK(close_sleepers, wake))
                weir_sys_futex_wake_all(&epochs->closed);
}

bool weir_epochs_defer(struct weir_epochs *epochs, struct weir_deferred *node) {
        struct weir_deferred *given = atomic_load_explicit(&epochs->given, memory_order_relaxed);

        for (;;) {
                WEIR_YIELD();
                if (given == NO_BATCH) {
                        /* PAIR(given): a later open sees what came before this. PAIR(closed): every close came before it. */
                        if (atomic_compare_exchange_strong_explicit(&epochs->given, &given, NO_BATCH,
                                                                    WEIR_ACQ_REL(defer_now), memory_order_relaxed))
                                return true;
                } else {
                        node->next = given;
                        /* PAIR(given): the next open, or the last close, takes the node and those below. */
                        if (atomic_compare_exchange_strong_explicit(&epochs->given, &given, node, WEIR_RELEASE(give),
                                                                    memory_order_relaxed))
                                return false;
                }
        }
}

void weir_epochs_defer_since(struct weir_epochs *epochs, struct weir_deferred *stack, weir_epoch since,
                             struct weir_deferred_list *due) {
        struct weir_batch *batch;

        pthread_mutex_lock(&epochs->lock);
        /* Not to a batch that was opened since: its reader may wait for the functions. */
        batch = epochs->newest;
        while (batch && batch->number > since)
                batch = batch->older;
        append_stack(WEIR_CHECK(since_open, batch) ? &batch->deferred : due, stack);
        pthread_mutex_unlock(&epochs->lock);
}

static bool may_not_wait(struct weir_epochs *epochs) {
        pthread_t self = pthread_self();

        for (struct weir_batch *batch = epochs->oldest; batch; batch = batch->newer)
                /* relaxed: if it is this thread, this thread wrote it */
                if (pthread_equal(batch->owner, self) ||
                    pthread_equal(atomic_load_explicit(&batch->reader, memory_order_relaxed), self))
                        return true;
        return false;
}

static bool has_passed(struct weir_epochs *epochs, weir_epoch epoch) {
        return !epochs->oldest || epochs->oldest->number > epoch;
}

/* Sleeps on the count of closed batches, so that it waits for batches alone, and not for functions that become due. */
int weir_epochs_synchronize(struct weir_epochs *epochs) {
        weir_epoch epoch;
        uint32_t closed;
        bool refused;

        pthread_mutex_lock(&epochs->lock);
        refused = WEIR_CHECK(synchronize_refused, may_not_wait(epochs));
        epoch = epochs->number;
        if (!refused)
                ++epochs->sleepers;
        while (!refused && WEIR_CHECK(synchronize_open, !has_passed(epochs, epoch))) {
                /* relaxed: under the lock */
                closed = atomic_load_explicit(&epochs->closed, memory_order_relaxed);
                pthread_mutex_unlock(&epochs->lock);
                weir_sys_futex_wait(&epochs->closed, closed);
                pthread_mutex_lock(&epochs->lock);
        }
        if (!refused)
                --epochs->sleepers;
        pthread_mutex_unlock(&epochs->lock);
        return refused ? -EDEADLK : 0;
}

weir_epoch weir_epochs_now(struct weir_epochs *epochs) {
        weir_epoch now;

        pthread_mutex_lock(&epochs->lock);
        now = epochs->number;
        pthread_mutex_unlock(&epochs->lock);
        return now;
}

bool weir_epochs_passed(struct weir_epochs *epochs, weir_epoch epoch) {
        bool passed;

        pthread_mutex_lock(&epochs->lock);
        passed = has_passed(epochs, epoch);
        pthread_mutex_unlock(&epochs->lock);
        return passed;
}

void weir_epochs_count(struct weir_epochs *epochs, struct weir_counts *ret_counts, uint64_t *ret_open) {
        pthread_mutex_lock(&epochs->lock);
        ret_counts->events = epochs->counts.events;
        ret_counts->stale = epochs->counts.stale;
        ret_counts->wakes = epochs->counts.wakes;
        ret_counts->requeued = epochs->counts.requeued;
        *ret_open = epochs->open;
        pthread_mutex_unlock(&epochs->lock);
}
