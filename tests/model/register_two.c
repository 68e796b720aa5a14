/* SPDX-License-Identifier: MIT */

/*
 * Two descriptors registered while a wait fetches a batch. Both events come, once, though the batch may hold the second
 * of them before the waiter sees that there is a slot for it.
 * Threads: one waits and takes; one registers both.
 */

#define WEIR_FIRST_SEGMENT_SHIFT 0
#define MODEL_FILES              2

/* Edge-triggered, unless the build asks for another mode. */
#ifndef MODE
#define MODE 0
#endif

#include "library.h"

static struct payload payloads[2];
static unsigned taken;

static void set_up(void) {
        taken = 0;
        payloads[0].value = payloads[1].value = 0;
        open_poll();
        model_ready(0, EPOLLIN);
        model_ready(1, EPOLLIN);
}

static void take_all(void) {
        struct weir_event event;

        if (weir_poll_wait(poll, events, &at_once) > 0)
                while (weir_events_next(events, &event)) {
                        assert(payload_of(&event)->value == 1);
                        ++taken;
                }
}

static void *waits(void *unused) {
        (void)unused;
        take_all();
        return NULL;
}

static void *registers(void *unused) {
        (void)unused;
        for (int fd = 0; fd < 2; ++fd) {
                payloads[fd].value = 1;
                assert(weir_register(registry, fd, weir_ptr_token(&payloads[fd]), MODE | WEIR_READABLE) == 0);
        }
        return NULL;
}

static void tear_down(void) {
        take_all();
        assert(taken == 2);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, waits, registers)
