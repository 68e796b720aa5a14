/* SPDX-License-Identifier: MIT */

/*
 * The table of slots, their lock, and the life of an entry from the fetch to the hand-out. The word is described in
 * slot.h. Read weir_slot_take() first: it is the filter.
 *
 * Why the filter is right. A registry call that ends a registration first changes the generation, then the kernel, then
 * returns. A hand-out that begins after the return sees the new generation, for it happens after: it finds the entry
 * stale. The token is read between two looks at the word: a newer token is stored with release order after its
 * generation changed, so whoever reads it sees the change in the second look. The old token may come only to a hand-out
 * that began before the call returned.
 */

#include "slot.h"

#define READY_RDHUP  UINT64_C(0x20)
#define READY_HANGUP (EPOLLHUP | READY_RDHUP)

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

void weir_table_name(struct weir_table *table, struct weir_slot *slot, uint32_t index, uint32_t name) {
        /* relaxed: a hint */
        uint32_t limit = atomic_load_explicit(&table->limit, memory_order_relaxed);

        if (slot->name != name)
                slot->name = name;
        while (limit <= index && !atomic_compare_exchange_weak_explicit(&table->limit, &limit, index + 1,
                                                                        memory_order_relaxed, memory_order_relaxed))
                ;
}

void weir_table_free(struct weir_table *table) {
        for (unsigned i = 0; i < WEIR_SEGMENTS; ++i)
                /* relaxed: nobody else is left */
                weir_sys_free(atomic_load_explicit(&table->segments[i], memory_order_relaxed), segment_bytes(i));
}

/* ---------------------------------------------------------------- the lock */

uint64_t weir_slot_await(struct weir_slot *slot, uint64_t word) {
        /*
         * relaxed: the unlock comes later in the order of this word and sees it, or came before, and then this fails or the
         * kernel finds another word
         */
        if (word & SLOT_CONTENDED ||
            atomic_compare_exchange_strong_explicit(&slot->word, &word, word | SLOT_CONTENDED, memory_order_relaxed,
                                                    memory_order_relaxed))
                weir_sys_futex_wait(weir_sys_futex_of(&slot->word, sizeof slot->word),
                                    (uint32_t)(word | SLOT_CONTENDED));
        /* PAIR(registration): as in weir_slot_lock() */
        return atomic_load_explicit(&slot->word, memory_order_acquire);
}

WEIR_INLINE bool weir_slot_lock(struct weir_slot *slot, uint64_t mask, uint64_t value, uint64_t clear, uint64_t add,
                                uint64_t *ret_word) {
        uint64_t word;

        do {
                /* PAIR(registration): a refused call, too, comes after the one that made it so. */
                word = atomic_load_explicit(&slot->word, memory_order_acquire);
                while (word & SLOT_LOCKED)
                        word = weir_slot_await(slot, word);
                WEIR_YIELD();
                if ((word & mask) != value) {
                        *ret_word = word;
                        return false;
                }
                /*
                 * PAIR(lock): weir_slot_unlock() of the former holder, with all it did to the slot.
                 * PAIR(generation): weir_slot_take() reads the word after a batch was opened, see epoch.c.
                 * PAIR(rebuild): sequentially consistent, for weir_register() looks for the current set after this, while
                 * weir_sets_rebuild() changes it and then looks for registrations.
                 */
        } while (!atomic_compare_exchange_strong_explicit(&slot->word, &word, ((word & ~clear) | SLOT_LOCKED) + add,
                                                          memory_order_seq_cst, memory_order_relaxed));
        WEIR_YIELD();
        *ret_word = word;
        return true;
}

WEIR_INLINE bool weir_slot_unlock(struct weir_slot *slot, uint64_t clear, uint64_t set, uint64_t generations) {
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed), next;

        WEIR_YIELD();
        do {
                next = (word & ~(clear | SLOT_LOCKED | SLOT_CONTENDED)) | set;
                if (generations) {
                        next = (next & ~SLOT_EARLY) + generations;
                        next |= (word & SLOT_EARLY) >> SLOT_EARLY_SHIFT;
                }
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
                weir_sys_futex_wake_all(weir_sys_futex_of(&slot->word, sizeof slot->word));
        return weir_slot_is_linked_by(word, next);
}

void weir_slot_invalidate(struct weir_slot *slot) {
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

        /* relaxed: whoever reads a token stored after this sees it, PAIR(token) */
        while (!atomic_compare_exchange_strong_explicit(&slot->word, &word,
                                                        (word & ~SLOT_REGISTRATION) + SLOT_GENERATION,
                                                        memory_order_relaxed, memory_order_relaxed))
                ;
        WEIR_YIELD();
}

/* ---------------------------------------------------------------- from the fetch to the hand-out */

/*
 * A call that begins a generation tells the kernel first, so that a refusal leaves nothing to put back. An event of the new
 * generation may then be fetched before the slot has it, or before this thread sees that: it is early, not stale. The mark
 * is a read-modify-write, so it either comes before the step that begins the generation, which makes it ready, or fails and
 * the newer word is looked at.
 */
static inline bool is_early(uint64_t word, uint64_t data) {
        return (int64_t)((data & ~(SLOT_GENERATION - 1)) - (word & ~(SLOT_GENERATION - 1))) > 0;
}

bool weir_slot_is_stale(struct weir_slot *slot, uint64_t data) {
        /* relaxed: a count */
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

        return weir_slot_is_other(word, data) && !is_early(word, data);
}

