/* SPDX-License-Identifier: MIT */

/*
 * An event becomes ready while the turn is passed on, and while the other member comes for it, or goes to sleep. No alarm is
 * needed for that.
 * Threads: a member that has the turn, and an event; one that comes; one that pushes.
 */

#define MODEL_ALARMS 0

#include "model.h"

static void set_up(void) {
        model_begin(model_begin_one, 1, PACE_MAX);
        model_turn(TURN_TAKEN);
        model_total += 1;
}

static void check(void) {
        model_check();
        /* Who has the turn waits there, and the other one looks out. */
        assert(count(&model_waiters) + count(&model_alarmed) == 1);
        assert(count(&model_posts) == 1);
}

MODEL_THREAD(has_turn, model_has_turn(0))
MODEL_THREAD(comes, model_comes(1))
MODEL_THREAD(pushes, model_push(1))

MODEL_CREW(set_up, check, has_turn, comes, pushes)
