/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A slot: what the library knows of one descriptor number, or of one waker. 32 bytes, never moved, never freed before
 * the core is. All that changes without the kernel is packed in its word:
 *
 *    63                            28 27     22   21     20      19       18     17        16
 *   +--------------------------------+---------+----+-------+--------+------+---------+------+
 *   |           generation           |  early  |HOME|SUSPECT|REPLAYED|LINKED|CONTENDED|LOCKED|
 *   +--------------------------------+---------+----+-------+--------+------+---------+------+
 *        15         14        13  12   11    9   8     6   5                       0
 *   +----------+---------+-----------+-------+---------+---------------------------+
 *   |REGISTERED|EXCLUSIVE|   mode    | asked | armed   |           ready           |
 *   +----------+---------+-----------+-------+---------+---------------------------+
 *
 *   generation  changes when a registration ends or is replaced. The kernel's 64 bits carry it beside the descriptor, so
 *               an event counts only while both agree: that comparison, at the hand-out, is what G4 and G5 rest on.
 *   ready       readiness that was fetched and not handed out (IN PRI OUT ERR HUP RDHUP)
 *   armed       directions for which a one-shot may fire (IN PRI OUT)
 *   asked       directions that the kernel was asked for since the registration began
 *   LOCKED      a registry call owns the kernel's side: epoll_ctl(2) and every field but ready, armed, early, LINKED,
 *               REPLAYED and SUSPECT, which hand-out, harvest and queue change at any time
 *   CONTENDED   another call sleeps on the lock
 *   LINKED      the slot is in the ready queue, once; whoever sets the bit links it, whoever takes it out clears the bit
 *   REPLAYED    a hang-up was handed out by this one-shot to a reader and is not to be kept once more
 *   SUSPECT     a level event of an ended generation was fetched when nothing was under way: a ghost, if it comes again
 *   HOME        which of the core's two epoll sets holds the registration
 *   early       readiness that came for a generation that the slot does not have yet
 *
 * States of a registration, and who may leave them:
 *
 *             register                       deregister, reregister (new generation)
 *   FREE ----------------> WATCHED (edge, level) ---------> FREE / WATCHED / ARMED
 *     |                       hand-out leaves it as it is
 *     |       register
 *     +------------------> ARMED ---- next, by CAS ----> OWNED (armed = 0)
 *                            ^                             |  the thread that took the event owns the descriptor
 *                            +------- rearm, by CAS -------+  edges that come meanwhile are latched in ready
 *
 * Why no one-shot edge is lost: harvest adds to ready, hand-out takes from it and disarms, rearm arms and looks at it,
 * each by a read-modify-write of the one word. Whichever of harvest and rearm comes second sees the other.
 */

#include <weir/weir.h>

#include "sys.h"

#define SLOT_READY       UINT64_C(0x3f)
#define SLOT_ARMED_SHIFT 6
#define SLOT_ARMED       (UINT64_C(7) << SLOT_ARMED_SHIFT)
#define SLOT_ASKED_SHIFT 9
#define SLOT_ASKED       (UINT64_C(7) << SLOT_ASKED_SHIFT)
#define SLOT_MODE        (UINT64_C(3) << 12)
#define SLOT_EDGE        (UINT64_C(0) << 12)
#define SLOT_LEVEL       (UINT64_C(1) << 12)
#define SLOT_ONESHOT     (UINT64_C(2) << 12)
#define SLOT_WAKER       (UINT64_C(3) << 12)
#define SLOT_EXCLUSIVE   (UINT64_C(1) << 14)
#define SLOT_REGISTERED  (UINT64_C(1) << 15)
#define SLOT_LOCKED      (UINT64_C(1) << 16)
#define SLOT_CONTENDED   (UINT64_C(1) << 17)
#define SLOT_LINKED      (UINT64_C(1) << 18)
#define SLOT_REPLAYED    (UINT64_C(1) << 19)
#define SLOT_SUSPECT     (UINT64_C(1) << 20)
#define SLOT_HOME        (UINT64_C(1) << 21)
#define SLOT_EARLY_SHIFT 22
#define SLOT_EARLY       (UINT64_C(0x3f) << SLOT_EARLY_SHIFT)
#define SLOT_GENERATION  (UINT64_C(1) << 28) /* one step */

