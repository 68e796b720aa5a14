/* SPDX-License-Identifier: MIT */

/* One wake through the whole library: exits 0 if its token comes back. */

#include <weir/weir.h>

int main(void) {
        struct weir_poll *poll;
        struct weir_events *events;
        struct weir_waker *waker;
        struct weir_event event;
        bool woken;

        if (weir_poll_create(&poll) < 0)
                return 1;
        if (weir_events_create(1, &events) < 0 || weir_waker_create(weir_poll_registry(poll), 42, &waker) < 0)
                return 1;
        if (weir_waker_wake(waker) < 0 || weir_poll_wait(poll, events, NULL) != 1)
                return 1;
        woken = weir_events_next(events, &event) && event.token == 42;
        weir_waker_destroy(waker);
        weir_events_destroy(events);
        weir_poll_destroy(poll);
        return woken ? 0 : 1;
}
