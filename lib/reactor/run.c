/* SPDX-License-Identifier: MIT */

/* The runs of deferred functions: see run.h. */

#include "run.h"

struct run {
        struct run *outer;             /* the one further up the stack, of another core */
        struct weir_registry *core;    /* may be gone, and another one be at its place, unless the run keeps it */
        uint64_t serial;               /* of the core */
        bool keeps_core;               /* by a reference: there is more to do than the function that runs */
        int cancel;                    /* what the thread's state of cancellation was */
        struct weir_deferred *next;    /* oldest first */
        struct weir_deferred_list due; /* after those */
        struct weir_deferred *held;    /* a stack: what the function that runs now deferred */
        weir_epoch held_since;         /* that of the last of these */
};

static _Thread_local struct run *innermost;

static struct run *find_run(const struct weir_registry *core) {
        struct run *run = innermost;

        while (run && run->serial != core->serial)
                run = run->outer;
        return run;
}

static void begin_run(struct run *run, struct weir_registry *core) {
        run->outer = innermost;
        run->core = core;
        run->serial = core->serial;
        run->keeps_core = false;
        /* A thread that was cancelled in a function would keep the waiting role, and leave the other functions undone. */
        run->cancel = weir_sys_forbid_cancel();
        run->next = run->due.first = run->held = NULL;
        innermost = run;
}

static void keep_core(struct run *run) {
        if (!run->keeps_core)
                weir_core_ref(run->core);
        run->keeps_core = true;
}

static struct weir_deferred *oldest_first(struct weir_deferred *stack) {
        struct weir_deferred *oldest = NULL, *next;

        for (; stack; stack = next) {
                next = stack->next;
                stack->next = oldest;
                oldest = stack;
        }
        return oldest;
}

static struct weir_deferred *next_of_run(struct run *run) {
        struct weir_deferred *node;

        if (run->held) {
                weir_epochs_defer_since(&run->core->epochs, run->held, run->held_since, &run->due);
                run->held = NULL;
        }
        if (!run->next && run->due.first) {
                node = run->due.first;
                run->due.first = node->more;
                run->next = oldest_first(node);
        }
        node = run->next;
        if (node)
                run->next = node->next;
        return node;
}

/* Until nothing is left. Without a reference there can be nothing more, and the core may be gone. */
static void finish_run(struct run *run) {
        struct weir_deferred *node;

        /* A function that forks returns in the child, too, where the lists are nobody's. */
        while (run->keeps_core && !weir_core_is_forked(run->core) && (node = next_of_run(run))) {
                WEIR_YIELD();
                node->fn(node);
        }
        innermost = run->outer;
        if (run->keeps_core)
                weir_core_unref(run->core);
        weir_sys_restore_cancel(run->cancel);
}

void weir_run_defer(struct weir_registry *core, struct weir_deferred *node) {
        struct run *outer = find_run(core), run;

        if (outer) {
                keep_core(outer);
                node->next = outer->held;
                outer->held = node;
                outer->held_since = weir_epochs_now(&core->epochs);
        } else if (weir_epochs_defer(&core->epochs, node)) {
                begin_run(&run, core);
                WEIR_YIELD();
                node->fn(node);
                finish_run(&run);
        }
}

static void add_due(struct run *run, const struct weir_deferred_list *due) {
        keep_core(run);
        weir_deferred_append(&run->due, due);
}

void weir_run_due(struct weir_registry *core, const struct weir_deferred_list *due) {
        struct run *outer, run;

        if (!due->first)
                return;
        outer = find_run(core);
        if (outer) {
                add_due(outer, due);
        } else {
                begin_run(&run, core);
                add_due(&run, due);
                finish_run(&run);
        }
}

bool weir_run_is_inside(const struct weir_registry *core) {
        return find_run(core);
}
