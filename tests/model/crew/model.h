/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The crew's own sources, unchanged, over a poll and a seam that are small enough to be explored. Of the reactor nothing is here
 * but a count of events that are ready; an events object is plain memory, so that the checker reports two users of it.
 *
 * A member that would sleep, in the poll or elsewhere, is noted, and its thread ends there: what it would do when woken is what it
 * does in another execution, in which it came later. An alarm comes at once, as often as the scenario lets it; after that it is
 * noted like a sleep. model_check() looks, when all threads have ended, whether work lies that nobody would be woken for.
 */

#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <stdint.h>

#ifndef MODEL_MEMBERS
#define MODEL_MEMBERS 2
#endif
/* How often an alarm comes to one member before it sleeps on. */
#ifndef MODEL_ALARMS
#define MODEL_ALARMS 1
#endif

#ifdef WEIR_MODEL_CHECK
#include <genmc.h>
typedef struct {
        int unused;
} pthread_cond_t; /* which the checker does not know, and nothing here uses */
#endif

#include "bag.c"
#include "turn.c"
#include "work.c"

#define RELAXED memory_order_relaxed

struct weir_events {
        unsigned limit, count, cursor;
};

struct weir_role {
        int unused;
};

static struct weir_role model_role;
static struct weir_crew model_crew;
static struct weir_crew_words model_words;
static struct weir_member model_members[MODEL_MEMBERS];
static struct weir_events model_events[MODEL_MEMBERS];

static _Atomic(unsigned) model_ready;       /* events in the poll */
static _Atomic(unsigned) model_interrupted; /* the poll is */
static _Atomic(unsigned) model_begun;       /* events, by any member */
static _Atomic(unsigned) model_waiters;     /* ended in the poll, for ever */
static _Atomic(unsigned) model_alarmed;     /* ended in the poll, with an alarm */
static _Atomic(unsigned) model_sleepers;    /* ended asleep at the bell */
static _Atomic(unsigned) model_posts;       /* ended asleep at the post, with an alarm */
static _Atomic(unsigned) model_quiet;       /* the same without */
static _Atomic(uint32_t) model_quiet_rings; /* the count of rings with which it fell asleep */
static unsigned model_total;                /* events that ever became ready */

static unsigned count(_Atomic(unsigned) *number) {
        return atomic_load_explicit(number, RELAXED);
}

static void add(_Atomic(unsigned) *number, unsigned step) {
        atomic_fetch_add_explicit(number, step, RELAXED);
}

static void end_here(_Atomic(unsigned) *where) {
        add(where, 1);
        pthread_exit(NULL);
}

/* ---------------------------------------------------------------- the poll */

static unsigned *alarms_of_this_thread(void) {
        static _Thread_local unsigned alarms;

        return &alarms;
}

static bool alarm_comes(void) {
        if (*alarms_of_this_thread() == MODEL_ALARMS)
                return false;
        ++*alarms_of_this_thread();
        return true;
}

/* Events become ready. */
static inline void model_push(unsigned number) {
        add(&model_ready, number);
}

int weir_role_wait(struct weir_role *role, struct weir_events *events, const struct timespec *timeout) {
        unsigned ready = count(&model_ready), taken;

        assert(role == &model_role && events->cursor == events->count);
        do {
                if (atomic_load_explicit(&model_interrupted, RELAXED) &&
                    atomic_exchange_explicit(&model_interrupted, 0, memory_order_acquire))
                        return -EINTR;
                if (!ready) {
                        if (timeout && alarm_comes())
                                return 0;
                        end_here(timeout ? &model_alarmed : &model_waiters);
                }
                taken = ready < events->limit ? ready : events->limit;
        } while (!atomic_compare_exchange_strong_explicit(&model_ready, &ready, ready - taken, RELAXED, RELAXED));
        events->count = taken;
        events->cursor = 0;
        return (int)taken;
}

int weir_role_interrupt(struct weir_role *role) {
        assert(role == &model_role);
        atomic_store_explicit(&model_interrupted, 1, memory_order_release);
        return 0;
}

bool weir_events_next(struct weir_events *events, struct weir_event *ret_event) {
        if (events->cursor == events->count)
                return false;
        ++events->cursor;
        ret_event->token = 0;
        ret_event->readiness = 1;
        return true;
}

unsigned weir_events_give_back(struct weir_events *events) {
        unsigned rest = events->count - events->cursor;

        events->cursor = events->count;
        if (rest)
                add(&model_ready, rest);
        return rest;
}

void weir_events_clear(struct weir_events *events) {
        weir_events_give_back(events);
}