/* What ends with a registration. */
#define SLOT_REGISTRATION                                                                                      \
        (SLOT_READY | SLOT_ARMED | SLOT_ASKED | SLOT_MODE | SLOT_EXCLUSIVE | SLOT_REGISTERED | SLOT_REPLAYED | \
         SLOT_SUSPECT)

/*
 * The kernel's 64 bits of an event: the generation where the word has it, then
 *    27    26    25                       0
 *   WAKER LEVEL  descriptor or waker's index
 */
#define DATA_WAKER   (UINT64_C(1) << 27)
#define DATA_LEVEL   (UINT64_C(1) << 26)
#define DATA_INDEX   ((UINT64_C(1) << 26) - 1)
#define DATA_EVENTFD UINT64_MAX /* the eventfd */

struct weir_slot {
        _Atomic(uint64_t) word;
        _Atomic(weir_token) token;
        struct weir_slot *next; /* in the ready queue; belongs to whoever holds the LINKED bit */
        uint32_t name;          /* low bits of its data; written once, under the lock, before it is ever linked */
};

/*
 * Segments double in size: they cover every descriptor that data can hold, and none is ever moved. The first one has nearly
 * every descriptor there is, so that it is found at once; it is address space, of which only the pages in use take room.
 */
#ifndef WEIR_FIRST_SEGMENT_SHIFT
#define WEIR_FIRST_SEGMENT_SHIFT 15
#endif
#define WEIR_SEGMENTS (27 - WEIR_FIRST_SEGMENT_SHIFT)

struct weir_table {
        _Atomic(struct weir_slot *) segments[WEIR_SEGMENTS];
        _Atomic(uint32_t) limit; /* above every index that was ever named; spares who looks at all slots the rest */
};

static inline unsigned weir_table_segment(uint32_t index, uint32_t *ret_offset) {
        uint32_t x = index + (UINT32_C(1) << WEIR_FIRST_SEGMENT_SHIFT);
        unsigned highest = 31U ^ (unsigned)__builtin_clz(x); /* as compilers know the number of the highest bit */

        *ret_offset = x ^ (UINT32_C(1) << highest);
        return highest - WEIR_FIRST_SEGMENT_SHIFT;
}

static inline uint32_t weir_table_segment_size(unsigned segment) {
        return UINT32_C(1) << (segment + WEIR_FIRST_SEGMENT_SHIFT);
}

/* The slot of an index that DATA_INDEX can hold, or NULL when there is no memory for it yet. */
static inline struct weir_slot *weir_table_find(struct weir_table *table, uint32_t index) {
        uint32_t offset = index;
        unsigned segment = 0;
        struct weir_slot *slots;

        if (__builtin_expect(index >= weir_table_segment_size(0), 0))
                segment = weir_table_segment(index, &offset);
        /* PAIR(segment): weir_table_make() publishes zeroed slots. */
        slots = atomic_load_explicit(&table->segments[segment], memory_order_acquire);
        return slots ? slots + offset : NULL;
}

struct weir_slot *weir_table_make(struct weir_table *table, uint32_t index); /* NULL when out of memory */
/* With its lock held: a slot gets its name, the low bits of its data, before it is registered for the first time. */
void weir_table_name(struct weir_table *table, struct weir_slot *slot, uint32_t index, uint32_t name);
void weir_table_free(struct weir_table *table);

/* ready bits from and to those of epoll(7): all but RDHUP are the same. */
static inline uint64_t weir_ready_from_epoll(uint32_t events) {
        return (events & 0x1f) | (events & EPOLLRDHUP ? 0x20 : 0);
}

static inline uint32_t weir_ready_to_epoll(uint64_t ready) {
        return (uint32_t)(ready & 0x1f) | (ready & 0x20 ? (uint32_t)EPOLLRDHUP : 0);
}

/* Whether events pass through ready: those of a one-shot and of a waker do. */
static inline bool weir_slot_is_latched(uint64_t word) {
        return word & SLOT_ONESHOT; /* a bit of SLOT_WAKER, too */
}

/* Whether an entry is of another generation than the word: the comparison at the heart of the filter. */
static inline bool weir_slot_is_other(uint64_t word, uint64_t data) {
        return (word ^ data) >= SLOT_GENERATION;
}

