/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The library's own sources, unchanged, in one piece with the fake kernel, for the model checker reads a single file.
 * sys.c is left out: kernel.c stands in its place. So are format.c and source.c, which share nothing between threads.
 */

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
#include "sets.c"
#include "poll.c"

#include "kernel.c"

#include "harness.h"
#include "fixture.h"
