/* SPDX-License-Identifier: MIT */
#pragma once

#include "core.h"

/*
 * The waiting role. Whoever finds the other's bit when it sets GONE or clears HELD has the poll's reference to the core to
 * release.
 *
 *   HELD    one thread waits, or the role is KEPT
 *   GONE    the poll is destroyed
 *   OBJECT  there is a struct weir_role, which is a pointer to the core and one reference
 *   KEPT    it keeps the role HELD from one wait to the next
 *
 *            weir_poll_wait()                   weir_role_keep()
 *    HELD <--------------------> nobody waits <--------------------> HELD | KEPT
 *                                                weir_role_leave()
 */
#define ROLE_HELD   UINT32_C(1)
#define ROLE_GONE   UINT32_C(2)
#define ROLE_OBJECT UINT32_C(4)
#define ROLE_KEPT   UINT32_C(8)

struct weir_poll {
        struct weir_registry core;

        _Alignas(WEIR_CACHE_LINE) _Atomic(uint32_t) role;

        /* Touched only by the holder of the role, but for the counts, which others may read. */
        struct weir_ready_list unread,
                newer;      /* taken from the ready queue, and still LINKED: left in a batch, and the rest */
        bool kernel_first;  /* the kernel's turn to fill the batch before what is newer */
        bool coarse;        /* see weir_sys_epoll_wait() */
        int64_t cure_after; /* the moment before which no cure of a ghost is tried again */
        _Atomic(uint64_t) waits;
        _Atomic(uint64_t) stale;
};

static inline struct weir_poll *weir_poll_of(struct weir_registry *core) {
        return (struct weir_poll *)core;
}

/* Adds to a count that only the holder of the role writes. */
static inline void weir_poll_count(_Atomic(uint64_t) *count) {
        /* relaxed: a count with one writer at a time */
        atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1, memory_order_relaxed);
}
