/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Deadlines of registrations and wakers. What a number has is one word, its moment; a heap holds the numbers, each at a place
 * that is its moment or earlier. The heap is the waiter's clock: when a place comes up, the waiter looks at the moment, and
 * either latches a timeout in the slot, or puts the number back at its moment. So to move a deadline later, or to remove it,
 * is one store:
 *
 *             set                       the place comes up                 claim               the event is handed out
 *   NONE -------------> PLACED ---------------------------> LATCHED <-----------------> CLAIMED ---------------> NONE
 *                        ^  | ^                                |          unclaim          |
 *     set, no earlier    |  | | the place comes up,            | set                       | set
 *     than its place ----+  +-+ the moment does not            v                           v
 *                                                            PLACED                      PLACED
 *
 *   NONE     left is 0. There may be a place: then nothing comes of it
 *   PLACED   left is not 0, and the place is no later than the moment
 *   LATCHED  the moment has passed, and the bit in the slot's word says so
 *   CLAIMED  left is below 0: a thread is about to hand the event out
 *
 * The moment decides, the bit is a hint: whoever is about to hand out claims the moment first, and takes the bit while the claim
 * stands. If nothing comes of that, for the registration has ended or has an owner, or the bit is gone, the claim is given back,
 * and the bit comes again. So nothing of a moment that was replaced is handed out by a call that began later, and none is handed
 * out twice: each claim is of one moment, by a step on the one word.
 *
 * Why none is lost. To set is to store the moment and then to look at the place; when a place comes up, the waiter takes the
 * number out of the heap, and then looks at the moment: all four sequentially consistent. So either the setter sees that the
 * number is not in the heap and puts it there, or the waiter sees the new moment. Likewise of the bit: the waiter stores, or has
 * seen, the moment before it latches; who takes the bit out, for the moment is not due, looks at that once more.
 * PAIR(moment): these four. PAIR(due): what was written before a moment was set is seen by the taker of its event.
 * A sleeping waiter has said until when, under the lock; who puts in an earlier place sees that, and pushes a slot of nothing.
 */

#include "core.h"

/* What there is to a number that ever had a deadline: with its place in the heap, 32 bytes. Of zeroed memory it has none. */
struct weir_deadline {
        _Atomic(int64_t) left;    /* WEIR_NEVER less the moment; less 2^63 when it is claimed */
        _Atomic(uint32_t) placed; /* where, see placed_at() in deadline.c; 0 before the heap has room for it */
        uint32_t at;              /* under the lock: its index in the heap plus 1, or 0 */
};

_Static_assert(sizeof(struct weir_deadline) + sizeof(struct weir_place) <= 32, "at most 32 bytes a deadline");

/* Sets it. 0, or -ENOMEM: only if the number never had one. name is that of the slot. */
int weir_deadline_set(struct weir_registry *core, uint32_t name, weir_time moment);

/* The registration ends, or another one begins: it has none. */
static inline void weir_deadline_end(struct weir_registry *core, uint32_t name);

/*
 * With the bit of a timeout in a slot's word: claims what is due for the caller, who hands it out or gives it back. False: nothing
 * is due, and the bit is gone, unless it comes again.
 */
bool weir_deadline_claim(struct weir_registry *core, struct weir_slot *slot, struct weir_claim *ret_claim);
void weir_deadline_unclaim(struct weir_registry *core, struct weir_slot *slot, const struct weir_claim *claim);

/* With the bit of a timeout in a slot's word: takes it out if nothing is due. */
void weir_deadline_settle(struct weir_registry *core, struct weir_slot *slot);

/* What a number has, or WEIR_NEVER. Threads: any; as it was at some moment of the call. */
weir_time weir_deadline_of(struct weir_registry *core, uint32_t name);

/* Whether any deadline was ever set, or the moment of the last fetch was asked for: then the waiter looks at the clock. */
static inline bool weir_deadlines_are_used(struct weir_registry *core) {
        /* relaxed: who sets the first one while the waiter sleeps wakes it */
        return atomic_load_explicit(&core->deadlines.used, memory_order_relaxed);
}

/* From now on they are. */
static inline void weir_deadlines_use(struct weir_registry *core) {
        /* relaxed: the waiter sees it when it is woken, or looks next */
        if (!weir_deadlines_are_used(core))
                atomic_store_explicit(&core->deadlines.used, true, memory_order_relaxed);
}

/*
 * The rest is the waiter's. Before it sleeps: how long it may, timeout at most. After the fetch: it is awake, now is the moment of
 * the fetch, and the slots for which something is due by then are added to a list, most of them at most.
 */
int64_t weir_deadlines_sleep(struct weir_registry *core, int64_t timeout);
void weir_deadlines_fetched(struct weir_registry *core, uint32_t most, struct weir_ready_list *due);

/* Makes the timer in the outer set ring at the first place. When there is one now, and when the waiter goes. */
void weir_deadlines_announce(struct weir_registry *core);

void weir_deadlines_init(struct weir_deadlines *all);
void weir_deadlines_free(struct weir_registry *core);

/* ---------------------------------------------------------------- inline */

/* That of a number, or NULL if there is no memory for it yet. */
static inline struct weir_deadline *weir_deadline_find(struct weir_registry *core, uint32_t name) {
        uint32_t offset;
        unsigned segment = weir_table_segment(name & (uint32_t)DATA_INDEX, &offset);
        struct weir_deadline *deadlines;

        /* PAIR(segment): zeroed ones are published. */
        deadlines =
                atomic_load_explicit(&core->deadlines.segments[!!(name & DATA_WAKER)][segment], memory_order_acquire);
        return deadlines ? deadlines + offset : NULL;
}

static inline void weir_deadline_end(struct weir_registry *core, uint32_t name) {
        struct weir_deadline *deadline = weir_deadline_find(core, name);

        if (deadline)
                /* relaxed: under the slot's lock, whose end orders it; its place, if it has one, means nothing any more */
                atomic_store_explicit(&deadline->left, 0, memory_order_relaxed);
}
