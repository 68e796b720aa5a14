/* SPDX-License-Identifier: MIT */

/*
 * A look-out falls quiet just when the member that has the turn fetches two events, is held up by the first, and the turn goes to
 * a third one, which sets no alarm: the look-out finds what lies in the bag and sets its own again, or it is rung.
 * Threads: a member that has the turn; one that comes; one at the post, which saw nothing at its alarm.
 */

#define MODEL_ALARMS  0
#define MODEL_MEMBERS 3

#include "model.h"

static void set_up(void) {
        model_begin(model_block_at_first, 2, PACE_MAX);
        model_turn(TURN_TAKEN | TURN_TIMED);
}

static void *falls_quiet(void *unused) {
        uint64_t turn = atomic_load_explicit(&model_words.turn, RELAXED);

        (void)unused;
        if (turn & TURN_TAKEN)
                fall_quiet(&model_crew, &model_members[1], turn);
        model_at_post(1);
        return NULL;
}

MODEL_THREAD(has_turn, model_has_turn(0))
MODEL_THREAD(comes, model_comes(2))

MODEL_CREW(set_up, model_check, has_turn, comes, falls_quiet)
