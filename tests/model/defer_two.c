/* SPDX-License-Identifier: MIT */

/*
 * Two defers at once, on what may be the same batch. Each function runs once.
 * Threads: one opens and closes a batch; one withdraws a thing and defers its end; one defers another function.
 */

#include "library.h"
#include "withdrawn.h"

static struct payload other;

static void set_up(void) {
        other.value = 0;
        open_poll();
        publish();
}

static void count_other(struct weir_deferred *deferred) {
        assert(deferred == &other.deferred);
        ++other.value;
}

static void *reads(void *unused) {
        (void)unused;
        use_in_batch(events);
        return NULL;
}

static void *defers(void *unused) {
        (void)unused;
        weir_defer(registry, &other.deferred, count_other);
        return NULL;
}

static void tear_down(void) {
        assert_ended();
        assert(other.value == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, reads, withdraws, defers)
