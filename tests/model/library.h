/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The library's own sources, unchanged, in one piece with the fake kernel, for the model checker reads a single file.
 * sys.c is left out: kernel.c stands in its place. So are format.c and source.c, which share nothing between threads.
 *
 * With WEIR_MODEL_APART, in the stress build, a scenario takes the headers alone, and library.c has the rest, compiled once for
 * all. Not one that asks for another kernel than they do: it keeps its own copy, and links nothing of the other.
 */

#if defined(MODEL_FILES) || defined(MODEL_BEHIND) || defined(MODEL_SETS) || defined(MODEL_CAPACITY) || \
        defined(MODEL_FUTEX) || defined(MODEL_CLOCK_STANDS) || defined(MODEL_TURN) ||                  \
        defined(WEIR_FIRST_SEGMENT_SHIFT)
#undef WEIR_MODEL_APART
#endif

#ifndef WEIR_FIRST_SEGMENT_SHIFT
#define WEIR_FIRST_SEGMENT_SHIFT 1
#endif

#undef NDEBUG
#include <assert.h>
#include <pthread.h>

#ifdef WEIR_MODEL_CHECK
#include <genmc.h>
#ifndef pthread_equal
#define pthread_equal(a, b) ((a) == (b))
#endif
#endif

#ifdef WEIR_MODEL_APART

#include <stdlib.h>

#include "deadline.h"
#include "events.h"
#include "ghost.h"
#include "oneshot.h"
#include "poll.h"
#include "registry.h"
#include "run.h"
#include "sets.h"

#include "kernel.h"

#else

#include "mutex.c"
#include "slot.c"
#include "queue.c"
#include "epoch.c"
#include "core.c"
#include "run.c"
#include "guard.c"
#include "events.c"
#include "waker.c"
#include "deadline.c"
#include "ghost.c"
#include "registry.c"
#include "oneshot.c"
#include "sets.c"
#include "poll.c"

#include "kernel.c"

#endif

#include "harness.h"
#include "fixture.h"
