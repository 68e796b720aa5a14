/* SPDX-License-Identifier: MIT */

/*
 * An owner replaces the token beside a reader of an older batch, which holds an event of the one-shot, too. What comes after the
 * rearm comes under the new token, once, though the word is by then what it was before the owner took its event.
 * Threads: one takes its event, replaces the token, rearms, and is told of new data; one takes from the older batch.
 */

#include "library.h"

enum {
        OLDER = 1,
        NEWER,
};

static struct weir_events *later;
static bool owned;
static weir_token from_older; /* 0 if nothing */

static weir_token take(struct weir_events *from) {
        struct weir_event event;

        return weir_events_next(from, &event) ? event.token : 0;
}

static void set_up(void) {
        owned = false;
        from_older = 0;
        open_poll();
        assert(weir_events_create(MODEL_CAPACITY, &later) == 0);
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, OLDER, WEIR_READABLE | WEIR_ONESHOT) == 0);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        model_ready(0, EPOLLIN);
        assert(weir_poll_wait(poll, later, &at_once) == 1);
}

static void *owns(void *unused) {
        weir_token token;

        (void)unused;
        token = take(later);
        if (!token)
                return NULL;
        assert(token == OLDER);
        owned = true;
        model_drain(0);
        assert(weir_retoken(registry, 0, NEWER) == 0);
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        model_ready(0, EPOLLIN);
        return NULL;
}

static void *reads(void *unused) {
        (void)unused;
        from_older = take(events);
        return NULL;
}

static void tear_down(void) {
        weir_events_destroy(later);
        /* Whoever takes an event first owns the one-shot; only the owner rearms it. */
        assert(owned || from_older == OLDER);
        if (owned) {
                assert(!from_older || from_older == NEWER);
                assert(!!from_older + take_rest(NEWER) == 1);
        } else {
                assert(take_rest(0) == 0);
        }
        close_poll();
}

MODEL_MAIN(set_up, tear_down, owns, reads)
