/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A slot: what the library knows of one descriptor number, or of one waker. 32 bytes, never moved, never freed before
 * the core is. All that changes without the kernel is packed in its word:
 *
 *    63        32 31  28 27 25 24   23    22     21      20        19       18         17      16  15
 *   +------------+------+-----+----+---+------+------+---------+------+----------+---------+--------+
 *   | generation | turn |     |HUNG|ASK|MISSED|LINKED|CONTENDED|LOCKED|REGISTERED|EXCLUSIVE|  mode  |
 *   +------------+------+-----+----+---+------+------+---------+------+----------+---------+--------+
 *    14   12   11   10    8   7                    0
 *   +-------+-----+--------+------------------------+
 *   | asked |ARMED| armed  |         ready          |
 *   +-------+-----+--------+------------------------+
 *
 *   generation  changes when a registration ends or is replaced. The kernel's 64 bits carry it, and the turn, beside the
 *               descriptor, so an event counts only while both agree: that comparison, at the hand-out, is what G4 and G5
 *               rest on. No two registrations of a slot are one step apart, so an event needs no lowest bit to name its own.
 *   turn        changes, in turn, when the kernel is asked afresh for a registration that stays
 *   ready       readiness that was fetched and not handed out (IN PRI OUT ERR HUP RDHUP), and two of the library's own: TIMEOUT,
 *               a hint, see deadline.h; and TRIGGERED
 *   armed       directions for which a one-shot may fire (IN PRI OUT), or was when it fired last
 *   ARMED       it may fire; one that is not ARMED has an owner
 *   asked       directions that the kernel was asked for since the registration began
 *   LOCKED      a registry call owns the kernel's side: epoll_ctl(2) and every field but ready, armed, ARMED, LINKED, MISSED,
 *               ASK and HUNG, which hand-out, harvest, rearm and queue change at any time
 *   CONTENDED   another thread sleeps until the lock is given up
 *   LINKED      the slot is in the ready queue, once; whoever sets the bit links it, whoever takes it out clears the bit
 *   MISSED      ready is of the generation or turn that the call which holds the lock is about to begin
 *   ASK         the next rearm asks the kernel: a hang-up was told, or the kernel is silent until then
 *   HUNG        the last event told a hang-up: if that comes again, it is not asked about once more
 *
 * States of a registration, and who may leave them:
 *
 *             register                       deregister, reregister (new generation)
 *   FREE ----------------> WATCHED (edge, level) ---------> FREE / WATCHED / ARMED
 *     |                       hand-out leaves it as it is
 *     |       register
 *     +------------------> ARMED ---- next, disarm, by CAS ----> OWNED   the thread that took the event owns the descriptor
 *     |                      ^                                     |     edges that come meanwhile are latched in ready
 *     |  register, held      +----------- rearm, by CAS -----------+
 *     +----------------------------------------------------------> OWNED
 *
 * Why no one-shot edge is lost: harvest adds to ready, hand-out takes from it and disarms, rearm arms and looks at it,
 * each by a read-modify-write of the one word. Whichever of harvest and rearm comes second sees the other.
 */

#include <weir/weir.h>

#include "sys.h"

