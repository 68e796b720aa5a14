/* SPDX-License-Identifier: MIT */

/*
 * The crew ends while one member passes the turn with an event, one is quiet at the post, and one sleeps.
 * Threads: three members; one that ends it.
 */

#define MODEL_ALARMS  0
#define MODEL_MEMBERS 3

#include "model.h"

static void set_up(void) {
        model_begin(model_begin_one, 1, PACE_MAX);
        model_turn(TURN_TAKEN | TURN_QUIET | TURN_SLEEPER);
}

MODEL_THREAD(has_turn, model_has_turn(0))
MODEL_THREAD(at_post, model_at_post(1))
MODEL_THREAD(asleep, model_asleep(2))
MODEL_THREAD(ends, weir_turn_end(&model_crew, 0))

MODEL_CREW(set_up, model_check_end, has_turn, at_post, asleep, ends)
