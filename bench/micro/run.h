/* SPDX-License-Identifier: MIT */
#pragma once

/* What is measured, and what comes out. */

#include "bench.h"
#include "peers/peer.h"
#include "summary.h"

/* The sides: raw epoll, weir, then the peers in their order. */
enum { RAW, WEIR, FIRST_PEER, MAX_SIDES = FIRST_PEER + 8 };

struct result {
        const struct bench_case *what;
        size_t n;
        unsigned repetitions;
        struct summary raw;              /* what an operation costs with raw epoll, in nanoseconds */
        bool there[MAX_SIDES];           /* whether the side can do that */
        struct summary ratio[MAX_SIDES]; /* to raw epoll in the same repetition; or bytes, if the case counts them */
};

struct plan {
        unsigned repetitions;
        size_t operations; /* that a lap times at least */
        bool peers;        /* whether they run, too */
};

/* Runs one case on descriptors opened for it. */
void run_case(const struct bench_case *what, const struct bench_descriptors *on, const struct plan *plan,
              struct result *ret_result);

size_t peer_count(void);
