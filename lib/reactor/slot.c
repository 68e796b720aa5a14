/* SPDX-License-Identifier: MIT */

/*
 * The table of slots, their lock, and the life of an entry from the fetch to the hand-out. The word is described in
 * slot.h. Read weir_slot_take() first: it is the filter.
 *
 * Why the filter is right. A registry call that ends a registration first changes the generation, then the kernel, then
 * returns. A hand-out that begins after the return sees the new generation, for it happens after: it finds the entry
 * stale. The token is read last but for one look at the word: a newer token is stored with release order after its generation
 * changed, so whoever reads it sees the change in that look. A retoken leaves the generation: a hand-out that took the
 * one-shot from a thread which replaced the token reads the new one, for it reads it after it took.
 */

#include "slot.h"

#include "mutex.h"

#include <errno.h>

static size_t segment_bytes(unsigned segment) {
        return weir_table_segment_size(segment) * sizeof(struct weir_slot);
}

struct weir_slot *weir_table_make(struct weir_table *table, uint32_t index) {
        struct weir_slot *slots, *none = NULL;
        uint32_t offset;
        unsigned segment = weir_table_segment(index, &offset);

        for (;;) {
                /*
                 * PAIR(rebuild): sequentially consistent with weir_sets_rebuild(), which publishes the new set and then looks
                 * for segments, while a registration publishes its segment and then looks for the set; or sees here that
                 * another thread has published it, and then looks.
                 */
                slots = atomic_load_explicit(&table->segments[segment], memory_order_seq_cst);
                if (slots)
                        return slots + offset;
                slots = weir_sys_alloc(segment_bytes(segment));
                if (!slots)
                        return NULL;
                /* PAIR(segment): weir_table_find() finds zeroed slots. */
                if (atomic_compare_exchange_strong_explicit(&table->segments[segment], &none, slots,
                                                            memory_order_seq_cst, memory_order_relaxed))
                        return slots + offset;
                weir_sys_free(slots, segment_bytes(segment));
        }
}

struct weir_slot *weir_table_find_or_precede(struct weir_table *table, uint32_t index) {
        struct weir_slot *none = NULL;
        uint32_t offset;
        unsigned segment = weir_table_segment(index, &offset);

        /* PAIR(all): a step, though it changes nothing: weir_table_make() comes after it. */
        if (atomic_compare_exchange_strong_explicit(&table->segments[segment], &none, NULL, memory_order_release,
                                                    memory_order_relaxed))
                return NULL;
        return weir_table_find(table, index);
}

void weir_table_name(struct weir_table *table, struct weir_slot *slot, uint32_t index, uint32_t name) {
        /* PAIR(all): if another one has raised it since weir_trigger_all() looked, that comes before this. */
        uint32_t limit = atomic_load_explicit(&table->limit, memory_order_acquire);

        if (slot->name != name)
                slot->name = name;
        /* PAIR(all): weir_trigger_all() comes after this and looks at the slot, or came before, with what its caller wrote. */
        while (limit <= index && !atomic_compare_exchange_weak_explicit(&table->limit, &limit, index + 1,
                                                                        memory_order_acquire, memory_order_acquire))
                ;
}

void weir_table_free(struct weir_table *table) {
        for (unsigned i = 0; i < WEIR_SEGMENTS; ++i)
                /* relaxed: nobody else is left */
                weir_sys_free(atomic_load_explicit(&table->segments[i], memory_order_relaxed), segment_bytes(i));
}

/* ---------------------------------------------------------------- the lock */

int weir_slot_await(struct weir_life *life, struct weir_slot *slot, int64_t timeout) {
        /* PAIR(unlocks): before the word is looked at: so it is not that of an unlock which this look missed. */
        uint32_t unlocks = atomic_load_explicit(&life->unlocks, memory_order_acquire);
        /* relaxed: the unlock comes later in the order of this word and counts itself, or came before and is seen here */
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
        int r;

        if (!(word & SLOT_LOCKED))
                return 0;
        /* relaxed: likewise */
        if (!(word & SLOT_CONTENDED) &&
            !atomic_compare_exchange_strong_explicit(&slot->word, &word, word | SLOT_CONTENDED, memory_order_relaxed,
                                                     memory_order_relaxed))
                return 0;
        r = weir_sys_futex_wait(&life->unlocks, unlocks, timeout);
        /* relaxed: a child is a copy; its page reads 0 */
        return atomic_load_explicit(&life->state, memory_order_relaxed) ? r : -ECHILD;
}

