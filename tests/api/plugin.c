/* SPDX-License-Identifier: MIT */

/* A plug-in: a shared object that was linked to the static library, and so has a copy of weir for itself. See host.c. */

#include "plugin.h"

static struct weir_poll *open_poll(int fd, weir_token token) {
        struct weir_poll *poll;

        if (weir_poll_create(&poll) < 0)
                return NULL;
        if (weir_register(weir_poll_registry(poll), fd, token, WEIR_READABLE | WEIR_LEVEL) < 0) {
                weir_poll_destroy(poll);
                return NULL;
        }
        return poll;
}

static bool comes(struct weir_poll *poll, weir_token token) {
        struct weir_events *events;
        struct weir_event event;
        bool result;

        if (weir_events_create(8, &events) < 0)
                return false;
        result = weir_poll_wait(poll, events, NULL) == 1 && weir_events_next(events, &event) && event.token == token &&
                 !weir_events_next(events, &event);
        weir_events_destroy(events);
        return result;
}

const struct plugin *plugin(void) {
        static const struct plugin self = {
                .copy = weir_poll_create,
                .open = open_poll,
                .comes = comes,
                .close = weir_poll_destroy,
        };

        return &self;
}
