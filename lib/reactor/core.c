/* SPDX-License-Identifier: MIT */

/* The core: how it is made, its references, its end, and what its life says. See core.h. */

#include "core.h"

#include "deadline.h"

static int open_all(struct weir_registry *core) {
        core->life = weir_sys_life_create(&core->pid);
        if (!core->life)
                return -ENOMEM;
        /* relaxed: nobody else knows the core yet */
        atomic_store_explicit(&core->life->state, core->pid ? LIFE_ALIVE_BY_PID : LIFE_ALIVE, memory_order_relaxed);
        atomic_store_explicit(&core->life->unlocks, 1, memory_order_relaxed);
        atomic_store_explicit(&core->life->closed, 1, memory_order_relaxed);
        core->epochs.life = core->life;
        core->set = weir_sys_epoll_create();
        if (core->set < 0)
                return core->set;
        core->eventfd = weir_sys_eventfd();
        return core->eventfd < 0 ? core->eventfd : 0;
}

static void close_one(int fd) {
        if (fd >= 0)
                weir_sys_close(fd);
}

/* Also of a core that is half made. PAIR(reference): comes after all that any holder of a reference did. */
static void core_free(struct weir_registry *core) {
        /* relaxed: nobody else is left */
        close_one(atomic_load_explicit(&core->outer, memory_order_relaxed));
        close_one(atomic_load_explicit(&core->spare, memory_order_relaxed));
        close_one(core->set);
        close_one(core->eventfd);
        weir_table_free(&core->fds);
        weir_table_free(&core->wakers);
        weir_deadlines_free(core);
        weir_sys_life_free(core->life);
        weir_sys_free(core, core->size);
}

int weir_core_create(uint32_t size, struct weir_registry **ret_core) {
        static _Atomic(uint64_t) serials;
        struct weir_registry *core = weir_sys_alloc(size);
        int r;

        if (!core)
                return -ENOMEM;
        core->size = size;
        /* relaxed: only that it is unique counts */
        core->serial = atomic_fetch_add_explicit(&serials, 1, memory_order_relaxed);
        core->eventfd = -1;
        core->set = -1;
        atomic_init(&core->spare, -1);
        atomic_init(&core->outer, -1);
        atomic_init(&core->references, 1);
        weir_epochs_init(&core->epochs);
        weir_deadlines_init(&core->deadlines);
        r = open_all(core);
        if (r < 0) {
                core_free(core);
                return r;
        }
        *ret_core = core;
        return 0;
}

int weir_core_check_life(const struct weir_registry *core) {
        /* relaxed: as in weir_core_is_alive() */
        uint32_t life = atomic_load_explicit(&core->life->state, memory_order_relaxed);

        if (life == LIFE_FORKED || (core->pid != 0 && core->pid != weir_sys_getpid()))
                return -ECHILD;
        return life == LIFE_SHUT ? -ESHUTDOWN : 0;
}

void weir_core_ref(struct weir_registry *core) {
        /* relaxed: the caller holds a reference, so the core stays */
        atomic_fetch_add_explicit(&core->references, 1, memory_order_relaxed);
}

void weir_core_unref(struct weir_registry *core) {
        uint64_t former;

        WEIR_YIELD();
        /* PAIR(reference): of two releases, the last sees all that the other holder did. */
        former = atomic_fetch_sub_explicit(&core->references, 1, memory_order_acq_rel);
        if (former == 1)
                core_free(core);
}

void weir_core_signal(struct weir_registry *core) {
        /* relaxed: a count */
        atomic_fetch_add_explicit(&core->eventfd_writes, 1, memory_order_relaxed);
        weir_sys_eventfd_signal(core->eventfd);
}

void weir_core_push(struct weir_registry *core, struct weir_slot *slot) {
        if (weir_queue_push(&core->queue, slot, false))
                weir_core_signal(core);
}

void weir_core_push_unread(struct weir_registry *core, struct weir_slot *slot) {
        if (weir_queue_push(&core->queue, slot, true))
                weir_core_signal(core);
}

void weir_core_kick(struct weir_registry *core) {
        /* PAIR(linked): as in weir_slot_offer(). */
        if (!(atomic_fetch_or_explicit(&core->kick.word, SLOT_LINKED, memory_order_acquire) & SLOT_LINKED))
                weir_core_push(core, &core->kick);
}
