/* SPDX-License-Identifier: MIT */

/*
 * A one-shot whose event is taken from one batch while a new edge is fetched into another. One thread at a time owns
 * the descriptor, and the edge is not lost.
 * Threads: one takes from a batch that was fetched before, drains, brings new data and rearms; one waits, takes, drains
 * and rearms.
 */

#include "library.h"

#define TOKEN 7

static struct weir_events *others;
static int owners; /* plain: changed only by the thread that owns the descriptor */

static void set_up(void) {
        owners = 0;
        open_poll();
        assert(weir_events_create(MODEL_CAPACITY, &others) == 0);
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE | WEIR_ONESHOT) == 0);
        assert(weir_poll_wait(poll, others, &at_once) == 1);
}

static void *follows(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_events_next(others, &event)) {
                ++owners;
                model_drain(0);
                model_ready(0, EPOLLIN);
                assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        }
        weir_events_clear(others);
        return NULL;
}

static void *waits(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) > 0)
                while (weir_events_next(events, &event)) {
                        ++owners;
                        model_drain(0);
                        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
                }
        return NULL;
}

static void tear_down(void) {
        unsigned count = take_rest(TOKEN);

        assert(count <= 1);
        assert(count == 1 || !model_drain(0));
        weir_events_destroy(others);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, follows, waits)
