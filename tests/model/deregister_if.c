/* SPDX-License-Identifier: MIT */

/*
 * The end of the registration that an event is of, against one who replaces it. Whichever of the two comes first, the newer
 * registration is ended only by an event of its own, and the older one once.
 * Threads: one takes an event and ends what it is of; one deregisters and registers.
 */

#include "library.h"

#define OLDER 1
#define NEWER 2

static bool by_event;  /* the event's holder has ended what it is of */
static weir_token of;  /* its token, or 0 if it got none */
static bool by_number; /* the other thread has ended the older one */

static void set_up(void) {
        of = 0;
        by_event = by_number = false;
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, OLDER, WEIR_READABLE) == 0);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
}

static void *ends(void *unused) {
        struct weir_event event;
        int r;

        (void)unused;
        if (!weir_events_next(events, &event) &&
            (weir_poll_wait(poll, events, &at_once) <= 0 || !weir_events_next(events, &event)))
                return NULL;
        of = event.token;
        r = weir_deregister_if(registry, 0, &event);
        assert(r == 0 || r == -ENOENT);
        by_event = r == 0;
        return NULL;
}

static void *replaces(void *unused) {
        int r = weir_deregister(registry, 0);

        (void)unused;
        assert(r == 0 || r == -ENOENT);
        by_number = r == 0;
        assert(weir_register(registry, 0, NEWER, WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        /* The older one was ended by one of the two, and the newer one by an event of its own or not at all. */
        assert(by_number == !(by_event && of == OLDER));
        assert(of != NEWER || by_event);
        assert(weir_deregister(registry, 0) == (by_event && of == NEWER ? -ENOENT : 0));
        close_poll();
}

MODEL_MAIN(set_up, tear_down, ends, replaces)
