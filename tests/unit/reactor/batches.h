/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_UNIT_REACTOR_BATCHES_H
#define WEIR_TESTS_UNIT_REACTOR_BATCHES_H

/* Batches and functions without a poll. The includer has cmocka. */

#include "core.h"

#define BATCHES 4

struct bench {
        struct weir_life life;
        struct weir_epochs epochs;
        struct weir_batch batches[BATCHES];
        struct note notes[BATCHES + 1];
        unsigned forks;
};

static inline void bench_make(struct bench *bench) {
        memset(bench, 0, sizeof *bench);
        weir_epochs_init(&bench->epochs);
        bench->life = (struct weir_life){ 1, 1, 1 };
        bench->epochs.life = &bench->life;
}

/* Runs what is due. Returns how many functions that were. */
static inline unsigned run(const struct weir_deferred_list *due) {
        unsigned count = 0;

        for (struct weir_deferred *stack = due->first, *more; stack; stack = more) {
                more = stack->more;
                for (struct weir_deferred *node = stack; node; node = node->next, ++count)
                        node->fn(node);
        }
        return count;
}

/* Closes one with these counts, and runs what is due. Returns how many functions that were. */
static inline unsigned close_counted(struct bench *bench, unsigned i, const struct weir_counts *counts) {
        struct weir_deferred_list due = { NULL, NULL };

        weir_epochs_close(&bench->epochs, &bench->batches[i], counts, &due);
        return run(&due);
}

static inline unsigned close_batch(struct bench *bench, unsigned i) {
        return close_counted(bench, i, &(struct weir_counts){ 0 });
}

/* Whether it has to wait; else it is run. */
static inline bool defer(struct bench *bench, unsigned i) {
        struct weir_deferred *node = &bench->notes[i].node;

        node->fn = note_run;
        if (!weir_epochs_defer(&bench->epochs, node))
                return true;
        node->fn(node);
        return false;
}

#endif
