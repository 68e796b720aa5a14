/* SPDX-License-Identifier: MIT */

/*
 * A poll is nested while a waiter takes more from the queue than there is room for. The outer set is told of what it kept.
 * Threads: one waits, with room for one event of two; one nests the poll.
 */

#define MODEL_SETS     2
#define MODEL_CAPACITY 1

#include "library.h"

static struct weir_waker *wakers[2];

static void set_up(void) {
        open_poll();
        for (unsigned i = 0; i < 2; ++i) {
                assert(weir_waker_create(registry, i, &wakers[i]) == 0);
                assert(weir_waker_wake(wakers[i]) == 0);
        }
}

static void *waits(void *unused) {
        (void)unused;
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        return NULL;
}

static void *nests(void *unused) {
        (void)unused;
        assert(weir_poll_fd(poll) >= 0);
        return NULL;
}

static void tear_down(void) {
        struct weir_event event;

        assert(model_outer_is_told());
        assert(weir_events_next(events, &event) && event.token == 0);
        assert(take_rest(1) == 1);
        assert(!model_outer_is_told());
        for (unsigned i = 0; i < 2; ++i)
                weir_waker_destroy(wakers[i]);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, nests)
