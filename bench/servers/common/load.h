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

/* Finds out how fast this processor is, if there is something to compute. */
void load_set(const struct load *load);

/* To be called for each request. */
void load_bear(void);
