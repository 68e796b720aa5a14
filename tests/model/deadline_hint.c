/* SPDX-License-Identifier: MIT */

/*
 * The bit of a timeout is a hint, and may come late: a waiter that found the deadline passed latches it when the owner has set a
 * new one and armed already. Who had claimed the old one before, for an entry of an older batch, sees that it is gone.
 * Threads: one is about to hand out; one sets, rearms, and latches.
 */

#include "library.h"

#define MODE WEIR_ONESHOT
#include "timed.h"

static struct weir_slot *slot;
static struct weir_claim claim;
static uint64_t data;

static void set_up(void) {
        open_poll();
        assert(weir_register(registry, 0, OLDER, MODE | WEIR_READABLE) == 0);
        assert(weir_set_deadline(registry, 0, 1 * MS) == 0);
        model_set_time(2 * MS);
        assert(weir_poll_wait(poll, events, &at_once) == 1);
        data = events->entries[0].data.u64;
        slot = weir_core_slot(registry, data);
        assert(weir_deadline_claim(registry, slot, &claim));
        assert(weir_disarm(registry, 0) == 1);
}

static void *takes(void *unused) {
        struct weir_event event;

        (void)unused;
        assert(weir_slot_take(slot, data, 0, &claim, &event) != WEIR_STANDS);
        weir_deadline_unclaim(registry, slot, &claim);
        return NULL;
}

static void *owns(void *unused) {
        (void)unused;
        assert(weir_set_deadline(registry, 0, 4 * MS) == 0);
        assert(weir_rearm(registry, 0, WEIR_READABLE) == 0);
        assert(!weir_slot_latch(slot, SLOT_TIMEOUT) || weir_slot_unlink(slot));
        return NULL;
}

static void tear_down(void) {
        close_poll();
}

MODEL_MAIN(set_up, tear_down, takes, owns)
