/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_EXPLORE_FRAME_H
#define WEIR_TESTS_EXPLORE_FRAME_H

/* What the main thread does before and after the threads of a program: the same for all. */

#include "program.h"

/* A poll with its waker and events objects, and what the beginning says. NULL, or what is wrong already. */
const char *frame_begin(const struct beginning *beginning, struct sequential *ret_state);

/* All threads have ended, or cannot go on: what is ready must come, and all comes down. */
void frame_finish(unsigned threads);

bool frame_is_asleep(unsigned thread);

#endif
