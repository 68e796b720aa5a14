/* SPDX-License-Identifier: MIT */

/*
 * Who has the turn passes it and calls the post to take it, but is back before the other one has woken; and there is one more
 * event, whose call never returns.
 * Threads: a member that has the turn, and asks for single events; one at the post.
 */

#define MODEL_ALARMS 0

#include "model.h"

static void set_up(void) {
        model_begin(model_begin_one, 2, 1);
        model_turn(TURN_TAKEN | TURN_QUIET);
}

MODEL_THREAD(has_turn, model_has_turn(0))
MODEL_THREAD(at_post, model_at_post(1))

MODEL_CREW(set_up, model_check, has_turn, at_post)
