/* SPDX-License-Identifier: MIT */

/* The ready queue: see queue.h for its word and why no wake is lost. */

#include "queue.h"

static struct weir_slot *slot_of(uintptr_t head) {
        return (struct weir_slot *)(head & ~QUEUE_FLAGS);
}

bool weir_queue_push(struct weir_queue *queue, struct weir_slot *slot) {
        uintptr_t head = atomic_load_explicit(&queue->head, memory_order_relaxed), next;

        do {
                WEIR_YIELD();
                slot->next = slot_of(head);
                next = (uintptr_t)slot | (head & (QUEUE_NESTED | QUEUE_SHUT));
                /*
                 * PAIR(queue): weir_queue_take() gets the slot, its link, and those that were there before. A push reads the
                 * head of another push: as a read-modify-write it carries that one's release on.
                 */
        } while (!atomic_compare_exchange_strong_explicit(&queue->head, &head, next, memory_order_release,
                                                          memory_order_relaxed));
        return head & QUEUE_PARKED;
}

struct weir_slot *weir_queue_take(struct weir_queue *queue) {
        struct weir_slot *newest, *oldest = NULL, *next;
        uintptr_t head = atomic_load_explicit(&queue->head, memory_order_relaxed), empty;

        do {
                WEIR_YIELD();
                empty = (head & (QUEUE_NESTED | QUEUE_SHUT)) | (head & QUEUE_NESTED ? QUEUE_PARKED : 0);
                /*
                 * The step of one that is NESTED is made even if it changes nothing: it proves that the word is not older than
                 * the signal that was fetched. Otherwise only a word that this thread parked is signalled for.
                 */
                if (head == empty && !(head & QUEUE_NESTED))
                        return NULL;
                /* PAIR(queue): the links that weir_queue_push() wrote. */
        } while (!atomic_compare_exchange_strong_explicit(&queue->head, &head, empty, memory_order_acquire,
                                                          memory_order_relaxed));
        for (newest = slot_of(head); newest; newest = next) {
                next = newest->next;
                newest->next = oldest;
                oldest = newest;
        }
        return oldest;
}

bool weir_queue_park(struct weir_queue *queue) {
        uintptr_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);

        do {
                WEIR_YIELD();
                if (slot_of(head) || head & QUEUE_SHUT)
                        return false;
                if (head & QUEUE_PARKED)
                        return true;
                /*
                 * relaxed: the word alone decides whether the push or the park came first; it carries nothing else.
                 * PAIR(shut): weir_queue_shut(), likewise.
                 */
        } while (!atomic_compare_exchange_strong_explicit(&queue->head, &head, head | QUEUE_PARKED,
                                                          memory_order_relaxed, memory_order_relaxed));
        return true;
}

bool weir_queue_is_shut(struct weir_queue *queue) {
        /* relaxed: the flag alone counts */
        return atomic_load_explicit(&queue->head, memory_order_relaxed) & QUEUE_SHUT;
}

bool weir_queue_is_nested(struct weir_queue *queue) {
        /* relaxed: the flag alone counts */
        return atomic_load_explicit(&queue->head, memory_order_relaxed) & QUEUE_NESTED;
}

void weir_queue_nest(struct weir_queue *queue) {
        uintptr_t head = atomic_load_explicit(&queue->head, memory_order_relaxed), next;

        do
                next = head | QUEUE_NESTED | (slot_of(head) ? 0 : QUEUE_PARKED);
        /* relaxed: the flag carries nothing with it, and a read-modify-write carries on what a push released */
        while (!atomic_compare_exchange_strong_explicit(&queue->head, &head, next, memory_order_relaxed,
                                                        memory_order_relaxed));
}

void weir_queue_shut(struct weir_queue *queue) {
        /*
         * PAIR(shut): weir_queue_park() comes after this, or the signal that follows comes after the parking and ends the sleep.
         * Acquire, so that the signal is not seen first.
         */
        atomic_fetch_or_explicit(&queue->head, QUEUE_SHUT, memory_order_acquire);
}
