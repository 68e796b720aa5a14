/* SPDX-License-Identifier: MIT */

/*
 * Two wakers on two threads. Each event comes, once, whichever of them found the waiter asleep.
 * Threads: one waits until it has both; two wake.
 */

#include "library.h"

static struct weir_waker *wakers[2];
static int messages[2];

static void set_up(void) {
        messages[0] = messages[1] = 0;
        open_poll();
        assert(weir_waker_create(registry, 0, &wakers[0]) == 0);
        assert(weir_waker_create(registry, 1, &wakers[1]) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;
        bool seen[2];

        (void)unused;
        seen[0] = seen[1] = false;
        while (!seen[0] || !seen[1]) {
                assert(weir_poll_wait(poll, events, NULL) > 0);
                while (weir_events_next(events, &event)) {
                        assert(!seen[event.token]);
                        assert(messages[event.token] == 1);
                        seen[event.token] = true;
                }
        }
        return NULL;
}

static void *wakes_first(void *unused) {
        (void)unused;
        messages[0] = 1;
        assert(weir_waker_wake(wakers[0]) == 0);
        return NULL;
}

static void *wakes_second(void *unused) {
        (void)unused;
        messages[1] = 1;
        assert(weir_waker_wake(wakers[1]) == 0);
        return NULL;
}

static void tear_down(void) {
        end_wait(false);
        weir_waker_destroy(wakers[0]);
        weir_waker_destroy(wakers[1]);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, wakes_first, wakes_second)
