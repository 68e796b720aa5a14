/* SPDX-License-Identifier: MIT */

/*
 * One has the turn, one is quiet at the post, one sleeps. Two events come in one fetch, as many as were asked for: the sleeper is
 * called to take the turn, and the post to look after what lies behind the first, which holds its member up.
 * Threads: three members.
 */

#define MODEL_ALARMS  0
#define MODEL_MEMBERS 3

#include "model.h"

static void set_up(void) {
        model_begin(model_block_at_first, 2, 2);
        model_turn(TURN_TAKEN | TURN_QUIET | TURN_SLEEPER);
}

MODEL_THREAD(has_turn, model_has_turn(0))
MODEL_THREAD(at_post, model_at_post(1))
MODEL_THREAD(asleep, model_asleep(2))

MODEL_CREW(set_up, model_check, has_turn, at_post, asleep)
