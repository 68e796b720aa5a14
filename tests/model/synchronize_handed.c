/* SPDX-License-Identifier: MIT */

/*
 * Synchronize on the thread that waited, after its batch was handed on half read. It waits for the thread that reads the batch
 * now; it is refused as long as that has not begun to read; and that one is refused itself.
 * Threads: one hands the batch on, deregisters, synchronizes and frees; one reads the rest, tries to synchronize, and closes.
 */

#define MODEL_FILES       2
#define MODEL_FUTEX(poll) (&(poll)->core.life->closed)

#include "library.h"

static struct payload payloads[2];
static _Atomic(int) handed;

static void set_up(void) {
        payloads[0].value = payloads[1].value = 7;
        atomic_store_explicit(&handed, 0, memory_order_relaxed);
        open_poll();
        for (int fd = 0; fd < 2; ++fd) {
                model_ready(fd, EPOLLIN);
                assert(weir_register(registry, fd, weir_ptr_token(&payloads[fd]), WEIR_READABLE) == 0);
        }
}

static void *hands_on(void *unused) {
        struct weir_event event;
        int r;

        (void)unused;
        assert(weir_poll_wait(poll, events, &at_once) == 2);
        assert(weir_events_next(events, &event) && payload_of(&event)->value == 7);
        /* release: what is handed on */
        atomic_store_explicit(&handed, 1, memory_order_release);
        assert(weir_deregister(registry, 1) == 0);
        r = weir_synchronize(registry);
        assert(r == 0 || r == -EDEADLK);
        if (r == 0)
                payloads[1].value = 0;
        return NULL;
}

static void *reads_on(void *unused) {
        struct weir_event event;

        (void)unused;
        if (!atomic_load_explicit(&handed, memory_order_acquire))
                return NULL;
        if (weir_events_next(events, &event))
                assert(payload_of(&event)->value == 7);
        assert(weir_synchronize(registry) == -EDEADLK);
        weir_events_clear(events);
        return NULL;
}

static void tear_down(void) {
        model_check_futex();
        close_poll();
}

MODEL_MAIN(set_up, tear_down, hands_on, reads_on)