#define SLOT_READY        UINT64_C(0xff)
#define SLOT_KERNEL_READY UINT64_C(0x3f) /* that of the kernel's */
#define SLOT_RDHUP        UINT64_C(0x20)
#define SLOT_HANGUP       (UINT64_C(0x10) | SLOT_RDHUP)
#define SLOT_TIMEOUT      UINT64_C(0x40)
#define SLOT_TRIGGERED    UINT64_C(0x80)
#define SLOT_OWN_READY    (SLOT_TIMEOUT | SLOT_TRIGGERED)
#define SLOT_ARMED_SHIFT  8
#define SLOT_DIRECTIONS   (UINT64_C(7) << SLOT_ARMED_SHIFT) /* the armed ones */
#define SLOT_ARMED        (UINT64_C(1) << 11)
#define SLOT_ASKED_SHIFT  12
#define SLOT_ASKED        (UINT64_C(7) << SLOT_ASKED_SHIFT)
#define SLOT_MODE         (UINT64_C(3) << 15)
#define SLOT_EDGE         (UINT64_C(0) << 15)
#define SLOT_LEVEL        (UINT64_C(1) << 15)
#define SLOT_ONESHOT      (UINT64_C(2) << 15)
#define SLOT_WAKER        (UINT64_C(3) << 15)
#define SLOT_EXCLUSIVE    (UINT64_C(1) << 17)
#define SLOT_REGISTERED   (UINT64_C(1) << 18)
#define SLOT_LOCKED       (UINT64_C(1) << 19)
#define SLOT_CONTENDED    (UINT64_C(1) << 20)
#define SLOT_LINKED       (UINT64_C(1) << 21)
#define SLOT_MISSED       (UINT64_C(1) << 22)
#define SLOT_ASK          (UINT64_C(1) << 23)
#define SLOT_HUNG         (UINT64_C(1) << 24)
#define SLOT_TURN         (UINT64_C(1) << 28) /* one step */
#define SLOT_TURNS        (UINT64_C(15) << 28)
#define SLOT_GENERATION   (UINT64_C(1) << 32) /* one step */
#define SLOT_WITHDRAWN    (3 * SLOT_GENERATION) /* to one that no entry has: the kernel was told of the next two at most */

/* What ends with a registration. */
#define SLOT_REGISTRATION                                                                                        \
        (SLOT_READY | SLOT_DIRECTIONS | SLOT_ARMED | SLOT_ASKED | SLOT_MODE | SLOT_EXCLUSIVE | SLOT_REGISTERED | \
         SLOT_ASK | SLOT_HUNG)

/*
 * The kernel's 64 bits of an event: generation and turn where the word has them, then
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
        uintptr_t next;           /* in the ready queue, see queue.h; belongs to whoever holds the LINKED bit */
        uint32_t name;            /* low bits of its data; written once, under the lock, before it is ever linked */
        uint16_t suspect;         /* the waiter's: in which generation a level event came late, see weir_slot_peek() */
        uint8_t quiet;            /* under the lock: rearms for which the kernel's own one-shot serves, see oneshot.c */
        _Atomic(uint8_t) haunted; /* whether the kernel may hold another registration of the number, see ghost.h */
};

_Static_assert(sizeof(struct weir_slot) == 32, "at most 32 bytes a descriptor");

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
/* As weir_table_find(); and who makes the slot later comes after this. */
struct weir_slot *weir_table_find_or_precede(struct weir_table *table, uint32_t index);
/* With its lock held: a slot gets its name, the low bits of its data, before it is registered for the first time. */
void weir_table_name(struct weir_table *table, struct weir_slot *slot, uint32_t index, uint32_t name);
void weir_table_free(struct weir_table *table);

/* The bits of an event that are not epoll's. */
#define WEIR_TIMEOUT   (UINT32_C(1) << 16)
#define WEIR_TRIGGERED (UINT32_C(1) << 17)

/* ready bits from and to those of an event: all of epoll(7) but RDHUP are the same. */
static inline uint64_t weir_ready_from_epoll(uint32_t events) {
        return (events & 0x1f) | (events & EPOLLRDHUP ? SLOT_RDHUP : 0);
}

static inline uint32_t weir_ready_to_epoll(uint64_t ready) {
        return (uint32_t)(ready & 0x1f) | (ready & SLOT_RDHUP ? (uint32_t)EPOLLRDHUP : 0) |
               (uint32_t)(ready & SLOT_OWN_READY) * (WEIR_TIMEOUT / (uint32_t)SLOT_TIMEOUT);
}

/* Whether events pass through ready: those of a one-shot and of a waker do. */
static inline bool weir_slot_is_latched(uint64_t word) {
        return word & SLOT_ONESHOT; /* a bit of SLOT_WAKER, too */
}

/* Where an entry and the word differ: the comparison at the heart of the filter. */
static inline uint64_t weir_slot_difference(uint64_t word, uint64_t data) {
        return word ^ data;
}

/* Whether an entry is of another generation or turn than the word. */
static inline bool weir_slot_is_other(uint64_t word, uint64_t data) {
        return weir_slot_difference(word, data) >= SLOT_TURN;
}

/* How an event names the registration that it is of: by its generation, but never 0. */
#define SLOT_REGISTRATION_NAME (~UINT64_C(1) << 32)

