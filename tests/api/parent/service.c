/* SPDX-License-Identifier: MIT */

/* One deferred function, run when the batch that was open is closed. */

#include "service.h"

#include <weir/weir.h>

struct item {
        struct weir_deferred deferred;
        bool ended;
};

static void end(struct weir_deferred *node) {
        ((struct item *)node)->ended = true;
}

int service_run(void) {
        struct item item = { .ended = false };
        struct weir_poll *poll;
        struct weir_events *events;
        struct weir_waker *waker;
        bool waited;

        if (weir_poll_create(&poll) < 0)
                return 1;
        if (weir_events_create(1, &events) < 0 || weir_waker_create(weir_poll_registry(poll), 1, &waker) < 0)
                return 1;
        if (weir_waker_wake(waker) < 0 || weir_poll_wait(poll, events, NULL) != 1)
                return 1;
        weir_defer(weir_poll_registry(poll), &item.deferred, end);
        waited = !item.ended;
        weir_events_destroy(events);
        weir_waker_destroy(waker);
        weir_poll_destroy(poll);
        return waited && item.ended ? 0 : 1;
}
