/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_EXPLORE_ORACLE_H
#define WEIR_TESTS_EXPLORE_ORACLE_H

/*
 * Whether what came of a program is what the contract promises: there is an order of the calls which no call denies that
 * had returned before another one was made, and in which the sequential model gives the same results and events (Wing and
 * Gong's search). What the model does not know is looked at apart: who may be refused as a second waiter, and when
 * deferred functions run.
 */

#include "call.h"

/*
 * Whether this is not promised: a file that a ghost belongs to was put on the number by one thread, while another one was in a
 * call about that number.
 */
bool oracle_leaves_out(void);

/* NULL, or what is wrong. `begin` is the model as the beginning left it. */
const char *oracle_judge(const struct sequential *begin);

#endif