/* What of ready may be handed out now. */
static inline uint64_t weir_slot_deliverable(uint64_t word) {
        bool oneshot = (word & SLOT_MODE) == SLOT_ONESHOT;
        uint64_t directions =
                oneshot ? (word & SLOT_ARMED) >> SLOT_ARMED_SHIFT : (word & SLOT_ASKED) >> SLOT_ASKED_SHIFT;
        uint64_t mask = directions | EPOLLERR | EPOLLHUP | (directions & EPOLLIN ? 0x20 : 0);

        return directions && word & SLOT_REGISTERED ? word & SLOT_READY & mask : 0;
}

/*
 * SLOT_LINKED, if the step from word to next makes something deliverable. What was so before is already in the queue, in an
 * entry of an open batch that was not read, or about to be linked by the thread that made it so.
 */
static inline uint64_t weir_slot_link_for(uint64_t word, uint64_t next) {
        if (weir_slot_deliverable(next) && !weir_slot_deliverable(word))
                return SLOT_LINKED;
        return 0;
}

/* Whether the step from word to next links the slot: whoever sets the bit puts it on the queue. */
static inline bool weir_slot_is_linked_by(uint64_t word, uint64_t next) {
        return next & SLOT_LINKED && !(word & SLOT_LINKED);
}

/*
 * Lets the caller change the registration: waits until the slot is not LOCKED, and if the bits of mask then read value,
 * locks it, clears the bits of clear and adds add, in one step. Returns whether it did; *ret_word is the word as it was
 * before. Threads: any. Blocking: while another call holds the lock.
 */
WEIR_INLINE bool weir_slot_lock(struct weir_slot *slot, uint64_t mask, uint64_t value, uint64_t clear, uint64_t add,
                                uint64_t *ret_word);

/*
 * Gives up the lock: clears the bits of clear, sets those of set, and adds generations; if that is not 0, what came early
 * is now ready. True: something may be handed out, LINKED is set, and the caller must put the slot on the ready queue.
 */
WEIR_INLINE bool weir_slot_unlock(struct weir_slot *slot, uint64_t clear, uint64_t set, uint64_t generations);

/* With the lock held: ends the registration. No event and no entry matches its slot until weir_slot_unlock(). */
void weir_slot_invalidate(struct weir_slot *slot);

/* Waits until the lock that word shows is given up, and returns a newer word. */
uint64_t weir_slot_await(struct weir_slot *slot, uint64_t word);

/* Whether an entry is of a generation that the slot has left. Threads: any; a count, not a verdict. */
bool weir_slot_is_stale(struct weir_slot *slot, uint64_t data);

/*
 * The next three look at one entry of a fetched batch: data, and the epoll bits that came with it, or 0 for readiness
 * that waits in the slot itself. Threads: any, without the lock. Blocking: never.
 */

/* Hands the entry out, if its registration still stands: the filter. */
bool weir_slot_take(struct weir_slot *slot, uint64_t data, uint32_t events, struct weir_event *ret_event);

/*
 * The same for the entry that is met most: fetched, so events is not 0, of an edge- or level-triggered registration, and it
 * still stands. False: nothing was done, weir_slot_take() is to be asked.
 */
static inline bool weir_slot_take_plain(struct weir_slot *slot, uint64_t data, uint32_t events,
                                        struct weir_event *ret_event) {
        /* PAIR(registration): what was written before register or reregister. */
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
        weir_token token;

        if (weir_slot_is_other(word, data) || weir_slot_is_latched(word))
                return false;
        WEIR_YIELD();
        /* PAIR(token): a token stored later brings the change of generation before it. */
        token = atomic_load_explicit(&slot->token, memory_order_acquire);
        WEIR_YIELD();
        /* relaxed: comes after the token by the acquire above */
        word = atomic_load_explicit(&slot->word, memory_order_relaxed);
        if (weir_slot_is_other(word, data))
                return false;
        ret_event->token = token;
        ret_event->readiness = events;
        return true;
}

/*
 * Whether the entry would be handed out now. If not, it is done with: a one-shot's is latched, a stale one's is noted,
 * and *ghost is set if it proves that the kernel still holds a level-triggered registration which ended.
 */
bool weir_slot_peek(struct weir_slot *slot, uint64_t data, uint32_t events, bool *ghost);

/* Latches the entry. True: something may be handed out, LINKED is set, and the caller must put the slot on the queue. */
bool weir_slot_offer(struct weir_slot *slot, uint64_t data, uint32_t events);

/* The slot was taken from the ready queue. Returns the data of its entry, or 0 if there is nothing to hand out. */
uint64_t weir_slot_unlink(struct weir_slot *slot);
