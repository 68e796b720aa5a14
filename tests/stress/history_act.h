/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_STRESS_HISTORY_ACT_H
#define WEIR_TESTS_STRESS_HISTORY_ACT_H

/* A round of history.c: threads that make calls on some objects, descriptors and wakers, and record them. */

#include "support.h"

#include "history.h"

#define OBJECTS   260
#define NO_OBJECT OBJECTS /* of a next that handed out nothing */
#define WAKER     3       /* every so many-th object is one, and no descriptor */

struct object {
        int fd; /* -1 for a waker */
        weir_interest mode;
        struct weir_waker *waker;
        atomic_int reuses;
};

/* Between two moments in ns a guard was entered, or a batch open. */
struct span {
        uint64_t begin, end;
};

struct deferral {
        struct weir_deferred node;
        uint64_t given, ran; /* just before it was deferred, and as it began to run, in ns */
        atomic_uint runs;
};

struct actor {
        struct round *round;
        struct worker worker;
        struct weir_events *events;
        unsigned number;
        uint64_t random, last_end;
        weir_token last_token;
        struct weir_event taken; /* the last event of a descriptor */
        struct record *records;
        unsigned *objects; /* what each record is about */
        size_t count, room;
        struct weir_guard *guard;
        uint64_t entered_since, open_since; /* of the guard and the batch, in ns; 0: not now */
        struct span *spans;
        struct deferral *deferrals;
        size_t n_spans, n_deferrals;
        unsigned refused; /* how often the guard was */
};

struct round {
        struct weir_poll *poll;
        struct weir_registry *registry;
        unsigned n_threads, n_objects, calls;
        struct object objects[OBJECTS];
        struct actor actors[HISTORY_THREADS];
        pthread_barrier_t start;
};

/* That of a deadline: it has passed when a round begins. */
#define HISTORY_MOMENT 1

static inline weir_token history_waker_token(unsigned object) {
        return (weir_token)object << 48;
}

/* history_defer.c */
void history_span_begin(uint64_t *since);
/* Unless none was begun. */
void history_span_end(struct actor *actor, uint64_t *since);
void history_leave(struct actor *actor);
void history_enter_or_leave(struct actor *actor);
void history_defer(struct actor *actor);
/* When all is closed and left: asserts that each function ran once, and none before its time. Returns how many there were. */
size_t history_judge_deferred(struct round *round);

/* A thread of the round: its actor. */
int history_act(void *actor);

/* After all threads: closes what is open, and takes what is due, for the first actor. */
void history_finish(struct round *round);

#endif