int weir_events_set_limit(struct weir_events *events, unsigned limit) {
        events->limit = limit;
        return 0;
}

/* ---------------------------------------------------------------- the seam */

/* Time goes by with the alarms of a thread: after one, what the others began is held up. */
int64_t weir_seam_now(void) {
        return TURN_ALARM + *alarms_of_this_thread() * TURN_ALARM;
}

int64_t weir_seam_worked(void) {
        return 1;
}

long weir_seam_lost(void) {
        return 0;
}

int weir_seam_getpid(void) {
        return 1;
}

void weir_seam_sleep(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout) {
        (void)timeout;
        if (atomic_load_explicit(word, RELAXED) != expected)
                return;
        if (word == &model_words.bell) {
                end_here(&model_sleepers);
        } else {
                /* A bag, or a stop: the other one is about to end. */
#ifdef WEIR_MODEL_CHECK
                __VERIFIER_assume(atomic_load_explicit(word, RELAXED) != expected);
#else
                while (atomic_load_explicit(word, RELAXED) == expected)
                        ;
#endif
        }
}

void weir_seam_wake(_Atomic(uint32_t) *word, int number) {
        (void)word;
        (void)number;
}

void weir_seam_post_sleep(struct weir_seam_post *post, _Atomic(uint32_t) *word, uint32_t expected, bool alarm) {
        (void)post;
        if (atomic_load_explicit(word, RELAXED) != expected)
                return;
        if (alarm) {
                if (!alarm_comes())
                        end_here(&model_posts);
        } else {
                atomic_store_explicit(&model_quiet_rings, expected, RELAXED);
                end_here(&model_quiet);
        }
}

void weir_seam_post_ring(struct weir_seam_post *post) {
        (void)post;
}

/* It goes off whenever the scenario lets it. */
void weir_seam_post_set_alarm(struct weir_seam_post *post, int64_t time) {
        (void)post;
        (void)time;
}

#ifdef WEIR_YIELD_POINTS
void weir_sys_yield(void);
#endif

/* ---------------------------------------------------------------- begin and end */

/* All members are there, and none has done anything. So many events are ready; a member asks for limit. */
static inline void model_begin(weir_crew_fn *fn, unsigned ready, unsigned limit) {
        /* Member by member, for the checker knows no copies of memory. */
        model_crew.words = &model_words;
        model_crew.fn = fn;
        model_crew.role = &model_role;
        model_crew.looked = 0;
        atomic_init(&model_words.state, CREW_GOES_ON);
        atomic_init(&model_words.turn, TURN_ALIVE);
        atomic_init(&model_words.fetched, 0);
        atomic_init(&model_words.alarm, 0);
        atomic_init(&model_words.bell, 0);
        atomic_init(&model_words.post_bell, 0);
        atomic_init(&model_words.returned, 0);
        atomic_init(&model_crew.threads, MODEL_MEMBERS);
        /* As if all events so far had taken that long. */
        model_crew.pace.mean = 0;
        while (weir_pace_share(&model_crew.pace) > limit)
                model_crew.pace.mean += PACE_ALONE;
        if (limit == 1)
                model_crew.pace.mean = PACE_BATCH * PACE_MAX;
        atomic_init(&model_crew.members, NULL);
        for (unsigned i = 0; i < MODEL_MEMBERS; ++i) {
                struct weir_member *member = &model_members[i];

                member->crew = &model_crew;
                member->next = i ? &model_members[i - 1] : NULL;
                member->loaded = false;
                member->begun = 0;
                member->worked = 0;
                member->lost = 0;
                member->limit = PACE_MAX;
                atomic_init(&member->bag.state, BAG_EMPTY);
                atomic_init(&member->bag.since, BAG_NOBODY);
                atomic_init(&member->bag.fetched, 0);
                model_events[i].limit = PACE_MAX;
                model_events[i].count = model_events[i].cursor = 0;
                member->bag.events = &model_events[i];
                atomic_init(&model_crew.members, member);
        }
        atomic_init(&model_ready, ready);
        atomic_init(&model_interrupted, 0);
        atomic_init(&model_begun, 0);
        atomic_init(&model_waiters, 0);
        atomic_init(&model_alarmed, 0);
        atomic_init(&model_sleepers, 0);
        atomic_init(&model_posts, 0);
        atomic_init(&model_quiet, 0);
        model_total = ready;
}

/* The word as it is when the scenario begins. */
static inline void model_turn(uint64_t turn) {
        atomic_store_explicit(&model_words.turn, TURN_ALIVE | turn, RELAXED);
}

