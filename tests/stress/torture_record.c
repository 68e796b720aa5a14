/* SPDX-License-Identifier: MIT */
/*
 * The records that tokens name, and what became of their descriptor numbers. A token says which record, which number
 * and the how manieth registration of that number it is, so it can be judged without a look at memory that may be
 * given up.
 */
#include "torture.h"

#include "slot.h"

#define INDEX_BITS  16
#define NUMBER_BITS 16

struct number torture_numbers[ALL_NUMBERS];
atomic_ulong torture_dropped[FATES];

unsigned torture_draw(uint64_t *state, unsigned n) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return (unsigned)(*state >> 33) % n;
}

/*
 * The library asks these, and not weir_slot_take() and weir_slot_peek(), what becomes of an entry: see meson.build. Of one that
 * is dropped, what the number is now says what its event would have hit.
 */
enum weir_verdict torture_take(struct weir_slot *slot, uint64_t data, uint32_t events, const struct weir_claim *claim,
                               struct weir_event *ret_event);
enum weir_verdict torture_peek(struct weir_slot *slot, uint64_t data, uint32_t events);

static enum weir_verdict note_dropped(enum weir_verdict verdict, uint64_t data) {
        unsigned number = (unsigned)(data & DATA_INDEX);
        int fate = KEPT;

        if (verdict != WEIR_STALE && verdict != WEIR_GHOST)
                return verdict;
        if (data & DATA_WAKER)
                fate = WAKER;
        else if (number < NUMBERS)
                fate = atomic_load_explicit(&torture_numbers[number].fate, memory_order_relaxed);
        atomic_fetch_add_explicit(&torture_dropped[fate], 1, memory_order_relaxed);
        return verdict;
}

enum weir_verdict torture_take(struct weir_slot *slot, uint64_t data, uint32_t events, const struct weir_claim *claim,
                               struct weir_event *ret_event) {
        return note_dropped(weir_slot_take(slot, data, events, claim, ret_event), data);
}

enum weir_verdict torture_peek(struct weir_slot *slot, uint64_t data, uint32_t events) {
        return note_dropped(weir_slot_peek(slot, data, events), data);
}

static weir_token token_of(const struct record *record) {
        return (weir_token)(record - record->torture->records) | (weir_token)record->number << INDEX_BITS |
               (weir_token)record->ordinal << (INDEX_BITS + NUMBER_BITS);
}

struct record *record_of(struct torture *t, weir_token token, unsigned *ret_number, unsigned *ret_ordinal) {
        unsigned index = token & ((1U << INDEX_BITS) - 1), number = token >> INDEX_BITS & ((1U << NUMBER_BITS) - 1);

        if (index >= t->n_churners * RECORDS || number >= ALL_NUMBERS)
                return NULL;
        *ret_number = number;
        *ret_ordinal = (unsigned)(token >> (INDEX_BITS + NUMBER_BITS));
        return &t->records[index];
}

static struct record *find_free(struct churner *c) {
        uint64_t end = now_ns() + UINT64_C(1000000) * DEADLINE_MS;

        for (;;) {
                for (unsigned i = 0; i < RECORDS; i++) {
                        struct record *record = &c->records[c->next_record++ % RECORDS];

                        if (!atomic_load_explicit(&record->in_use, memory_order_acquire))
                                return record;
                }
                if (now_ns() > end || atomic_load_explicit(&c->torture->given_up, memory_order_relaxed)) {
                        atomic_fetch_add_explicit(&c->torture->given_up, 1, memory_order_relaxed);
                        c->stuck++;
                        return NULL;
                }
                sched_yield();
        }
}

struct record *record_begin(struct churner *c, unsigned number, bool quiet, bool oneshot) {
        struct number *n = &torture_numbers[number];
        struct record *record = find_free(c);
        unsigned last_loud;

        if (!record)
                return NULL;
        c->made++;
        record->number = number;
        record->ordinal = atomic_fetch_add_explicit(&n->begun, 1, memory_order_relaxed);
        record->oneshot = oneshot;
        record->arms = 1;
        record->quiet = 0;
        last_loud = atomic_load_explicit(&n->last_loud, memory_order_relaxed);
        if (!quiet)
                atomic_store_explicit(&n->last_loud, record->ordinal, memory_order_relaxed);
        else
                record->quiet = last_loud == NEVER_BEFORE ? AGES : record->ordinal - last_loud;
        for (unsigned i = 0; i < BODY; i++)
                record->body[i] = token_of(record);
        atomic_store_explicit(&record->seen, 0, memory_order_relaxed);
        atomic_store_explicit(&record->ending, false, memory_order_relaxed);
        atomic_store_explicit(&record->ended, 0, memory_order_seq_cst); /* see judge() */
        atomic_store_explicit(&record->in_use, true, memory_order_relaxed);
        /* relaxed: that a reader finds it before it has the token would be the library's fault */
        atomic_store_explicit(&record->token, token_of(record), memory_order_relaxed);
        return record;
}

static void poison(struct weir_deferred *node) {
        struct record *record = (struct record *)node;
        struct torture *t = record->torture;

        atomic_fetch_add_explicit(&t->runs, 1, memory_order_relaxed);
        if (record->body[0] == POISON)
                atomic_fetch_add_explicit(&t->twice, 1, memory_order_relaxed);
        if (record->oneshot && record_seen(record) > record->arms)
                atomic_fetch_add_explicit(&t->overfired, 1, memory_order_relaxed);
        for (unsigned i = 0; i < BODY; i++)
                record->body[i] = POISON;
        atomic_store_explicit(&record->token, 0, memory_order_seq_cst);
        atomic_store_explicit(&record->in_use, false, memory_order_release);
}

void record_ended(struct churner *c, struct record *record) {
        unsigned long ticket;

        c->ended++;
        atomic_fetch_add_explicit(&torture_numbers[record->number].ended, 1, memory_order_relaxed);
        ticket = atomic_fetch_add_explicit(&c->torture->tickets, 1, memory_order_seq_cst) + 1;
        atomic_store_explicit(&record->ended, ticket, memory_order_seq_cst);
}

void record_give_up(struct churner *c, struct record *record) {
        unsigned how = torture_draw(&c->random, 32);
        uint64_t end;
        weir_epoch epoch;

        c->given++;
        if (how == 0 && weir_synchronize(c->registry) == 0) {
                poison(&record->node);
        } else if (how == 1) {
                epoch = weir_epoch_now(c->registry);
                end = now_ns() + UINT64_C(1000000) * DEADLINE_MS;
                while (!weir_epoch_passed(c->registry, epoch)) {
                        if (now_ns() > end) {
                                atomic_fetch_add_explicit(&c->torture->given_up, 1, memory_order_relaxed);
                                c->stuck++;
                                return;
                        }
                        sched_yield();
                }
                poison(&record->node);
        } else {
                weir_defer(c->registry, &record->node, poison);
        }
}
