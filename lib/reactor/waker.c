/* SPDX-License-Identifier: MIT */

/*
 * Wakers. A waker is a slot without a descriptor, in a table of its own: a wake sets ready and, if it was clear, puts the
 * slot on the ready queue; the hand-out takes ready. So wakes coalesce until the event is taken, and the slot outlives the
 * waker: an event of a destroyed one is stale like any other. Read weir_waker_wake() first.
 */

#include "deadline.h"

struct weir_waker {
        struct weir_registry *core;
        struct weir_slot *slot;
        uint32_t index;
};

/* A free index. Free ones are chained through the tokens of their slots. Returns a negative errno. */
static int64_t take_index(struct weir_registry *core) {
        struct weir_slot *slot;
        int64_t index = -ENOMEM;

        if (!weir_lock(core->life, &core->waker_lock))
                return -ECHILD;
        if (core->free_waker) {
                index = core->free_waker - 1;
                slot = weir_table_find(&core->wakers, (uint32_t)index);
                /* relaxed: under the lock */
                core->free_waker = (uint32_t)atomic_load_explicit(&slot->token, memory_order_relaxed);
        } else if (core->wakers_made < (DATA_INDEX >> 1) && weir_table_make(&core->wakers, core->wakers_made))
                index = core->wakers_made++;
        weir_unlock(core->life, &core->waker_lock);
        return index;
}

static void give_index(struct weir_registry *core, struct weir_slot *slot, uint32_t index) {
        if (!weir_lock(core->life, &core->waker_lock))
                return;
        /* PAIR(token): a hand-out that reads this finds that the generation changed before. */
        atomic_store_explicit(&slot->token, core->free_waker, memory_order_release);
        core->free_waker = index + 1;
        weir_unlock(core->life, &core->waker_lock);
}

int weir_waker_create(struct weir_registry *core, weir_token token, struct weir_waker **ret_waker) {
        struct weir_waker *waker;
        uint64_t word;
        int64_t index;
        int r;

        if (!core || !ret_waker)
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        waker = weir_sys_alloc(sizeof *waker);
        if (!waker)
                return -ENOMEM;
        index = take_index(core);
        if (index < 0) {
                weir_sys_free(waker, sizeof *waker);
                return (int)index;
        }
        weir_core_ref(core);
        waker->core = core;
        waker->index = (uint32_t)index;
        waker->slot = weir_table_find(&core->wakers, waker->index);

        r = weir_slot_lock(core->life, waker->slot, 0, 0, 0, 0, &word);
        if (r < 0)
                return r; /* the child's copy is nobody's */
        weir_table_name(&core->wakers, waker->slot, waker->index, (uint32_t)DATA_WAKER | waker->index);
        /* PAIR(token): the generation changed before, and a hand-out that reads this finds so. */
        atomic_store_explicit(&waker->slot->token, token, memory_order_release);
        /* A timeout of the waker that was here before may have been latched meanwhile. */
        weir_slot_unlock(core->life, waker->slot, SLOT_READY, SLOT_REGISTERED | SLOT_WAKER, 0);
        *ret_waker = waker;
        return 0;
}

int weir_waker_wake(struct weir_waker *waker) {
        uint64_t word;
        int r;

        if (!waker)
                return -EINVAL;
        r = weir_core_check(waker->core);
        if (r < 0)
                return r;
        WEIR_PROBE(2, wake, waker->core, atomic_load_explicit(&waker->slot->token, memory_order_relaxed));
        /*
         * PAIR(registration): the taker of the event sees what was written before the wake, this one or one it joins.
         * A wake that finds ready set needs no push: whoever set it has pushed or is about to, or the event is in a batch.
         */
        word = atomic_fetch_or_explicit(&waker->slot->word, EPOLLIN, memory_order_release);
        if (word & EPOLLIN)
                return 0;
        WEIR_YIELD();
        /* PAIR(linked): weir_slot_unlink() has read the link, and will see ready unless it hands it out now. */
        word = atomic_fetch_or_explicit(&waker->slot->word, SLOT_LINKED, memory_order_acquire);
        if (!(word & SLOT_LINKED))
                weir_core_push(waker->core, waker->slot);
        return 0;
}

void weir_waker_destroy(struct weir_waker *waker) {
        struct weir_registry *core;
        uint64_t word;

        if (!waker)
                return;
        core = waker->core;
        if (!weir_core_is_forked(core)) {
                weir_slot_lock(core->life, waker->slot, 0, 0, SLOT_REGISTRATION, SLOT_GENERATION, &word);
                weir_deadline_end(core, waker->slot->name);
                weir_slot_unlock(core->life, waker->slot, SLOT_OWN_READY, 0, 0);
                give_index(core, waker->slot, waker->index);
        }
        weir_sys_free(waker, sizeof *waker);
        weir_core_unref(core);
}

int weir_waker_set_deadline(struct weir_waker *waker, weir_time moment) {
        int r;

        if (!waker || moment < 0)
                return -EINVAL;
        r = weir_core_check(waker->core);
        return r < 0 ? r : weir_deadline_set(waker->core, waker->slot->name, moment);
}
