/* SPDX-License-Identifier: MIT */

/*
 * The crew ends while one member waits in the poll and the other one comes and goes to sleep: nobody sleeps on.
 * Threads: a member that has the turn; one that comes; one that ends it.
 */

#define MODEL_ALARMS 0

#include "model.h"

static void set_up(void) {
        model_begin(model_begin_one, 0, PACE_MAX);
        model_turn(TURN_TAKEN);
}

MODEL_THREAD(has_turn, model_has_turn(0))
MODEL_THREAD(comes, model_comes(1))
MODEL_THREAD(ends, weir_turn_end(&model_crew, 0))

MODEL_CREW(set_up, model_check_end, has_turn, comes, ends)
