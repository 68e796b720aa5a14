/* SPDX-License-Identifier: MIT */

/*
 * A deadline that was moved while its event lay in a batch, and passes again while the batch is read. The reader finds the bit
 * without anything that is due, and takes it out; a waiter finds the new moment passed, and the bit there already. It comes, once.
 * Threads: one reads its batch; one does what a waiter does after a fetch.
 */

#include "library.h"

#include "timed.h"

static struct told told;

static void set_up(void) {
        told_reset(&told);
        open_poll();
        assert(weir_register(registry, 0, OLDER, WEIR_READABLE) == 0);
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
        model_set_time(2 * MS);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        assert(weir_set_deadline(registry, 0, 3 * MS) == 0);
        model_set_time(4 * MS);
}

static void *reads(void *unused) {
        struct weir_event event;

        (void)unused;
        while (weir_events_next(events, &event))
                tell(&told, &event);
        return NULL;
}

static void *looks(void *unused) {
        struct weir_ready_list due = { NULL, NULL };

        (void)unused;
        weir_deadlines_fetched(registry, 1, &due);
        if (due.first)
                weir_core_push(registry, weir_ready_list_pop(&due));
        return NULL;
}

static void tear_down(void) {
        tell_rest(&told);
        assert(told.timeouts[OLDER] == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, reads, looks)