WEIR_INLINE int weir_slot_lock(struct weir_life *life, struct weir_slot *slot, uint64_t mask, uint64_t value,
                               uint64_t clear, uint64_t add, uint64_t *ret_word) {
        uint64_t word;

        do {
                /* PAIR(registration): a refused call, too, comes after the one that made it so. */
                while ((word = atomic_load_explicit(&slot->word, memory_order_acquire)) & SLOT_LOCKED)
                        if (weir_slot_await(life, slot, WEIR_FOREVER) == -ECHILD)
                                return -ECHILD;
                WEIR_YIELD();
                if ((word & mask) != value) {
                        *ret_word = word;
                        return -ENOENT;
                }
                /*
                 * PAIR(lock): weir_slot_unlock() of the former holder, with all it did to the slot.
                 * PAIR(generation): weir_slot_take() reads the word after a batch was opened, see epoch.c.
                 * PAIR(rebuild): sequentially consistent, for the holder looks after this whether the registrations move to a new
                 * set, while weir_sets_rebuild() says so and then looks for registrations.
                 */
        } while (!atomic_compare_exchange_strong_explicit(&slot->word, &word, ((word & ~clear) | SLOT_LOCKED) + add,
                                                          memory_order_seq_cst, memory_order_relaxed));
        WEIR_YIELD();
        *ret_word = word;
        return 0;
}

bool weir_slot_try_lock(struct weir_slot *slot, uint64_t data, uint64_t mask, uint64_t value, uint64_t *ret_word) {
        /* relaxed: the step below proves it */
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

        do
                if (word & SLOT_LOCKED || weir_slot_is_other(word, data) || (word & mask) != value)
                        return false;
        /*
         * PAIR(lock): as in weir_slot_lock(). A registration that stands is met by weir_sets_rebuild(), which locks its slot, too:
         * whichever of the two steps of this one word comes second sees the other.
         */
        while (!atomic_compare_exchange_strong_explicit(&slot->word, &word, word | SLOT_LOCKED, memory_order_acquire,
                                                        memory_order_relaxed));
        *ret_word = word;
        return true;
}

WEIR_INLINE bool weir_slot_unlock(struct weir_life *life, struct weir_slot *slot, uint64_t clear, uint64_t set,
                                  uint64_t generations) {
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed), next;

        WEIR_YIELD();
        do {
                next = word & ~(clear | SLOT_LOCKED | SLOT_CONTENDED | SLOT_MISSED);
                if (generations)
                        next = (next & ~SLOT_KERNEL_READY) + generations;
                if (word & SLOT_MISSED && generations != SLOT_WITHDRAWN)
                        next |= word & SLOT_KERNEL_READY;
                next |= set;
                /* An entry of the generation that ends here, or ended before, stands for nothing of the new one. */
                next |= weir_slot_link_for(generations ? 0 : word, next);
                /*
                 * PAIR(lock): weir_slot_lock() of the next holder.
                 * PAIR(registration): weir_slot_take() sees the token, and what the caller wrote before it called.
                 * PAIR(linked): as in weir_slot_offer(), when the bit is set.
                 */
        } while (!atomic_compare_exchange_strong_explicit(&slot->word, &word, next, memory_order_acq_rel,
                                                          memory_order_relaxed));
        if (word & SLOT_CONTENDED)
                weir_unlocked(life);
        return weir_slot_is_linked_by(word, next);
}

void weir_slot_invalidate(struct weir_slot *slot, uint64_t keep) {
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed), kept;

        do
                kept = keep | (word & SLOT_MISSED ? SLOT_KERNEL_READY : 0);
        /* relaxed: whoever reads a token stored after this sees it, PAIR(token) */
        while (!atomic_compare_exchange_strong_explicit(&slot->word, &word,
                                                        (word & ~(SLOT_REGISTRATION & ~kept)) + SLOT_GENERATION,
                                                        memory_order_relaxed, memory_order_relaxed));
        WEIR_YIELD();
}

/* ---------------------------------------------------------------- entries of another generation or turn */

/*
 * A call that begins a generation or a turn tells the kernel first, so that a refusal leaves nothing to put back. An event of the
 * new one may then be fetched before the slot has it: while the call holds the lock, the word is one or two generations behind,
 * or a turn. Such an event is latched, as MISSED, and what was ready before goes, for the kernel tells it anew. A level-triggered
 * one is left to the kernel, which tells it again.
 */
static inline bool is_early(uint64_t word, uint64_t data) {
        uint32_t ahead = (uint32_t)(data / SLOT_GENERATION) - (uint32_t)(word / SLOT_GENERATION);

        if (!(word & SLOT_LOCKED))
                return false;
        return ahead ? ahead <= 2 : !weir_slot_is_other(word + weir_slot_next_turn(word), data);
}

static uint64_t with_early(uint64_t word, uint32_t events) {
        if (!(word & SLOT_MISSED))
                word &= ~SLOT_KERNEL_READY;
        return word | weir_ready_from_epoll(events) | SLOT_MISSED;
}

