/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_STRESS_HISTORY_H
#define WEIR_TESTS_STRESS_HISTORY_H

/* A call of a history: what it was and what came of it, who made it and when. */

#include "call.h"

#include <stddef.h>

struct record {
        struct call call;
        unsigned thread;     /* below HISTORY_THREADS */
        uint64_t begin, end; /* in ns; what ended before another one began comes first */
};

#define HISTORY_THREADS 64

struct history_verdict {
        const char *wrong; /* NULL, or why no order of the calls is one of the model's */
        size_t at;         /* the call that could not be placed any more when it returned */
        bool given_up;     /* there are too many orders */
        size_t most;       /* configurations at a time */
};

/* Sorts the records by their beginning, and judges them. `begin` is the model before the first. */
struct history_verdict history_judge(struct record *records, size_t count, const struct sequential *begin);

#endif