/* What a member does that has the turn; that has not; that is at the post; or asleep. */
static inline void model_has_turn(unsigned i) {
        int n = fetch(&model_crew, &model_members[i]);

        if (n < 0)
                return;
        finish(&model_members[i], handle(&model_crew, &model_members[i], n));
        weir_crew_loop(&model_crew, &model_members[i]);
}

static inline void model_comes(unsigned i) {
        weir_crew_loop(&model_crew, &model_members[i]);
}

static inline void model_at_post(unsigned i) {
        if (keep_post(&model_crew, &model_members[i]))
                model_has_turn(i);
        else
                model_comes(i);
}

static inline void model_asleep(unsigned i) {
        sleep_till_called(&model_crew);
        model_comes(i);
}

/* Functions for a crew: to begin an event; and to be held up for ever by the first of all. */
static inline void model_begin_one(struct weir_crew *crew, const struct weir_event *event, void *data) {
        (void)crew;
        (void)event;
        (void)data;
        add(&model_begun, 1);
}

static inline void model_block_at_first(struct weir_crew *crew, const struct weir_event *event, void *data) {
        (void)crew;
        (void)event;
        (void)data;
        if (atomic_fetch_add_explicit(&model_begun, 1, RELAXED) == 0)
                pthread_exit(NULL);
}

/* A thread of a scenario. */
#define MODEL_THREAD(name, call)          \
        static void *name(void *unused) { \
                (void)unused;             \
                call;                     \
                return NULL;              \
        }

static inline unsigned model_lying(void) {
        unsigned lying = 0;

        for (unsigned i = 0; i < MODEL_MEMBERS; ++i)
                lying += model_events[i].count - model_events[i].cursor;
        return lying;
}

/* Whether somebody who sleeps would be woken by now, or by an alarm. */
static inline bool model_would_act(void) {
        bool rung = atomic_load_explicit(&model_words.bell, RELAXED);
        bool post_rung = count(&model_quiet) && atomic_load_explicit(&model_words.post_bell, RELAXED) !=
                                                        atomic_load_explicit(&model_quiet_rings, RELAXED);

        return ((count(&model_waiters) || count(&model_alarmed)) &&
                (count(&model_ready) || atomic_load_explicit(&model_interrupted, RELAXED))) ||
               count(&model_alarmed) || count(&model_posts) || (count(&model_sleepers) && rung) || post_rung;
}

/* For the main thread, when all others have ended: no event is lost or begun twice, and none lies while all others sleep. */
static inline void model_check(void) {
        unsigned sleep = count(&model_sleepers) + count(&model_posts) + count(&model_quiet) + count(&model_waiters) +
                         count(&model_alarmed);

        assert(count(&model_begun) + count(&model_ready) + model_lying() == model_total);
        assert(count(&model_waiters) + count(&model_alarmed) <= 1);
        assert(count(&model_posts) + count(&model_quiet) <= 1);
        if (count(&model_ready) + model_lying() && sleep)
                assert(model_would_act());
}

/* The same when the crew has ended: whoever sleeps would be woken. */
static inline void model_check_end(void) {
        uint32_t rings = atomic_load_explicit(&model_words.post_bell, RELAXED);

        model_check();
        assert(!count(&model_waiters) || atomic_load_explicit(&model_interrupted, RELAXED));
        assert(!count(&model_alarmed) || atomic_load_explicit(&model_interrupted, RELAXED));
        assert(!count(&model_sleepers) || atomic_load_explicit(&model_words.bell, RELAXED));
        assert(!count(&model_quiet) || rings != atomic_load_explicit(&model_quiet_rings, RELAXED));
        assert(!count(&model_posts) || rings);
}

#ifdef WEIR_MODEL_CHECK

#define MODEL_CREW(set_up, tear_down, ...)                                      \
        static void *(*const model_runs[])(void *) = { __VA_ARGS__ };           \
        int main(void) {                                                        \
                pthread_t threads[sizeof model_runs / sizeof model_runs[0]];    \
                                                                                \
                set_up();                                                       \
                for (unsigned i = 0; i < sizeof threads / sizeof *threads; ++i) \
                        pthread_create(&threads[i], NULL, model_runs[i], NULL); \
                for (unsigned i = 0; i < sizeof threads / sizeof *threads; ++i) \
                        pthread_join(threads[i], NULL);                         \
                tear_down();                                                    \
                return 0;                                                       \
        }

#else

#include "../harness.h"

void model_kernel_reset(void) {
}
#define MODEL_CREW MODEL_MAIN

#endif
