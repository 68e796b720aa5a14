/* SPDX-License-Identifier: MIT */

/*
 * Two events come in one fetch, and the call for the first of them never returns. The second is begun by the other member, or
 * that one looks out with an alarm, or waits in the poll with one.
 * Threads: two members that come.
 */

#include "model.h"

static void set_up(void) {
        model_begin(model_block_at_first, 2, PACE_MAX);
}

MODEL_THREAD(comes, model_comes(0))
MODEL_THREAD(comes_too, model_comes(1))

MODEL_CREW(set_up, model_check, comes, comes_too)
