/* SPDX-License-Identifier: MIT */

/*
 * A crew is stopped while the last one that uses it is about to free it: that waits until the stop has done with it.
 * Threads: one that stops; one that frees.
 */

#include "model.h"

#include "model_crew.h"

static void set_up(void) {
        model_begin(model_begin_one, 0, PACE_MAX);
        model_turn(TURN_TAKEN);
}

MODEL_THREAD(stops, weir_crew_stop(&model_crew))

/* Whoever leaves has seen the end in the one word or in the other. */
static void *frees(void *unused) {
        (void)unused;
        if (!has_ended(atomic_load_explicit(&model_words.turn, RELAXED)) && goes_on(&model_crew))
                return NULL;
        await_stoppers(&model_crew);
        model_crew.role = NULL; /* plain memory, as what is freed */
        return NULL;
}

static void check(void) {
        assert(!atomic_load_explicit(&model_words.stoppers, RELAXED));
        assert(atomic_load_explicit(&model_interrupted, RELAXED));
}

MODEL_CREW(set_up, check, stops, frees)
