/* SPDX-License-Identifier: MIT */

/*
 * A batch that is closed unread against waits with room for one event. What was left unread comes before what is newer, though
 * that was in the queue before, and neither is lost.
 * Threads: one closes the batch; one waits and takes. A waker was woken before.
 */

#define MODEL_CAPACITY 1

#include "library.h"

enum {
        UNREAD = 1,
        NEWER,
};

static struct weir_events *others;
static struct weir_waker *waker;
static _Atomic(int) closed;
static unsigned taken[3];

static void set_up(void) {
        taken[UNREAD] = taken[NEWER] = 0;
        atomic_store_explicit(&closed, 0, memory_order_relaxed);
        open_poll();
        assert(weir_events_create(MODEL_CAPACITY, &others) == 0);
        assert(weir_waker_create(registry, NEWER, &waker) == 0);
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, UNREAD, WEIR_READABLE) == 0);
        assert(weir_poll_wait(poll, others, &at_once) == 1);
        assert(weir_waker_wake(waker) == 0);
}

static void wait_and_take(void) {
        /* acquire: a wait that begins after the close */
        bool late = atomic_load_explicit(&closed, memory_order_acquire);
        struct weir_event event;

        if (weir_poll_wait(poll, events, &at_once) > 0)
                while (weir_events_next(events, &event)) {
                        assert(event.token == UNREAD || !late || taken[UNREAD]);
                        ++taken[event.token];
                }
}

static void *closes(void *unused) {
        (void)unused;
        weir_events_clear(others);
        atomic_store_explicit(&closed, 1, memory_order_release);
        return NULL;
}

static void *waits(void *unused) {
        (void)unused;
        wait_and_take();
        return NULL;
}

static void tear_down(void) {
        wait_and_take();
        wait_and_take();
        assert(taken[UNREAD] == 1 && taken[NEWER] == 1);
        weir_waker_destroy(waker);
        weir_events_destroy(others);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, closes, waits)
