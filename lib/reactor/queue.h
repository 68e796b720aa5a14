/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The ready queue: slots whose readiness the kernel will not bring (again). Many producers, one consumer, intrusive.
 * Its head is one word, so that pushing and going to sleep cannot miss each other:
 *
 *    63 or 31            3    2       1        0
 *   +--------------------+--------+--------+--------+
 *   | newest slot or 0   |  SHUT  | NESTED | PARKED |
 *   +--------------------+--------+--------+--------+
 *
 *   PARKED  nobody will look at the queue before the eventfd is written: the consumer sleeps, or an outer set watches
 *   NESTED  weir_poll_fd() was called: an empty queue is always PARKED
 *   SHUT    the poll is destroyed: never sleep again
 *
 *            push                    push
 *   EMPTY ----------> NON-EMPTY <------------ PARKED        the push that leaves PARKED writes the eventfd
 *     ^  \\                |                     ^
 *     |   +------- park --|---------------------+           park succeeds only from EMPTY
 *     +------ take -------+   (take goes to PARKED when NESTED)
 *
 * A push and a park are read-modify-writes of one word: one comes first. If the push does, the park fails and the
 * consumer takes the slot; if the park does, the push sees PARKED and writes. So no wake is lost, and none of a consumer
 * that is awake costs a system call.
 */

#include "slot.h"

#define QUEUE_PARKED ((uintptr_t)1)
#define QUEUE_NESTED ((uintptr_t)2)
#define QUEUE_SHUT   ((uintptr_t)4)
#define QUEUE_FLAGS  ((uintptr_t)7)

struct weir_queue {
        _Atomic(uintptr_t) head;
};

/* Adds a slot whose LINKED bit the caller set. True: the caller must signal the eventfd. Threads: any; signal handlers. */
bool weir_queue_push(struct weir_queue *queue, struct weir_slot *slot);

/* Takes all, oldest first, or NULL. Threads: the consumer. */
struct weir_slot *weir_queue_take(struct weir_queue *queue);

/* Before sleeping. False: there is something to take, or the queue is shut. Threads: the consumer. */
bool weir_queue_park(struct weir_queue *queue);

/* Whether the queue is shut. Threads: any. */
bool weir_queue_is_shut(struct weir_queue *queue);
bool weir_queue_is_nested(struct weir_queue *queue);

/* Set a flag for ever. The caller must signal the eventfd afterwards. Threads: any. */
void weir_queue_nest(struct weir_queue *queue);
void weir_queue_shut(struct weir_queue *queue);
