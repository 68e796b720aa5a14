/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_EXPLORE_ALLOWED_H
#define WEIR_TESTS_EXPLORE_ALLOWED_H

/*
 * For the model checker, whose executions have no one order: all outcomes that the contract allows a program, by the sequential
 * model alone. A thread's calls take effect in their order, those of different threads in any.
 *
 * An outcome is a number, ALLOWED_CALL and ALLOWED_REST have its parts: a byte for each of two calls of each of two threads, and
 * ten bits for each of three times that the main thread reads in the end: at once; when time has passed, if there is a deadline; and
 * after new readiness, when a one-shot was given back. Tokens are below 16: 1 is the waker's, from 2 on those of the beginning, from
 * 8 on those of the threads' calls.
 *
 *     call   0, 1, or 0x40 and an errno
 *            0x80, what an event says in three bits, 1 readiness, 2 a timeout, 4 a trigger, times 16, and its token
 *     rest   the token of the first event of the descriptor; 0x10 if there was another one; 0x20 times what they said; 0x100 times
 *            what the waker's said
 */

#include "program.h"

#define ALLOWED_CALL(thread, n) (8 * ((thread)*2 + (n)))
#define ALLOWED_REST(round)     (32 + 10 * (round))

#include <stdio.h>

/* Whether the checker knows all letters of a program. */
bool allowed_knows(const struct program *program);

/* After frame_begin(), which gave the state. Returns how many; *ret_outcomes is the callee's. */
unsigned allowed_outcomes(const struct program *program, const struct sequential *begin, const uint64_t **ret_outcomes);

#endif
