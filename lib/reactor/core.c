/* SPDX-License-Identifier: MIT */

/* The core's references and its end. See core.h. */

#include "core.h"
#include "poll.h"

int weir_core_check_life(const struct weir_registry *core) {
        /* relaxed: as in weir_core_is_alive() */
        uint32_t life = atomic_load_explicit(core->life, memory_order_relaxed);

        if (life == LIFE_FORKED || (core->pid != 0 && core->pid != weir_sys_getpid()))
                return -ECHILD;
        return life == LIFE_SHUT ? -ESHUTDOWN : 0;
}

void weir_core_ref(struct weir_registry *core) {
        /* relaxed: the caller holds a reference, so the core stays */
        atomic_fetch_add_explicit(&core->references, 1, memory_order_relaxed);
}

void weir_core_unref(struct weir_registry *core) {
        uint32_t former;

        WEIR_YIELD();
        /* PAIR(reference): of two releases, the last sees all that the other holder did. */
        former = atomic_fetch_sub_explicit(&core->references, 1, WEIR_ACQ_REL(unref));
        if (WEIR_CHECK(last_reference, former == 1))
                weir_poll_free(weir_poll_of(core));
}

void weir_core_signal(struct weir_registry *core) {
        /* relaxed: a count */
        atomic_fetch_add_explicit(&core->eventfd_writes, 1, memory_order_relaxed);
        weir_sys_eventfd_signal(core->eventfd);
}

void weir_core_push(struct weir_registry *core, struct weir_slot *slot) {
        if (weir_queue_push(&core->queue, slot))
                weir_core_signal(core);
}