/*
 * What becomes of an entry that is of another generation than *word says. Tried again with a newer word if this fails. The
 * step is made even if it changes nothing: it proves that the word was not an older one, in which the lock that the call of
 * the entry's generation holds is not yet to be seen. (It took that before it called the kernel, which gave the entry.)
 */
static bool settle_other(struct weir_slot *slot, uint64_t *word, uint64_t data, uint32_t events,
                         enum weir_verdict *ret_verdict) {
        bool level = data & DATA_LEVEL;

        if (level)
                *ret_verdict = *word & SLOT_LOCKED ? WEIR_LOCKED : WEIR_STALE;
        else
                *ret_verdict = is_early(*word, data) ? WEIR_KEPT : WEIR_STALE;
        /* relaxed: what is noted stands in the word itself */
        return atomic_compare_exchange_strong_explicit(&slot->word, word,
                                                       *ret_verdict == WEIR_KEPT ? with_early(*word, events) : *word,
                                                       memory_order_relaxed, memory_order_relaxed);
}

bool weir_slot_is_stale(struct weir_slot *slot, uint64_t data) {
        /* relaxed: a count */
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

        return weir_slot_is_other(word, data) && !(word & SLOT_LOCKED);
}

/* ---------------------------------------------------------------- from the fetch to the hand-out */

/* The word after an event was fetched. While it is MISSED, ready belongs to the next registration, and this one ends. */
static uint64_t with_events(uint64_t word, uint32_t events) {
        return word & SLOT_MISSED ? word : word | weir_ready_from_epoll(events);
}

/*
 * What becomes of an entry that is latched. If all that it tells is there already, and may not be handed out, it has woken the
 * waiter in vain, and more will. Not while a call holds the lock: that may be arming it.
 */
static enum weir_verdict verdict_of_latched(uint64_t word, uint32_t events) {
        bool vain = events && !(weir_ready_from_epoll(events) & ~word) && !(word & SLOT_LOCKED);

        return vain ? WEIR_AGAIN : WEIR_KEPT;
}

/*
 * The word after ready was handed out. A short count lets the user rearm without having met the end of the stream, and a
 * hang-up may be over by then: so the kernel is to be asked, once.
 */
static uint64_t after_hand_out(uint64_t word, uint64_t ready) {
        uint64_t next = word & ~ready;

        if ((word & SLOT_MODE) != SLOT_ONESHOT)
                return next;
        next &= ~SLOT_ARMED;
        if (!(ready & SLOT_KERNEL_READY))
                return next;
        if (!(ready & SLOT_HANGUP))
                return next & ~SLOT_HUNG;
        return word & SLOT_HUNG ? next : next | SLOT_ASK | SLOT_HUNG;
}

/* Whether the caller's claim of a timeout still stands, of a word that was read before. */
static bool is_claimed(const struct weir_claim *claim) {
        /* relaxed: comes after the word, which was read with acquire order: what an owner set before it armed is seen */
        return claim && atomic_load_explicit(claim->word, memory_order_relaxed) == claim->value;
}

enum weir_verdict weir_slot_take(struct weir_slot *slot, uint64_t data, uint32_t events, const struct weir_claim *claim,
                                 struct weir_event *ret_event) {
        enum weir_verdict verdict = WEIR_STALE;
        uint64_t word, next, ready;
        weir_token token = 0;

        if (events && weir_slot_take_plain(slot, data, events, ret_event))
                return WEIR_STANDS;
        for (;;) {
                /* PAIR(rearm): the deadline that an owner set before it armed; the rest of it, the steps below prove. */
                word = atomic_load_explicit(&slot->word, memory_order_acquire);
                if (weir_slot_is_other(word, data)) {
                        if (settle_other(slot, &word, data, events, &verdict))
                                return verdict == WEIR_STALE ? WEIR_STALE : WEIR_KEPT;
                        continue;
                }
                WEIR_YIELD();
                next = with_events(word, events);
                ready = weir_slot_deliverable(next);
                if (ready & SLOT_TIMEOUT && !is_claimed(claim))
                        return WEIR_TIMED;
                if (ready)
                        next = after_hand_out(next, ready);
                if (ready & SLOT_OWN_READY)
                        /* PAIR(token): a token of this generation, if the step below succeeds. */
                        token = atomic_load_explicit(&slot->token, memory_order_acquire);
                /*
                 * PAIR(registration): what was written before register, reregister or wake, and the token.
                 * PAIR(rearm): the one-shot goes from the thread that called weir_rearm() to the one that takes the event.
                 */
                if (atomic_compare_exchange_strong_explicit(&slot->word, &word, next, memory_order_acquire,
                                                            memory_order_relaxed))
                        break;
        }
        if (!ready)
                return verdict_of_latched(word, events);
        if (!weir_slot_take_token(slot, data, &ret_event->token)) {
                /* The kernel tells its own afresh to whoever reregisters. What was the library's own is gone from the word. */
                if (!(ready & SLOT_OWN_READY))
                        return WEIR_STALE;
                ret_event->token = token;
        }
        ret_event->readiness = weir_ready_to_epoll(ready);
        ret_event->registration = data & DATA_WAKER ? 0 : weir_slot_registration(data);
        return WEIR_STANDS;
}

