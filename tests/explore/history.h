/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_EXPLORE_HISTORY_H
#define WEIR_TESTS_EXPLORE_HISTORY_H

/*
 * What was called and what came of it. No clock: of each call it is known which ones had returned before it began, and
 * that is all that an order of the calls has to respect.
 *
 * A call has its place by its thread, so that two histories that are the same look the same. The main thread has places,
 * too, for what it does while another one sleeps; what it does before or after all others is listed in `last`.
 */

#include "call.h"
#include "scheduler.h"

#define PLACES      8  /* of a thread */
#define MAIN_PLACES 16 /* the last ones */
#define CALLS_MAX   (THREADS * PLACES + MAIN_PLACES)
#define LAST_MAX    240

struct history {
        uint64_t invoked, returned; /* a bit for each place */
        uint8_t made[THREADS + 1];
        struct call calls[CALLS_MAX];
        uint64_t before[CALLS_MAX]; /* calls that had returned when this one was made */
        bool alone;                 /* no other thread runs: calls go to the list */
};

/* The list. It is no part of the world, for nobody goes back to a point in it. */
extern struct history_last {
        unsigned count;
        struct call calls[LAST_MAX];
} history_last;

/* A call begins. What it does to its first point is one step with this. */
struct call *history_begin(enum kind kind, unsigned batch);
/* A second part of the same call, which comes after the first. */
struct call *history_begin_part(enum kind kind, unsigned batch);
void history_end(struct call *call);

/* A new epoll set was made. */
void history_note_set(void);

static inline uint64_t history_bit(unsigned place) {
        return UINT64_C(1) << place;
}

#endif
