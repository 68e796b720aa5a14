/* SPDX-License-Identifier: MIT */

/*
 * Batches and deferred functions: see epoch.h for the states. Read weir_epochs_defer() and weir_epochs_close() first.
 *
 * Why a deferred function may free what a token points to, though a wait in progress holds nothing up. A thread
 * deregisters (the generation of the slot changes) and then takes the lock in weir_epochs_defer(). The waiter takes the
 * lock in weir_epochs_open() after its fetch and before the first weir_events_next() of the batch. One of the two comes
 * first. If the waiter does, its batch is in the list and the function waits for it. If the deferring thread does, the
 * lock makes the new generation visible to the waiter: the batch may hold an event of the old one, but the filter drops
 * it. The waiter may have looked at slots before it opened the batch; it looked at no token.
 *
 * PAIR(generation): weir_slot_lock() changes it, weir_slot_take() compares it, and this lock stands between them.
 * PAIR(closed): all that a thread did with a batch comes before weir_epochs_close() took the lock, and so before the
 * function that runs because of it, or because of a later weir_epochs_close().
 */

#include "epoch.h"

#include <errno.h>

void weir_epochs_init(struct weir_epochs *epochs) {
        pthread_mutex_init(&epochs->lock, NULL);
}

void weir_epochs_deinit(struct weir_epochs *epochs) {
        pthread_mutex_destroy(&epochs->lock);
}

static struct weir_runner *find_runner(struct weir_epochs *epochs) {
        struct weir_runner *runner = epochs->runners;
        pthread_t self = pthread_self();

        while (runner && !pthread_equal(runner->thread, self))
                runner = runner->next;
        return runner;
}

static void append(struct weir_deferred_list *list, struct weir_deferred_list *more) {
        if (!more->first)
                return;
        if (list->first)
                list->last->next = more->first;
        else
                list->first = more->first;
        list->last = more->last;
}

bool weir_epochs_enter(struct weir_epochs *epochs, struct weir_runner *runner, struct weir_deferred_list *due) {
        struct weir_runner *outer;

        runner->thread = pthread_self();
        runner->due.first = due->first;
        runner->due.last = due->last;
        pthread_mutex_lock(&epochs->lock);
        outer = find_runner(epochs);
        if (!outer) {
                runner->next = epochs->runners;
                epochs->runners = runner;
        }
        pthread_mutex_unlock(&epochs->lock);
        if (outer)
                append(&outer->due, due);
        return !outer;
}

void weir_epochs_leave(struct weir_epochs *epochs, struct weir_runner *runner) {
        struct weir_runner **link;

        pthread_mutex_lock(&epochs->lock);
        for (link = &epochs->runners; *link != runner;)
                link = &(*link)->next;
        *link = runner->next;
        pthread_mutex_unlock(&epochs->lock);
}

void weir_epochs_open(struct weir_epochs *epochs, struct weir_batch *batch) {
        pthread_t self = pthread_self();

        /* relaxed: a hint */
        atomic_store_explicit(&batch->reader, self, memory_order_relaxed);
        batch->newer = NULL;
        batch->deferred.first = NULL;
        WEIR_YIELD();
        pthread_mutex_lock(&epochs->lock);
        batch->owner = self;
        batch->number = ++epochs->number;
        batch->older = epochs->newest;
        if (batch->older)
                batch->older->newer = batch;
        else
                epochs->oldest = batch;
        epochs->newest = batch;
        ++epochs->open;
        pthread_mutex_unlock(&epochs->lock);
        WEIR_YIELD();
}

void weir_epochs_close(struct weir_epochs *epochs, struct weir_batch *batch, const struct weir_counts *counts,
                       struct weir_deferred_list *ret_due) {
        bool wake;

        ret_due->first = NULL;
        WEIR_YIELD();
        /* PAIR(closed): what was done with the batch comes before what is due now or after a later close. */
        pthread_mutex_lock(&epochs->lock);
        if (batch->newer)
                batch->newer->older = batch->older;
        else
                epochs->newest = batch->older;
        if (batch->older) {
                batch->older->newer = batch->newer;
                append(&batch->older->deferred, &batch->deferred);
        } else {
                epochs->oldest = batch->newer;
                ret_due->first = batch->deferred.first;
                ret_due->last = batch->deferred.last;
        }
        batch->number = 0;
        --epochs->open;
        epochs->counts.events += counts->events;
        epochs->counts.stale += counts->stale;
        epochs->counts.wakes += counts->wakes;
        epochs->counts.requeued += counts->requeued;
        /* relaxed: under the lock; the kernel compares the value alone */
        atomic_fetch_add_explicit(&epochs->closed, 1, memory_order_relaxed);
        wake = epochs->sleepers;
        pthread_mutex_unlock(&epochs->lock);
        if (wake)
                weir_sys_futex_wake_all(&epochs->closed);
}

bool weir_epochs_defer(struct weir_epochs *epochs, struct weir_deferred *node) {
        struct weir_deferred_list list = { node, node };
        bool waits;

        node->next = NULL;
        WEIR_YIELD();
        pthread_mutex_lock(&epochs->lock);
        waits = WEIR_CHECK(defer_open, epochs->newest);
        if (waits)
                append(&epochs->newest->deferred, &list);
        pthread_mutex_unlock(&epochs->lock);
        return waits;
}

static bool may_not_wait(struct weir_epochs *epochs) {
        pthread_t self = pthread_self();

        for (struct weir_batch *batch = epochs->oldest; batch; batch = batch->newer)
                /* relaxed: if it is this thread, this thread wrote it */
                if (pthread_equal(batch->owner, self) ||
                    pthread_equal(atomic_load_explicit(&batch->reader, memory_order_relaxed), self))
                        return true;
        return find_runner(epochs);
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
        refused = may_not_wait(epochs);
        epoch = epochs->number;
        if (!refused)
                ++epochs->sleepers;
        while (!refused && !has_passed(epochs, epoch)) {
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
