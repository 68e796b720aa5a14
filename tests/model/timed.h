/* SPDX-License-Identifier: MIT */
#pragma once

/* What scenarios with deadlines and triggers share. */

#define MS INT64_C(1000000)

/* Edge-triggered, unless the build asks for another mode. */
#ifndef MODE
#define MODE 0
#endif

/* None is 0. */
enum {
        OLDER = 1,
        NEWER,
        OTHER,
};

/* What was handed out, by token, and bit by bit, for it may come in one event or in several. */
struct told {
        unsigned reads[4], timeouts[4], triggers[4];
};

static inline void told_reset(struct told *told) {
        for (unsigned i = 0; i < 4; ++i)
                told->reads[i] = told->timeouts[i] = told->triggers[i] = 0;
}

static inline void tell(struct told *told, const struct weir_event *event) {
        assert(event->token >= OLDER && event->token <= OTHER);
        told->reads[event->token] += weir_event_is_readable(event);
        told->timeouts[event->token] += weir_event_is_timeout(event);
        told->triggers[event->token] += weir_event_is_triggered(event);
}

/* On the main thread, when all others have ended: all there is now. A one-shot is given back first, if it is owned. */
static inline void tell_rest(struct told *told) {
        struct weir_event event;

        if (MODE & WEIR_ONESHOT)
                (void)weir_rearm(registry, 0, WEIR_READABLE);
        while (weir_poll_wait(poll, events, &at_once) > 0)
                while (weir_events_next(events, &event))
                        tell(told, &event);
}
