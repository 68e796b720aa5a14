/* SPDX-License-Identifier: MIT */

/* The ready queue: see queue.h for its word and why no wake is lost. */

#include "queue.h"

_Static_assert(sizeof(struct weir_slot) % (QUEUE_FLAGS + 1) == 0, "room for the flags: slots lie on cache lines");

bool weir_queue_push(struct weir_queue *queue, struct weir_slot *slot, bool unread) {
        uintptr_t head = atomic_load_explicit(&queue->head, memory_order_relaxed), next;

        do {
                WEIR_YIELD();
                slot->next = (head & ~QUEUE_FLAGS) | (unread ? LINK_UNREAD : 0);
                next = (uintptr_t)slot | (head & (QUEUE_FLAGS & ~QUEUE_PARKED));
                /*
                 * PAIR(queue): weir_queue_take() gets the slot, its link, and those that were there before. A push reads the
                 * head of another push: as a read-modify-write it carries that one's release on.
                 */
        } while (!atomic_compare_exchange_strong_explicit(&queue->head, &head, next, memory_order_release,
                                                          memory_order_relaxed));
        return head & QUEUE_PARKED;
}

void weir_ready_list_append(struct weir_ready_list *list, struct weir_slot *slot) {
        slot->next = 0;
        if (list->first)
                list->last->next = (uintptr_t)slot;
        else
                list->first = slot;
        list->last = slot;
}

static void prepend(struct weir_ready_list *list, struct weir_slot *slot) {
        slot->next = (uintptr_t)list->first;
        if (!list->first)
                list->last = slot;
        list->first = slot;
}

void weir_queue_take(struct weir_queue *queue, struct weir_ready_list *unread, struct weir_ready_list *newer) {
        uintptr_t head = atomic_load_explicit(&queue->head, memory_order_relaxed), empty, next;
        struct weir_slot *slot, *oldest = NULL;

        do {
                WEIR_YIELD();
                empty = (head & (QUEUE_FLAGS & ~QUEUE_PARKED)) | (head & QUEUE_NESTED ? QUEUE_PARKED : 0);
                /*
                 * The step of one that is NESTED is made even if it changes nothing: it proves that the word is not older than
                 * the signal that was fetched. Otherwise only a word that this thread parked is signalled for.
                 */
                if (head == empty && !(head & QUEUE_NESTED))
                        return;
                /* PAIR(queue): the links that weir_queue_push() wrote. */
        } while (!atomic_compare_exchange_strong_explicit(&queue->head, &head, empty, memory_order_acquire,
                                                          memory_order_relaxed));
        /* Newest first: those that were left unread are put before each other, the rest is turned round. */
        for (slot = weir_link_slot(head); slot; slot = weir_link_slot(next)) {
                next = slot->next;
                if (next & LINK_UNREAD) {
                        prepend(unread, slot);
                } else {
                        slot->next = (uintptr_t)oldest;
                        oldest = slot;
                }
        }
        for (; oldest; oldest = weir_link_slot(next)) {
                next = oldest->next;
                weir_ready_list_append(newer, oldest);
        }
}

bool weir_queue_park(struct weir_queue *queue) {
        uintptr_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);

        do {
                WEIR_YIELD();
                if (weir_link_slot(head) || head & (QUEUE_SHUT | QUEUE_INTERRUPTED))
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

bool weir_queue_interrupt(struct weir_queue *queue) {
        uintptr_t head = atomic_load_explicit(&queue->head, memory_order_relaxed), next;

        do {
                WEIR_YIELD();
                next = (head & ~QUEUE_PARKED) | QUEUE_INTERRUPTED;
                /* PAIR(interrupt): the thread whose wait it ends sees what the caller wrote before, a flag for instance. */
        } while (!atomic_compare_exchange_strong_explicit(&queue->head, &head, next, memory_order_release,
                                                          memory_order_relaxed));
        return head & QUEUE_PARKED;
}

bool weir_queue_take_interrupt(struct weir_queue *queue) {
        uintptr_t head = atomic_load_explicit(&queue->head, memory_order_relaxed), next;

        do {
                if (!(head & QUEUE_INTERRUPTED))
                        return false;
                next = head & ~QUEUE_INTERRUPTED;
                if (head & QUEUE_NESTED && !weir_link_slot(head))
                        next |= QUEUE_PARKED;
                /* PAIR(interrupt): weir_queue_interrupt(), all of those that came together. */
        } while (!atomic_compare_exchange_strong_explicit(&queue->head, &head, next, memory_order_acquire,
                                                          memory_order_relaxed));
        return true;
}

bool weir_queue_leave(struct weir_queue *queue, bool keeps) {
        /* relaxed: of one that is NESTED, weir_queue_take() proved that it is not older than the signal that was fetched */
        uintptr_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);

        if (keeps)
                /* relaxed: of this and weir_queue_nest(), the one that comes second sees the other's flag */
                head = atomic_fetch_or_explicit(&queue->head, QUEUE_LEFT, memory_order_relaxed);
        return head & QUEUE_NESTED && (keeps || head & QUEUE_INTERRUPTED);
}

void weir_queue_enter(struct weir_queue *queue) {
        /* relaxed: what it stands for is the consumer's alone */
        if (atomic_load_explicit(&queue->head, memory_order_relaxed) & QUEUE_LEFT)
                atomic_fetch_and_explicit(&queue->head, ~QUEUE_LEFT, memory_order_relaxed);
}

bool weir_queue_is_shut(struct weir_queue *queue) {
        /* relaxed: the flag alone counts */
        return atomic_load_explicit(&queue->head, memory_order_relaxed) & QUEUE_SHUT;
}

bool weir_queue_nest(struct weir_queue *queue) {
        uintptr_t head = atomic_load_explicit(&queue->head, memory_order_relaxed), next;

        do
                next = head | QUEUE_NESTED | (weir_link_slot(head) ? 0 : QUEUE_PARKED);
        /* relaxed: the flag carries nothing with it, and a read-modify-write carries on what a push released */
        while (!atomic_compare_exchange_strong_explicit(&queue->head, &head, next, memory_order_relaxed,
                                                        memory_order_relaxed));
        return weir_link_slot(head) || head & (QUEUE_LEFT | QUEUE_INTERRUPTED | QUEUE_SHUT);
}

void weir_queue_shut(struct weir_queue *queue) {
        /*
         * PAIR(shut): weir_queue_park() comes after this, or the signal that follows comes after the parking and ends the sleep.
         * Acquire, so that the signal is not seen first.
         */
        atomic_fetch_or_explicit(&queue->head, QUEUE_SHUT, memory_order_acquire);
}
