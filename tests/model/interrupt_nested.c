/* SPDX-License-Identifier: MIT */

/*
 * An interrupt of a poll that is nested in an outer set. The wait in progress is interrupted; or it returns what is ready, and
 * the outer set is told, so that there is a next one, which is.
 * Threads: one waits; one interrupts.
 */

#define MODEL_SETS 2

#include "library.h"

#define TOKEN 7

static bool interrupted;

static void set_up(void) {
        interrupted = false;
        open_poll();
        assert(weir_poll_fd(poll) >= 0);
        assert(weir_poll_wait(poll, events, &at_once) == 0);
        assert(!model_outer_is_told());
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, TOKEN, WEIR_READABLE) == 0);
}

static void *waits(void *unused) {
        struct weir_event event;
        int r;

        (void)unused;
        r = weir_poll_wait(poll, events, &at_once);
        interrupted = r == -EINTR;
        if (!interrupted)
                assert(r == 1 && weir_events_next(events, &event));
        return NULL;
}

static void *interrupts(void *unused) {
        (void)unused;
        assert(weir_poll_interrupt(poll) == 0);
        return NULL;
}

static void tear_down(void) {
        assert(interrupted || model_outer_is_told());
        if (!interrupted)
                assert(weir_poll_wait(poll, events, &at_once) == -EINTR);
        assert(take_rest(TOKEN) == interrupted);
        assert(!model_outer_is_told());
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, interrupts)
