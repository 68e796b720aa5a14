/* SPDX-License-Identifier: MIT */

/*
 * An interrupt against a wait that is about to sleep, and a wake. The wait in progress or the next one is interrupted, once, and
 * the wake is not lost. What was written before the interrupt is seen after it.
 * Threads: one waits for ever until it has both; one interrupts; one wakes.
 */

#include "library.h"

static struct weir_waker *waker;
static bool said; /* plain memory: the checker reports a read that nothing orders after the write */

static void set_up(void) {
        said = false;
        open_poll();
        assert(weir_waker_create(registry, 7, &waker) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;
        bool interrupted = false, woken = false;
        int r;

        (void)unused;
        while (!interrupted || !woken) {
                r = weir_poll_wait(poll, events, NULL);
                if (r == -EINTR) {
                        assert(!interrupted);
                        assert(said);
                        interrupted = true;
                        continue;
                }
                assert(r == 1 && !woken);
                assert(weir_events_next(events, &event));
                woken = true;
        }
        return NULL;
}

static void *interrupts(void *unused) {
        (void)unused;
        said = true;
        assert(weir_poll_interrupt(poll) == 0);
        return NULL;
}

static void *wakes(void *unused) {
        (void)unused;
        assert(weir_waker_wake(waker) == 0);
        return NULL;
}

static void tear_down(void) {
        end_wait(false);
        weir_waker_destroy(waker);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, interrupts, wakes)
