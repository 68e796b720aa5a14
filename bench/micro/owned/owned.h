/* SPDX-License-Identifier: MIT */
#pragma once

/* What the parts of weir-bench-owned share. */

#include "bench.h"

/* How the worker reads what comes while it owns the descriptor, see main.c. */
enum { LATE, AT_ONCE, WAYS };

/* What is counted. */
enum { WAITS, CTLS, SWITCHES, CPU, FIGURES };

enum { RAW, WEIR, SIDES };

/* Of a lap. */
struct plan {
        size_t way;
        unsigned messages; /* that come to the worker during a turn, besides the one that begins it */
        unsigned turns;
        int pair[2]; /* a stream: the end that is watched, and the peer's */
};

struct side {
        void *loop;
        int (*wait)(void *loop); /* sleeps for an event: the descriptor, or -1 at the end */
        void (*rearm)(void *loop, int fd);
        void (*stop)(void *loop);
};

/* Runs the turns of a lap, and ends it. The figures are those of one turn. */
void owned_run(const struct plan *plan, const struct side *side, double *ret_figures);

/* One lap of one side. */
void owned_lap(size_t side, const struct plan *plan, double *ret_figures);
