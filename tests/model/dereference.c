/* SPDX-License-Identifier: MIT */

/*
 * Deregister and defer against a handler that follows the token. What it points to is freed once, and not while the
 * handler looks at it.
 * Threads: one waits, takes, follows and closes; one deregisters and defers.
 */

#include "library.h"

/* Edge-triggered, unless the build asks for another mode. */
#ifndef MODE
#define MODE 0
#endif

static struct payload *payload;
static _Atomic(int) freed;

static void set_up(void) {
        atomic_store_explicit(&freed, 0, memory_order_relaxed);
        open_poll();
        payload = malloc(sizeof *payload);
        payload->value = 7;
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, weir_ptr_token(payload), MODE | WEIR_READABLE) == 0);
}

static void frees(struct weir_deferred *deferred) {
        struct payload *p = (struct payload *)deferred;

        p->value = 0;
        free(p);
        assert(atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed) == 0);
}

static void *handles(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_poll_wait(poll, events, &at_once) > 0)
                while (weir_events_next(events, &event))
                        assert(payload_of(&event)->value == 7);
        weir_events_clear(events);
        return NULL;
}

static void *ends(void *unused) {
        (void)unused;
        assert(weir_deregister(registry, 0) == 0);
        weir_defer(registry, &payload->deferred, frees);
        return NULL;
}

static void tear_down(void) {
        assert(atomic_load_explicit(&freed, memory_order_relaxed) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, handles, ends)
