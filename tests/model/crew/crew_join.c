/* SPDX-License-Identifier: MIT */

/*
 * A member is alone, and looks at no clock; another one joins while it fetches two events, and is held up by the first.
 * Threads: a member that comes; one that joins.
 */

#include "model.h"

static void set_up(void) {
        model_begin(model_block_at_first, 2, PACE_MAX);
        atomic_store_explicit(&model_crew.threads, 1, RELAXED);
}

static void *joins(void *unused) {
        (void)unused;
        atomic_store_explicit(&model_crew.threads, 2, RELAXED);
        model_comes(1);
        return NULL;
}

MODEL_THREAD(comes, model_comes(0))

MODEL_CREW(set_up, model_check, comes, joins)
