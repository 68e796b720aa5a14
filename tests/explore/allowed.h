/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_EXPLORE_ALLOWED_H
#define WEIR_TESTS_EXPLORE_ALLOWED_H

/*
 * For the model checker, whose executions have no one order: all outcomes that the contract allows a program, by the sequential
 * model alone. A thread's calls take effect in their order, those of different threads in any.
 *
 * An outcome is a number: a byte for each of two calls of each of two threads, then two for what the main thread finds in the
 * end, at once and after new readiness. That of a call is 0, 1, 0x80 and an errno, or 0x40 and the token of an event.
 * That of the main thread is the token of the first event of the descriptor, 0x20 if there was another one, 0x40 for a
 * waker's. Tokens are small: 1 is the waker's, from 2 on those of the beginning, from 8 on those of the threads' calls.
 */

#include "program.h"

#include <stdio.h>

/* Whether the checker knows all letters of a program. */
bool allowed_knows(const struct program *program);

/* After frame_begin(), which gave the state. Returns how many; *ret_outcomes is the callee's. */
unsigned allowed_outcomes(const struct program *program, const struct sequential *begin, const uint64_t **ret_outcomes);

#endif
