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

/* A thread of the round: its actor. */
int history_act(void *actor);

/* After all threads: closes what is open, and takes what is due, for the first actor. */
void history_finish(struct round *round);

#endif