/* The word after an early event was fetched. */
static uint64_t with_early(uint64_t word, uint32_t events) {
        return word | weir_ready_from_epoll(events) << SLOT_EARLY_SHIFT;
}

/* The word after an event was fetched. */
static uint64_t with_events(uint64_t word, uint32_t events) {
        return (word | weir_ready_from_epoll(events)) & ~(events & (EPOLLHUP | EPOLLRDHUP) ? SLOT_REPLAYED : 0);
}

/* The word after ready was handed out. */
static uint64_t after_hand_out(uint64_t word, uint64_t ready) {
        uint64_t next = word & ~ready;

        if ((word & SLOT_MODE) != SLOT_ONESHOT)
                return next;
        next &= ~SLOT_ARMED;
        /*
         * A short count lets the user rearm without having met the end of the stream. So a hang-up is kept, once, with the
         * direction that shows it: the rearm then brings it again. One that was told to a writer waits for the reader.
         */
        if (!(ready & READY_HANGUP))
                return next;
        if (!(word & (uint64_t)EPOLLIN << SLOT_ARMED_SHIFT))
                next |= EPOLLIN | READY_RDHUP;
        else if (!(word & SLOT_REPLAYED))
                next |= (ready & (READY_HANGUP | EPOLLIN)) | SLOT_REPLAYED;
        return next;
}

bool weir_slot_take(struct weir_slot *slot, uint64_t data, uint32_t events, struct weir_event *ret_event) {
        uint64_t word, next, ready;
        weir_token token;

        if (events && weir_slot_take_plain(slot, data, events, ret_event))
                return true;
        for (;;) {
                /* PAIR(registration): what was written before register, reregister, rearm or wake, and the token. */
                word = atomic_load_explicit(&slot->word, memory_order_acquire);
                if (weir_slot_is_other(word, data)) {
                        /* relaxed: the mark stands in the word itself */
                        if (!is_early(word, data) ||
                            atomic_compare_exchange_strong_explicit(&slot->word, &word, with_early(word, events),
                                                                    memory_order_relaxed, memory_order_relaxed))
                                return false;
                        continue;
                }
                WEIR_YIELD();
                /* PAIR(token): a token stored later brings the change of generation before it. */
                token = atomic_load_explicit(&slot->token, memory_order_acquire);
                WEIR_YIELD();
                next = with_events(word, events);
                ready = weir_slot_deliverable(next);
                if (ready)
                        next = after_hand_out(next, ready);
                /*
                 * Success proves that the word, and so the generation, was the same before and after the token.
                 * PAIR(rearm): the one-shot goes from the thread that called weir_rearm() to the one that takes the event.
                 */
                if (atomic_compare_exchange_strong_explicit(&slot->word, &word, next, memory_order_acquire,
                                                            memory_order_relaxed))
                        break;
        }
        if (!ready)
                return false;
        ret_event->token = token;
        ret_event->readiness = weir_ready_to_epoll(ready);
        return true;
}

bool weir_slot_peek(struct weir_slot *slot, uint64_t data, uint32_t events, bool *ghost) {
        uint64_t word, next;

        do {
                /*
                 * relaxed: that the slot is not locked any more proves that the call which ended the event's generation has
                 * done with the kernel. The event may have been fetched before that, but the next fetch depends on this
                 * look, and cannot find what had gone for this to be seen.
                 */
                word = atomic_load_explicit(&slot->word, memory_order_relaxed);
                if (!weir_slot_is_other(word, data)) {
                        next = with_events(word, events);
                        if (!weir_slot_is_latched(word) || weir_slot_deliverable(next))
                                return true;
                } else if (is_early(word, data)) {
                        next = with_early(word, events);
                } else {
                        if (word & SLOT_LOCKED || !(data & DATA_LEVEL))
                                return false;
                        if (word & SLOT_SUSPECT) {
                                *ghost = true;
                                return false;
                        }
                        next = word | SLOT_SUSPECT;
                }
                /*
                 * relaxed: what is noted stands in the word itself; of this step and a rearm, one reads the other's. So the
                 * step is made even if it changes nothing: it proves that the word was not an old one.
                 */
        } while (!atomic_compare_exchange_strong_explicit(&slot->word, &word, next, memory_order_relaxed,
                                                          memory_order_relaxed));
        return false;
}

bool weir_slot_offer(struct weir_slot *slot, uint64_t data, uint32_t events) {
        /* relaxed: what is decided by it, the step below proves */
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed), next;

        do {
                if (!weir_slot_is_other(word, data)) {
                        next = with_events(word, events);
                        if (weir_slot_deliverable(next))
                                next |= SLOT_LINKED;
                } else if (is_early(word, data)) {
                        next = with_early(word, events);
                } else {
                        return false;
                }
                /* PAIR(linked): weir_slot_unlink() cleared the bit after it read the link that the caller now writes. */
        } while (!atomic_compare_exchange_strong_explicit(&slot->word, &word, next, memory_order_acquire,
                                                          memory_order_relaxed));
        return weir_slot_is_linked_by(word, next);
}

uint64_t weir_slot_unlink(struct weir_slot *slot) {
        /* PAIR(linked): weir_slot_offer(), weir_slot_unlock(), weir_rearm() and weir_waker_wake() see that the link is free. */
        uint64_t word = atomic_fetch_and_explicit(&slot->word, ~SLOT_LINKED, memory_order_release);

        if (!weir_slot_deliverable(word))
                return 0;
        return (word & ~(SLOT_GENERATION - 1)) | slot->name;
}
