/* SPDX-License-Identifier: MIT */

/*
 * Guards: batches without an event, for readers that have none. Who enters opens a batch and who leaves closes it, so that all
 * that is said of batches in epoch.c holds of a guard.
 *
 * Why a reader that has entered may follow a link to what is deferred. The writer takes the link away and then changes the word
 * `given` in weir_epochs_defer(); the reader changes it in weir_epochs_open() before it looks at the link. One of the two comes
 * first. If the reader does, the function is put on a batch that is not older than its guard, and waits for it: what the reader
 * did comes before it by PAIR(closed). If the writer does, PAIR(given) has the reader find the link gone. As the waiter's case,
 * with a link in the place of a slot's generation.
 */

#include "core.h"
#include "run.h"

struct weir_guard {
        struct weir_registry *core; /* by a reference */
        struct weir_batch batch;
};

int weir_guard_create(struct weir_registry *core, struct weir_guard **ret_guard) {
        struct weir_guard *guard;
        int r;

        if (!core || !ret_guard)
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        guard = weir_sys_alloc(sizeof *guard);
        if (!guard)
                return -ENOMEM;
        weir_core_ref(core);
        guard->core = core;
        *ret_guard = guard;
        return 0;
}

int weir_guard_enter(struct weir_guard *guard) {
        if (!guard)
                return -EINVAL;
        if (weir_core_is_forked(guard->core))
                return -ECHILD;
        if (guard->batch.number)
                return -EBUSY;
        return weir_epochs_open(&guard->core->epochs, &guard->batch) ? 0 : -ECHILD;
}

void weir_guard_leave(struct weir_guard *guard) {
        const struct weir_counts none = { 0 };
        struct weir_deferred_list due = { NULL, NULL };
        struct weir_registry *core;

        if (!guard || !guard->batch.number)
                return;
        core = guard->core;
        if (weir_core_is_forked(core)) {
                guard->batch.number = 0; /* the lists are the parent's */
                return;
        }
        weir_epochs_close(&core->epochs, &guard->batch, &none, &due);
        /* The functions may destroy the guard. */
        weir_run_due(core, &due);
}

void weir_guard_destroy(struct weir_guard *guard) {
        if (!guard)
                return;
        /* A function that runs because of it may enter again. */
        while (guard->batch.number)
                weir_guard_leave(guard);
        weir_core_unref(guard->core);
        weir_sys_free(guard, sizeof *guard);
}
