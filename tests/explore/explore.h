/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_EXPLORE_EXPLORE_H
#define WEIR_TESTS_EXPLORE_EXPLORE_H

/* The search: every way in which the threads of a program can take turns, with so many preemptions at most. */

#include "program.h"

struct explored {
        uint64_t interleavings; /* ways to take turns */
        uint64_t outcomes;      /* that differ */
        uint64_t left_out;      /* of these, because nothing is promised */
        const char *wrong;      /* NULL, or what was found; then the search has stopped */
};

void explore_init(void);

/* Does what a beginning says; the programs that follow begin there. NULL, or what is wrong already. */
const char *explore_begin(const struct beginning *beginning);

/* The model as the beginning left it. */
const struct sequential *explore_state(void);

struct explored explore_program(const struct program *program, unsigned preemptions);

/* The last interleaving of the last program once more: the one that is wrong. */
void explore_repeat(void);

#endif
