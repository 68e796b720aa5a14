/* SPDX-License-Identifier: MIT */
/*
 * The reading threads: they take turns as the one waiter, read their batches beside each other, and judge each event.
 *
 *   moment  A reader notes the last ticket before it calls weir_events_next(). A call that ends a registration is
 *           followed by a ticket. So if the registration of a token ended with that ticket or an older one, next began
 *           AFTER the end had returned, and the library is wrong. If the end was at least about to begin, it came
 *           DURING it.
 *   age     Of a token after its end: how many registrations of its number ended, from its own on. Of one that stands:
 *           0, unless it is quiet, which means that nothing ever made it ready: then the event is an older one's, and
 *           the age is the distance to the last registration of the number that was not quiet.
 *
 * Only the buckets of age 0 before and during the end may hold anything.
 */
#include "torture.h"

static void count(struct reader *reader, enum moment moment, unsigned age) {
        reader->hits[moment][age < AGES ? age : AGES - 1]++;
        if (moment == AFTER)
                atomic_store_explicit(&reader->torture->shown[0], true, memory_order_relaxed);
        else if (age)
                atomic_store_explicit(&reader->torture->shown[1], true, memory_order_relaxed);
}

/* Whether a record that was handed out in a batch which is open still is what its token says. */
static bool is_whole(const struct record *record, weir_token token) {
        bool whole = true;

        for (unsigned i = 0; i < BODY; i++)
                whole &= record->body[i] == token;
        return whole;
}

/* Returns the record if it may be looked at until the batch is closed, or NULL. */
static struct record *judge(struct reader *reader, const struct weir_event *event, unsigned long tickets) {
        struct torture *t = reader->torture;
        unsigned number, ordinal, age;
        unsigned long ended;
        struct record *record;
        bool gone;

        if (event->token == TOKEN_STOP) {
                reader->stops++;
                return NULL;
        }
        record = record_of(t, event->token, &number, &ordinal);
        if (!record) {
                reader->wild++;
                return NULL;
        }
        /* In this order: who finds that it has not ended, because it became another one, finds another token, too. */
        ended = atomic_load_explicit(&record->ended, memory_order_seq_cst);
        gone = atomic_load_explicit(&record->token, memory_order_seq_cst) != event->token;
        if (gone || (ended && ended <= tickets)) {
                age = atomic_load_explicit(&torture_numbers[number].ended, memory_order_relaxed) - ordinal;
                count(reader, AFTER, age ? age : 1);
                /* It was poisoned, in spite of this batch. It is not looked at, for it may be another one by now. */
                reader->poisoned += gone;
                return NULL;
        }
        reader->poisoned += !is_whole(record, event->token);
        count(reader, atomic_load_explicit(&record->ending, memory_order_relaxed) ? DURING : BEFORE, record->quiet);
        atomic_fetch_add_explicit(&record->seen, 1, memory_order_relaxed);
        return record;
}

static void read_batch(struct reader *reader, struct weir_events *events) {
        unsigned most = torture_draw(&reader->random, 4) ? UINT32_MAX : (reader->capacity + 1) / 2;
        struct record *held[MAX_CAPACITY];
        weir_token tokens[MAX_CAPACITY];
        struct weir_event event;
        unsigned long tickets;
        unsigned n = 0, n_held = 0;

        reader->batches++;
        for (; n < most; n++) {
                yield_here();
                tickets = atomic_load_explicit(&reader->torture->tickets, memory_order_seq_cst);
                if (!weir_events_next(events, &event))
                        break;
                held[n_held] = judge(reader, &event, tickets);
                tokens[n_held] = event.token;
                n_held += !!held[n_held];
        }
        reader->half_read += n == most;
        yield_here();
        /* Ended or not, none may be poisoned while the batch is open. */
        while (n_held--)
                reader->poisoned += !is_whole(held[n_held], tokens[n_held]);
}

/* Takes the lead, for most waits. With an open batch it is only tried, as nobody may hold one up while others lead. */
static bool take_the_lead(struct reader *reader, struct weir_events *events) {
        if (torture_draw(&reader->random, 16) == 0)
                return false;
        if (torture_draw(&reader->random, 2) && pthread_mutex_trylock(&reader->torture->lead) == 0)
                return true;
        weir_events_clear(events);
        pthread_mutex_lock(&reader->torture->lead);
        return true;
}

int read_and_count(void *arg) {
        struct reader *reader = arg;
        struct torture *t = reader->torture;
        const struct timespec timeouts[] = { { 0, 0 }, { 0, 50000 } };
        const struct timespec *timeout;
        struct weir_events *events = NULL;
        bool leads;
        int r;

        yield_seed(t->seed ^ ~(uint64_t)reader->id);
        REQUIRE(weir_events_create(reader->capacity, &events) == 0);
        while (!latch_is_set(&t->stop)) {
                leads = take_the_lead(reader, events);
                /* Mostly for ever, so that a wake that is missed is not made up for by a timeout. */
                timeout = torture_draw(&reader->random, 8) ? NULL : &timeouts[torture_draw(&reader->random, 2)];
                r = latch_is_set(&t->stop) ? 0 : weir_poll_wait(t->poll, events, timeout);
                if (leads)
                        pthread_mutex_unlock(&t->lead);
                if (r > 0)
                        read_batch(reader, events);
                if (r == -EBUSY) {
                        reader->busy++;
                        /* Not with a batch open: others may hold the role for long. */
                        weir_events_clear(events);
                        sched_yield();
                        r = 0;
                }
                REQUIRE(r >= 0);
        }
        weir_events_destroy(events);
        return 0;
}
