/* SPDX-License-Identifier: MIT */

/*
 * The loop of a member: takes the turn, fetches, passes the turn on, calls the function for each event, closes the batch, and
 * comes back. Read weir_crew_loop() first. A batch is closed before the turn is taken again: the functions that were deferred run
 * there, and may take as long as they like.
 *
 * A member that is alone does the same without a look at the clock, and fetches as much as a batch has room for. What it fetched
 * may be taken from its bag all the same, by a thread that joins while it is inside the function.
 */

#include "work.h"

#include "turn.h"

#include <errno.h>

static bool goes_on(const struct weir_crew *crew) {
        /* relaxed: the flag alone counts */
        return atomic_load_explicit(&crew->words->state, memory_order_relaxed) == CREW_GOES_ON;
}

static void fail(struct weir_crew *crew, int error) {
        int none = 0;

        if (error == -ECHILD)
                return;
        /* relaxed: read under the lock by those who leave */
        atomic_compare_exchange_strong_explicit(&crew->error, &none, error, memory_order_relaxed, memory_order_relaxed);
        weir_turn_end(crew, 0);
}

/* With the turn: for how many events another member is called. */
static unsigned share_of(struct weir_crew *crew, struct weir_member *me, bool alone) {
        if (me->begun) {
                weir_pace_note(&crew->pace, me->time, me->begun);
                me->begun = 0;
        }
        return alone ? PACE_MAX : weir_pace_share(&crew->pace);
}

/* With the turn: how many events to ask for. */
static unsigned limit_of(struct weir_crew *crew, unsigned share, bool alone) {
        /* relaxed: a number that need not be exact */
        if (atomic_load_explicit(&crew->words->returned, memory_order_relaxed))
                return 1;
        return alone || weir_turn_any_sleeps(crew) ? share : weir_pace_batch(&crew->pace);
}

/* With the turn: waits for events. Returns how many there are; 0 at the end. */
static unsigned wait_for_events(struct weir_crew *crew, struct weir_member *me) {
        static const struct timespec alarm = { 0, TURN_ALARM };
        struct weir_finding finding = { .lying = true };

        while (goes_on(crew)) {
                const struct timespec *timeout = NULL;
                int r;

                if (finding.lying && weir_turn_must_look(crew))
                        timeout = &alarm;
                r = weir_role_wait(crew->role, me->bag.events, timeout);
                if (r > 0)
                        return (unsigned)r;
                if (r == 0)
                        weir_turn_look(crew, me, &finding);
                else if (r != -EINTR)
                        fail(crew, r);
                if (r == -ECHILD)
                        break;
        }
        return 0;
}

/*
 * With the turn: fetches events, and passes it on. Returns how many there are; 0 if they have been taken already; -1 at the end.
 */
static int fetch(struct weir_crew *crew, struct weir_member *me) {
        struct weir_crew_words *words = crew->words;
        bool alone = weir_crew_is_alone(crew);
        unsigned share = share_of(crew, me, alone), limit = limit_of(crew, share, alone), count, returned;
        uint64_t fetched;
        int64_t now;

        if (limit != me->limit)
                weir_events_set_limit(me->bag.events, limit);
        me->limit = limit;
        weir_turn_look_back(crew, me);
        count = wait_for_events(crew, me);
        if (!count)
                return -1;

        alone = alone && weir_crew_is_alone(crew);
        now = alone ? BAG_UNKNOWN : weir_seam_now();
        /* relaxed, all of them: hints to others, but for `fetched`, which only who has the turn writes */
        fetched = atomic_load_explicit(&words->fetched, memory_order_relaxed) + count;
        atomic_store_explicit(&words->fetched, fetched, memory_order_relaxed);
        atomic_store_explicit(&me->bag.fetched, fetched, memory_order_relaxed);
        atomic_store_explicit(&me->bag.since, now, memory_order_relaxed);
        returned = atomic_load_explicit(&words->returned, memory_order_relaxed);
        if (returned)
                atomic_fetch_sub_explicit(&words->returned, count < returned ? count : returned, memory_order_relaxed);
        if (!alone)
                weir_turn_put_off(crew, me, now);
        weir_bag_set(&me->bag, BAG_HELD);
        /* What was given back lies in the poll, for somebody else: this one may be long. */
        returned = atomic_load_explicit(&words->returned, memory_order_relaxed);
        return weir_turn_pass(crew, me, count > 1, count >= share || count >= limit || returned) ? (int)count : 0;
}

/* Calls the function for each event that was fetched, until the end, or until the rest has been taken. Returns how many began. */
static unsigned handle(struct weir_crew *crew, struct weir_member *me, int count) {
        struct weir_bag *bag = &me->bag;
        struct weir_event event;
        int begun = 0;

        while (begun < count && goes_on(crew) && weir_events_next(bag->events, &event)) {
                bool more = ++begun < count;

                if (more)
                        weir_bag_open(bag);
                else
                        weir_bag_set(bag, BAG_EMPTY);
                WEIR_CREW_YIELD();
                crew->fn(crew, &event, crew->data);
                if (more && !weir_bag_close(bag))
                        break;
        }
        return (unsigned)begun;
}

/*
 * How long a batch took: how long the thread had a processor. That is less than half of the time that passed where calls slept,
 * which counts then, or where the thread lost its processor, which does not.
 */
static int64_t time_of(struct weir_member *me, int64_t passed, int64_t worked) {
        long lost = me->lost;

        if (passed <= 2 * worked)
                return worked;
        me->lost = weir_seam_lost();
        return me->lost == lost ? passed : worked;
}

/* Closes the batch, and notes what it took. */
static void finish(struct weir_member *me, unsigned begun) {
        /* relaxed: it is its own */
        int64_t since = atomic_load_explicit(&me->bag.since, memory_order_relaxed), before = me->worked;

        weir_events_clear(me->bag.events);
        weir_bag_set(&me->bag, BAG_EMPTY);
        me->worked = since == BAG_UNKNOWN ? 0 : weir_seam_worked();
        if (!before || !me->worked)
                return;
        me->begun = begun;
        me->time = time_of(me, weir_seam_now() - since, me->worked - before);
}

void weir_crew_loop(struct weir_crew *crew, struct weir_member *me) {
        while (weir_turn_take(crew, me)) {
                int count = fetch(crew, me);

                if (count < 0)
                        return;
                finish(me, handle(crew, me, count));
        }
}
