/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What answering a request costs beside the answer: a server is measured with handlers of a length. The time of work is that of
 * the processor: a thread that loses it meanwhile has as much left to do.
 */

#define LOAD_MAX 10000000 /* microseconds */

#define LOAD_USAGE                                                                               \
        "  --work=US            compute for so many microseconds for each request (default 0)\n" \
        "  --sleep=US           sleep for so many for each request (default 0)\n"                \
        "  --rare=US            compute for so many more for one request in a hundred (default 0)\n"

/* In microseconds. Written before there are threads. */
struct load {
        unsigned long work;
        unsigned long sleep;
        unsigned long rare;
};

/*
 * How many rounds of computing this processor does in a microsecond. Its clock changes: it says 7,600 at one moment and 6,700 at
 * another. So servers that are compared are to be told one rate, by an environment variable.
 */
#define LOAD_RATE "LOAD_RATE"
double load_rate(void);

/* Finds out the rate, if there is something to compute and LOAD_RATE does not say it. */
void load_set(const struct load *load);

/* To be called for each request. */
void load_bear(void);