static inline uint32_t weir_slot_registration(uint64_t data) {
        return (uint32_t)(data / SLOT_GENERATION) | 1;
}

/* What is added to a word to get to the next turn, or to the first one. */
static inline uint64_t weir_slot_next_turn(uint64_t word) {
        return ((word + SLOT_TURN) & SLOT_TURNS) - (word & SLOT_TURNS);
}

static inline uint64_t weir_slot_first_turn(uint64_t word) {
        return UINT64_C(0) - (word & SLOT_TURNS);
}

/* The bits of a one-shot that is armed for these directions. */
static inline uint64_t weir_slot_armed_for(uint64_t directions) {
        return SLOT_ARMED | directions << SLOT_ARMED_SHIFT;
}

/* What of the kernel's readiness a one-shot that is armed for these directions may be told. */
static inline uint64_t weir_slot_told_for(uint64_t directions) {
        return directions | EPOLLERR | EPOLLHUP | (directions & EPOLLIN ? SLOT_RDHUP : 0);
}

/* What of ready may be handed out now. */
static inline uint64_t weir_slot_deliverable(uint64_t word) {
        if ((word & (SLOT_REGISTERED | SLOT_MISSED)) != SLOT_REGISTERED)
                return 0;
        if ((word & SLOT_MODE) != SLOT_ONESHOT)
                return word & SLOT_READY;
        if (!(word & SLOT_ARMED))
                return 0;
        return word & (SLOT_OWN_READY | weir_slot_told_for((word & SLOT_DIRECTIONS) >> SLOT_ARMED_SHIFT));
}

/*
 * SLOT_LINKED, if the step from word to next makes something deliverable. What was so before is already in the queue, in an
 * entry of an open batch that was not read, or about to be linked by the thread that made it so.
 */
static inline uint64_t weir_slot_link_for(uint64_t word, uint64_t next) {
        if (!weir_slot_deliverable(next) || weir_slot_deliverable(word))
                return 0;
        return SLOT_LINKED;
}

/* Whether the step from word to next links the slot: whoever sets the bit puts it on the queue. */
static inline bool weir_slot_is_linked_by(uint64_t word, uint64_t next) {
        return next & SLOT_LINKED && !(word & SLOT_LINKED);
}

/*
 * Lets the caller change the registration: waits until the slot is not LOCKED, and if the bits of mask then read value,
 * locks it, clears the bits of clear and adds add, in one step. 0, -ENOENT if they read something else, or -ECHILD: this
 * process was forked while it waited. *ret_word is the word as it was before.
 * Threads: any. Blocking: while another call holds the lock.
 */
WEIR_INLINE int weir_slot_lock(struct weir_life *life, struct weir_slot *slot, uint64_t mask, uint64_t value,
                               uint64_t clear, uint64_t add, uint64_t *ret_word);

/*
 * The same without waiting: locks the slot if it is not locked, of the generation of data, and the bits of mask read value.
 */
bool weir_slot_try_lock(struct weir_slot *slot, uint64_t data, uint64_t mask, uint64_t value, uint64_t *ret_word);

/*
 * Gives up the lock: clears the bits of clear, sets those of set, and adds generations or turns; if that is not 0, what was
 * fetched of the new one already is now ready, and nothing else of the kernel's; if it is SLOT_WITHDRAWN, nothing. True:
 * something may be handed out, LINKED is set, and the caller must put the slot on the ready queue.
 */
WEIR_INLINE bool weir_slot_unlock(struct weir_life *life, struct weir_slot *slot, uint64_t clear, uint64_t set,
                                  uint64_t generations);

/*
 * With the lock held: ends the registration, but for the bits of keep. No event and no entry matches its slot until
 * weir_slot_unlock().
 */
void weir_slot_invalidate(struct weir_slot *slot, uint64_t keep);

/*
 * Sleeps until the lock, if the slot is locked, is given up, but no longer than timeout. May return for no reason. 0, -EINTR
 * if a signal came, or -ECHILD if this process was forked meanwhile.
 */
__attribute__((cold, noinline)) int weir_slot_await(struct weir_life *life, struct weir_slot *slot, int64_t timeout);