/*
 * Level events of ended generations prove a ghost if two come while the slot, which is not LOCKED, is of one generation: the
 * calls that ended theirs had done with the kernel before the second was fetched, or both were in one set under one number.
 * Generations are told apart by 16 bits: a mistake would cost a needless cure.
 */
static bool is_ghost(struct weir_slot *slot, uint64_t word) {
        uint16_t generation = (uint16_t)(1 + word / SLOT_GENERATION % UINT16_MAX);
        bool twice = slot->suspect == generation;

        slot->suspect = generation;
        return twice;
}

enum weir_verdict weir_slot_peek(struct weir_slot *slot, uint64_t data, uint32_t events) {
        /* relaxed: what is decided by it, the steps below prove, or the hand-out */
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed), next;
        enum weir_verdict verdict;

        for (;;) {
                if (weir_slot_is_other(word, data)) {
                        if (!settle_other(slot, &word, data, events, &verdict))
                                continue;
                        return verdict == WEIR_STALE && data & DATA_LEVEL && is_ghost(slot, word) ? WEIR_GHOST
                                                                                                  : verdict;
                }
                next = with_events(word, events);
                if (!weir_slot_is_latched(word) || weir_slot_deliverable(next))
                        return WEIR_STANDS;
                /* relaxed: what is noted stands in the word itself; of this step and a rearm, one reads the other's */
                if (atomic_compare_exchange_strong_explicit(&slot->word, &word, next, memory_order_relaxed,
                                                            memory_order_relaxed))
                        return verdict_of_latched(word, events);
        }
}

bool weir_slot_join(struct weir_slot *slot, uint64_t data, uint32_t events) {
        /* relaxed: as in weir_slot_peek() */
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

        do
                if (weir_slot_is_other(word, data) || !weir_slot_deliverable(word))
                        return false;
        while (!atomic_compare_exchange_strong_explicit(&slot->word, &word, with_events(word, events),
                                                        memory_order_relaxed, memory_order_relaxed));
        return true;
}

bool weir_slot_offer(struct weir_slot *slot, uint64_t data, uint32_t events) {
        /* relaxed: what is decided by it, the steps below prove */
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed), next;
        enum weir_verdict verdict;

        for (;;) {
                if (weir_slot_is_other(word, data)) {
                        if (settle_other(slot, &word, data, events, &verdict))
                                return false;
                        continue;
                }
                next = with_events(word, events);
                if (weir_slot_deliverable(next))
                        next |= SLOT_LINKED;
                /* PAIR(linked): weir_slot_unlink() cleared the bit after it read the link that the caller now writes. */
                if (atomic_compare_exchange_strong_explicit(&slot->word, &word, next, memory_order_acquire,
                                                            memory_order_relaxed))
                        return weir_slot_is_linked_by(word, next);
        }
}

bool weir_slot_latch(struct weir_slot *slot, uint64_t own) {
        /* relaxed: what is decided by it, the step below proves */
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed), next;

        do {
                if (!(word & (SLOT_REGISTERED | SLOT_LOCKED)))
                        return false;
                next = word | own;
                next |= weir_slot_link_for(word, next);
                /*
                 * PAIR(latch): who takes the bit of a timeout out sees the moment that is due.
                 * PAIR(registration): the taker sees what was written before a trigger.
                 * PAIR(linked): as in weir_slot_offer(), when the bit is set.
                 */
        } while (!atomic_compare_exchange_strong_explicit(&slot->word, &word, next, memory_order_acq_rel,
                                                          memory_order_relaxed));
        return weir_slot_is_linked_by(word, next);
}

uint64_t weir_slot_unlink(struct weir_slot *slot) {
        /* PAIR(linked): weir_slot_offer(), weir_slot_unlock() and weir_waker_wake() see that the link is free. */
        uint64_t word = atomic_fetch_and_explicit(&slot->word, ~SLOT_LINKED, memory_order_release);

        if (!weir_slot_deliverable(word))
                return 0;
        return (word & ~(SLOT_TURN - 1)) | slot->name;
}
