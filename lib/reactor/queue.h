/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The ready queue: slots whose readiness the kernel will not bring (again). Many producers, one consumer, intrusive.
 * Its head is one word, so that pushing and going to sleep cannot miss each other:
 *
 *    63 or 31            5   4       3       2       1        0
 *   +--------------------+------+-----------+------+--------+--------+
 *   | newest slot or 0   | LEFT |INTERRUPTED| SHUT | NESTED | PARKED |
 *   +--------------------+------+-----------+------+--------+--------+
 *
 *   PARKED       nobody will look at the queue before the eventfd is written: the consumer sleeps, or an outer set watches
 *   NESTED       weir_poll_fd() was called: an empty queue is always PARKED
 *   SHUT         the poll is destroyed: never sleep again
 *   INTERRUPTED  the wait in progress, or the next, is to return -EINTR
 *   LEFT         nobody waits, and the former consumer has kept some of what it took
 *
 *            push                    push
 *   EMPTY ----------> NON-EMPTY <------------ PARKED        the push, or the interrupt, that leaves PARKED writes the eventfd
 *     ^  \\                |                     ^
 *     |   +------- park --|---------------------+           park succeeds only from EMPTY, and not when INTERRUPTED
 *     +------ take -------+   (take goes to PARKED when NESTED)
 *
 * A push and a park are read-modify-writes of one word: one comes first. If the push does, the park fails and the
 * consumer takes the slot; if the park does, the push sees PARKED and writes. So no wake is lost, and none of a consumer
 * that is awake costs a system call.
 *
 * A slot's link to the older one says, in its lowest bit, whether it is to come before what is newer than it: it was fetched
 * once and left unread.
 */

#include "slot.h"

#define QUEUE_PARKED      ((uintptr_t)1)
#define QUEUE_NESTED      ((uintptr_t)2)
#define QUEUE_SHUT        ((uintptr_t)4)
#define QUEUE_INTERRUPTED ((uintptr_t)8)
#define QUEUE_LEFT        ((uintptr_t)16)
#define QUEUE_FLAGS       ((uintptr_t)31)

/* In a slot's link. */
#define LINK_UNREAD ((uintptr_t)1)

/* Slots that were taken from the queue, oldest first. The links are plain pointers. */
struct weir_ready_list {
        struct weir_slot *first, *last; /* first is NULL when it is empty, last is then not looked at */
};

struct weir_queue {
        _Atomic(uintptr_t) head;
};

static inline struct weir_slot *weir_link_slot(uintptr_t link) {
        return (struct weir_slot *)(link & ~QUEUE_FLAGS);
}

/*
 * Adds a slot whose LINKED bit the caller set.
 *   unread  it was in a batch, and comes before what is newer
 * True: the caller must signal the eventfd. Threads: any; signal handlers.
 */
bool weir_queue_push(struct weir_queue *queue, struct weir_slot *slot, bool unread);

/* Takes all: what was left unread is put before the first list, the rest behind the second. Threads: the consumer. */
void weir_queue_take(struct weir_queue *queue, struct weir_ready_list *unread, struct weir_ready_list *newer);

/* Adds a slot whose LINKED bit the caller set. Threads: the consumer. */
void weir_ready_list_append(struct weir_ready_list *list, struct weir_slot *slot);

/* Takes the first of a list that is not empty. */
static inline struct weir_slot *weir_ready_list_pop(struct weir_ready_list *list) {
        struct weir_slot *slot = list->first;

        list->first = weir_link_slot(slot->next);
        return slot;
}

/* Before sleeping. False: there is something to take, or the queue is shut or interrupted. Threads: the consumer. */
bool weir_queue_park(struct weir_queue *queue);

/* Sets INTERRUPTED. True: the caller must signal the eventfd. Threads: any; signal handlers. */
bool weir_queue_interrupt(struct weir_queue *queue);

/* Whether the queue was interrupted; that is over then. Threads: the consumer. */
bool weir_queue_take_interrupt(struct weir_queue *queue);

/*
 * The consumer goes, and says whether it keeps some of what it took; and a consumer begins. True: the caller must signal the
 * eventfd, for an outer set must know of what is kept, or of an interrupt.
 */
bool weir_queue_leave(struct weir_queue *queue, bool keeps);
void weir_queue_enter(struct weir_queue *queue);

/* Whether the queue is shut. Threads: any. */
bool weir_queue_is_shut(struct weir_queue *queue);

/* Sets NESTED for ever. True: the caller must signal the eventfd, for there is something that was not announced. Threads: any. */
bool weir_queue_nest(struct weir_queue *queue);

/* Sets SHUT for ever. The caller must signal the eventfd afterwards. Threads: any. */
void weir_queue_shut(struct weir_queue *queue);
