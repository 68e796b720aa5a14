/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_EXPLORE_ALLOWED_POINT_H
#define WEIR_TESTS_EXPLORE_ALLOWED_POINT_H

/* Where the search of allowed.c stands, and the ways in which it can go on. */

#include "program.h"

#define PAIR 2 /* threads, and calls of each */

struct point {
        const struct program *program;
        struct sequential state;
        uint64_t outcome;
        uint32_t taken[PAIR];                   /* which registration the last event of each thread was of */
        unsigned char letter[PAIR], part[PAIR]; /* of each thread, what comes next */
        unsigned char stage, round, events;     /* of the main thread */
        bool open;
};

/* Its stages. */
enum {
        THREADS_RUN,
        CLEARS_FIRST,
        CLEARS_SECOND,
        READS,
        PASSES_TIME,
        READS_LATER,
        DRAINS,
        DRAINS_DUPLICATE,
        REARMS,
        MAKES_READY,
        READS_AGAIN,
        ENDS,
};

/* The parts of a letter of a thread, its n-th. Returns how many. */
unsigned allowed_parts(const struct program *program, char letter, unsigned thread, unsigned n,
                       struct call calls[PAIR]);

/* What an event says, in three bits. */
unsigned allowed_saying(const struct weir_event *event);

/*
 * Each registration of the state that has no name gets one: which it is, an event says for weir_deregister_if(). The numbers are
 * the library's own affair; here they count.
 */
void allowed_name(struct sequential *state);

/* Whether a wait of the thread may be refused, for another one waits. */
bool allowed_refusal(const struct program *program, unsigned thread);

/* Calls back with each result, and each event, that the model lets a call have here. */
void allowed_each(const struct point *point, struct call *call, unsigned thread,
                  void (*function)(struct point *point, const struct call *call, unsigned thread));

#endif
