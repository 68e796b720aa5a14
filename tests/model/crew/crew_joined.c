/* SPDX-License-Identifier: MIT */

/*
 * A member is made and joins while another one looks at the bags of all there are.
 * Threads: one that joins; one that looks.
 */

#include "model.h"

#include "model_crew.h"

static void set_up(void) {
        model_begin(model_begin_one, 0, PACE_MAX);
        for (unsigned i = 0; i < MODEL_MEMBERS; ++i)
                model_members[i].used = true;
}

static void *joins(void *unused) {
        (void)unused;
        assert(add_member(&model_crew) == &model_made);
        return NULL;
}

static void *looks(void *unused) {
        struct weir_finding finding;

        (void)unused;
        weir_turn_look(&model_crew, &model_members[0], &finding);
        assert(!finding.young && !finding.lying);
        return NULL;
}

static void check(void) {
        assert(first_member(&model_crew) == &model_made);
}

MODEL_CREW(set_up, check, joins, looks)
