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

        while (runner && !WEIR_CHECK(is_runner, pthread_equal(runner->thread, pthread_self())))
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

/* Under the lock: the thread, which is no runner, becomes one with something due. */
static void become_runner(struct weir_epochs *epochs, struct weir_runner *runner, struct weir_deferred_list *due) {
        runner->thread = pthread_self();
        runner->due.first = due->first;
        runner->due.last = due->last;
        runner->held.first = NULL;
        runner->held_at = 0;
        runner->next = epochs->runners;
        epochs->runners = runner;
}

static void stop_running(struct weir_epochs *epochs, struct weir_runner *runner) {
        struct weir_runner **link = &epochs->runners;

        while (*link != runner)
                link = &(*link)->next;
        *link = runner->next;
}

void weir_epochs_open(struct weir_epochs *epochs, struct weir_batch *batch) {
        batch->owner = pthread_self();
        /* relaxed: a hint */
        atomic_store_explicit(&batch->reader, batch->owner, memory_order_relaxed);
        batch->newer = NULL;
        batch->deferred.first = NULL;
        WEIR_YIELD();
        pthread_mutex_lock(&epochs->lock);
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

bool weir_epochs_close(struct weir_epochs *epochs, struct weir_batch *batch, const struct weir_counts *counts,
                       struct weir_runner *runner) {
        struct weir_deferred_list due = { NULL, NULL };
        struct weir_runner *outer;
        bool wake, run = false;

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
        append(WEIR_CHECK(close_older, batch->older) ? &batch->older->deferred : &due, &batch->deferred);
        batch->number = 0;
        --epochs->open;
        epochs->counts.events += counts->events;
        epochs->counts.stale += counts->stale;
        epochs->counts.wakes += counts->wakes;
        epochs->counts.requeued += counts->requeued;
        /* relaxed: under the lock; the kernel compares the value alone */
        atomic_fetch_add_explicit(&epochs->closed, 1, memory_order_relaxed);
        wake = epochs->sleepers;
        if (due.first) {
                outer = find_runner(epochs);
                run = !outer;
                if (outer)
                        append(&outer->due, &due);
                else
                        become_runner(epochs, runner, &due);
        }
        pthread_mutex_unlock(&epochs->lock);
        if (WEIR_CHECK(close_sleepers, wake))
                weir_sys_futex_wake_all(&epochs->closed);
        return run;
}

bool weir_epochs_defer(struct weir_epochs *epochs, struct weir_deferred *node, struct weir_runner *runner) {
        struct weir_deferred_list list = { node, node };
        struct weir_runner *outer;
        bool run;

        node->next = NULL;
        WEIR_YIELD();
        pthread_mutex_lock(&epochs->lock);
        outer = find_runner(epochs);
        run = !outer && !WEIR_CHECK(defer_open, epochs->newest);
        if (run)
                become_runner(epochs, runner, &list);
        else
                append(outer ? &outer->held : &epochs->newest->deferred, &list);
        if (outer)
                outer->held_at = epochs->number;
        pthread_mutex_unlock(&epochs->lock);
        return run;
}

struct weir_deferred *weir_epochs_next(struct weir_epochs *epochs, struct weir_runner *runner) {
        struct weir_deferred *node;
        struct weir_batch *batch;

        if (runner->held.first || !runner->due.first) {
                pthread_mutex_lock(&epochs->lock);
                /* Not to a batch that was opened since: its reader may wait for what is held. */
                batch = epochs->newest;
                while (batch && batch->number > runner->held_at)
                        batch = batch->older;
                append(WEIR_CHECK(held_open, batch) ? &batch->deferred : &runner->due, &runner->held);
                runner->held.first = NULL;
                if (!runner->due.first)
                        stop_running(epochs, runner);
                pthread_mutex_unlock(&epochs->lock);
        }
        node = runner->due.first;
        if (node)
                runner->due.first = node->next;
        return node;
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
