/* SPDX-License-Identifier: MIT */

/*
 * The hand-out of a trigger against the end of its registration and another one of its number: what is taken from the older one
 * does not come under the token of the newer one.
 * Threads: one hands out; one deregisters and registers anew.
 */

#include "library.h"

#include "timed.h"

static struct weir_slot *slot;
static uint64_t data;

static void set_up(void) {
        open_poll();
        assert(weir_register(registry, 0, OLDER, WEIR_READABLE) == 0);
        assert(weir_trigger(registry, 0) == 0);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        data = events->entries[0].data.u64;
        slot = weir_core_slot(registry, data);
}

static void *takes(void *unused) {
        struct weir_event event;

        (void)unused;
        if (weir_slot_take(slot, data, 0, NULL, &event) == WEIR_STANDS)
                assert(event.token == OLDER);
        return NULL;
}

static void *replaces(void *unused) {
        (void)unused;
        assert(weir_deregister(registry, 0) == 0);
        assert(weir_register(registry, 0, NEWER, WEIR_READABLE) == 0);
        return NULL;
}

static void tear_down(void) {
        close_poll();
}

MODEL_MAIN(set_up, tear_down, takes, replaces)