/* Whether an entry is of a generation that the slot has left. Threads: any; a count, not a verdict. */
bool weir_slot_is_stale(struct weir_slot *slot, uint64_t data);

/*
 * The rest look at one entry of a fetched batch: data, and the epoll bits that came with it, or 0 for readiness that waits
 * in the slot itself. Threads: any, without the lock. Blocking: never.
 */

/* What became of an entry. */
enum weir_verdict {
        WEIR_STANDS, /* it would be handed out; or it was, or is to be linked, as the function says */
        WEIR_KEPT,   /* latched: it comes when the registration begins, or is armed for it */
        WEIR_AGAIN,  /* all that it tells is latched already, and may not be handed out */
        WEIR_TIMED,  /* there is a timeout with it, of which the caller has no claim: nothing was done */
        WEIR_LOCKED, /* a level-triggered one's, whose registration is being changed: the kernel will tell it again */
        WEIR_STALE,  /* of a registration that ended */
        WEIR_GHOST,  /* it proves that the kernel still holds a level-triggered registration which ended */
};

/* The claim of a timeout, see deadline.h: it stands while the word reads the value. */
struct weir_claim {
        _Atomic(int64_t) *word;
        int64_t value;
};

/*
 * Hands the entry out, if its registration still stands: the filter. Or it is KEPT, AGAIN, TIMED or STALE; KEPT, too, is a
 * level-triggered one that is LOCKED, and one that there is nothing to hand out for any more.
 *   claim  the caller's, or NULL
 */
enum weir_verdict weir_slot_take(struct weir_slot *slot, uint64_t data, uint32_t events, const struct weir_claim *claim,
                                 struct weir_event *ret_event);

/*
 * The end of each hand-out: the token, if the registration still stands. Who took something from the word did that before, so
 * that a token which was replaced before then is not read; what it took is its own, whichever turn began since.
 */
static inline bool weir_slot_take_token(struct weir_slot *slot, uint64_t data, weir_token *ret_token) {
        weir_token token;

        WEIR_YIELD();
        /* PAIR(token): a token stored later brings the change of generation before it. */
        token = atomic_load_explicit(&slot->token, memory_order_acquire);
        WEIR_YIELD();
        /* relaxed: comes after the token by the acquire above */
        if (weir_slot_difference(atomic_load_explicit(&slot->word, memory_order_relaxed), data) >= SLOT_GENERATION)
                return false;
        *ret_token = token;
        return true;
}

/*
 * weir_slot_take() for the entry that is met most: fetched, so events is not 0, of an edge- or level-triggered registration,
 * and it still stands. False: nothing was done, weir_slot_take() is to be asked.
 */
static inline bool weir_slot_take_plain(struct weir_slot *slot, uint64_t data, uint32_t events,
                                        struct weir_event *ret_event) {
        /* PAIR(registration): what was written before register or reregister. */
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);

        if (weir_slot_is_other(word, data) || weir_slot_is_latched(word) ||
            !weir_slot_take_token(slot, data, &ret_event->token))
                return false;
        ret_event->readiness = events;
        ret_event->registration = weir_slot_registration(data);
        return true;
}

/* Whether the entry would be handed out now. If not, it is done with, but for a LOCKED one. Threads: the waiter. */
enum weir_verdict weir_slot_peek(struct weir_slot *slot, uint64_t data, uint32_t events);

/*
 * Whether readiness of the registration waits in its slot already, and that of the entry was added to it: then one event
 * tells both, and the entry is done with.
 */
bool weir_slot_join(struct weir_slot *slot, uint64_t data, uint32_t events);

/* Latches the entry. True: something may be handed out, LINKED is set, and the caller must put the slot on the queue. */
bool weir_slot_offer(struct weir_slot *slot, uint64_t data, uint32_t events);

/*
 * Latches one of the library's own: of a registration, or of one that a call is about to replace. True: LINKED is set, and the
 * caller must put the slot on the queue.
 */
bool weir_slot_latch(struct weir_slot *slot, uint64_t own);

/* The slot was taken from the ready queue. Returns the data of its entry, or 0 if there is nothing to hand out. */
uint64_t weir_slot_unlink(struct weir_slot *slot);
