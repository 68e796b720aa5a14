/* SPDX-License-Identifier: MIT */

/*
 * A guard beside a batch, in any order, and a defer: the function waits for both where both may use the thing, and runs once, on
 * whoever closes last.
 * Threads: one enters and leaves; one opens and closes a batch; one withdraws a thing and defers its end.
 */

#include "library.h"
#include "withdrawn.h"

static struct weir_guard *guard;

static void set_up(void) {
        open_poll();
        publish();
        assert(weir_guard_create(registry, &guard) == 0);
}

static void *enters(void *unused) {
        (void)unused;
        assert(weir_guard_enter(guard) == 0);
        if (atomic_load_explicit(&published, memory_order_relaxed))
                assert(withdrawn.value == 7);
        weir_guard_leave(guard);
        return NULL;
}

static void tear_down(void) {
        assert_ended();
        weir_guard_destroy(guard);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, enters, reads_once, withdraws)
