/* SPDX-License-Identifier: MIT */
/*
 * What the threads of a round defer, and the guards and batches for which that waits. A span lies well inside the time in which a
 * guard was entered or a batch open, so a function that was deferred in it, after its beginning, may not begin to run before its
 * end. Read history_judge_deferred().
 */
#include "history_act.h"

/* ---------------------------------------------------------------- spans */

void history_span_begin(uint64_t *since) {
        *since = now_ns();
}

void history_span_end(struct actor *actor, uint64_t *since) {
        if (*since && actor->n_spans < actor->round->calls)
                actor->spans[actor->n_spans++] = (struct span){ *since, now_ns() };
        *since = 0;
}

void history_leave(struct actor *actor) {
        history_span_end(actor, &actor->entered_since);
        weir_guard_leave(actor->guard);
}

void history_enter_or_leave(struct actor *actor) {
        if (actor->entered_since) {
                history_leave(actor);
                return;
        }
        actor->refused += weir_guard_enter(actor->guard) < 0;
        history_span_begin(&actor->entered_since);
}

/* ---------------------------------------------------------------- functions */

static void run(struct weir_deferred *node) {
        struct deferral *deferral = (struct deferral *)(void *)((char *)node - offsetof(struct deferral, node));

        deferral->ran = now_ns();
        atomic_fetch_add(&deferral->runs, 1);
}

void history_defer(struct actor *actor) {
        struct deferral *deferral = &actor->deferrals[actor->n_deferrals];

        if (actor->n_deferrals == actor->round->calls)
                return;
        actor->n_deferrals++;
        deferral->given = now_ns();
        weir_defer(actor->round->registry, &deferral->node, run);
}

/* ---------------------------------------------------------------- judging */

/* Whether one that was deferred in a span of any thread ran in it. */
static bool is_early(const struct round *round, const struct deferral *deferral) {
        for (unsigned i = 0; i < round->n_threads; i++)
                for (size_t j = 0; j < round->actors[i].n_spans; j++) {
                        const struct span *span = &round->actors[i].spans[j];

                        if (span->begin < deferral->given && deferral->ran < span->end)
                                return true;
                }
        return false;
}

size_t history_judge_deferred(struct round *round) {
        size_t count = 0;

        for (unsigned i = 0; i < round->n_threads; i++) {
                const struct actor *actor = &round->actors[i];

                assert_int_equal(actor->refused, 0);
                for (size_t j = 0; j < actor->n_deferrals; j++) {
                        assert_int_equal(actor->deferrals[j].runs, 1);
                        assert_false(is_early(round, &actor->deferrals[j]));
                }
                count += actor->n_deferrals;
        }
        return count;
}
