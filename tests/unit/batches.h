/* SPDX-License-Identifier: MIT */
#pragma once

/* Batches without a poll, and functions that are deferred to them: for the two programs about lib/epoch.c. */

#include "fault.h"
#include "support.h"

#include "epoch.h"

#define BATCHES 4

struct bench {
        struct weir_epochs epochs;
        struct weir_batch batches[BATCHES];
        struct note notes[BATCHES + 1];
};

static inline void bench_make(struct bench *bench) {
        memset(bench, 0, sizeof *bench);
        weir_epochs_init(&bench->epochs);
}

/* As weir_core_run(). Returns how many functions ran. */
static inline unsigned run(struct weir_epochs *epochs, struct weir_runner *runner) {
        struct weir_deferred *node;
        unsigned count = 0;

        for (; (node = weir_epochs_next(epochs, runner)); ++count)
                node->fn(node);
        return count;
}

/* Closes one with these counts, and runs what is due. Returns how many functions that were. */
static inline unsigned close_counted(struct bench *bench, unsigned i, const struct weir_counts *counts) {
        struct weir_runner runner;
        bool due = weir_epochs_close(&bench->epochs, &bench->batches[i], counts, &runner);

        return due ? run(&bench->epochs, &runner) : 0;
}

static inline unsigned close_batch(struct bench *bench, unsigned i) {
        return close_counted(bench, i, &(struct weir_counts){ 0 });
}

/* Whether it has to wait; else it is run. */
static inline bool defer_node(struct bench *bench, struct weir_deferred *node) {
        struct weir_runner runner;

        if (!weir_epochs_defer(&bench->epochs, node, &runner))
                return true;
        assert_int_equal(run(&bench->epochs, &runner), 1);
        return false;
}

static inline bool defer(struct bench *bench, unsigned i) {
        bench->notes[i].node.fn = note_run;
        return defer_node(bench, &bench->notes[i].node);
}
