/* SPDX-License-Identifier: MIT */

/*
 * A batch that is closed unread, while the one-shot it has an event of passes through the queue: only one of the two threads
 * puts the slot there at a time.
 * Threads: one closes the batch; one, who owns the one-shot by an event that came later, rearms, waits and takes.
 */

#include "library.h"

#define TOKEN 7

static struct weir_events *later;
static unsigned taken;

static void take(void) {
        struct weir_event event;

        while (weir_events_next(later, &event)) {
                assert(event.token == TOKEN);
                ++taken;
        }
}

static void set_up(void) {
        taken = 0;
        open_poll();
        assert(weir_events_create(MODEL_CAPACITY, &later) == 0);
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE | WEIR_ONESHOT) == 0);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        model_ready(0, EPOLLIN);
        assert(weir_poll_wait(poll, later, &at_once) == 1);
        take();
        /* One more edge, for which the one-shot is not armed: it is latched. */
        model_ready(0, EPOLLIN);
        assert(weir_poll_wait(poll, later, &at_once) == 0);
}

static void *closes(void *unused) {
        (void)unused;
        weir_events_clear(events);
        return NULL;
}

static void *owns(void *unused) {
        (void)unused;
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        /* The slot may come from the queue twice, for one event. */
        assert(weir_poll_wait(poll, later, &at_once) > 0);
        take();
        return NULL;
}

static void tear_down(void) {
        assert(taken == 2);
        weir_events_destroy(later);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, closes, owns)
