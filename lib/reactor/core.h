/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The core: what a poll, its registries, its wakers and the events objects used with it share. A registry handle is a
 * pointer to the core plus one reference; a poll is the core and the state of the waiting role behind it, in one
 * allocation. The last reference closes the descriptors and frees the memory: so no call in progress ever works on a
 * descriptor number that is already somebody else's.
 */

#include <errno.h>

#include "epoch.h"
#include "mutex.h"
#include "probe.h"
#include "queue.h"
#include "slot.h"
#include "sys.h"

/* What the life's state reads. It stands on a page that the kernel wipes in a forked child, or else is alive BY_PID. */
enum {
        LIFE_FORKED = 0,
        LIFE_ALIVE = 1,
        LIFE_ALIVE_BY_PID = 2,
        LIFE_SHUT = 3,
};

/* A place in the heap of deadlines: a moment, and the name of a slot. */
struct weir_place {
        weir_time moment;
        uint32_t name;
};

/* All deadlines of a core: see deadline.h. */
struct weir_deadlines {
        /* Seldom written. Segments are of descriptors and of wakers, as those of slots. */
        _Atomic(struct weir_deadline *) segments[2][WEIR_SEGMENTS];
        weir_time beginning; /* when the core was made */
        _Atomic(bool) used;
        _Atomic(int) timer; /* a timerfd in the outer set, or -1 */

        /* Written at each fetch, once it is used: the moment of that; 0 before. */
        _Alignas(WEIR_CACHE_LINE) _Atomic(weir_time) moment;

        /* Guards all below. Rank: below the lock of a slot and the nest_lock. Held for one step in the heap. */
        _Alignas(WEIR_CACHE_LINE) struct weir_lock lock;
        uint32_t count, room, counted; /* places; room for them; numbers that may have one */
        struct weir_place *heap;
        weir_time sleeps_until; /* the waiter, when it sleeps; else 0 */
        weir_time announced;    /* what the timer is set to; -1 when that has passed */
};

struct weir_registry {
        /* Written when the core is made, but for what a rebuild or weir_poll_fd() changes; read by every call. */
        struct weir_life *life;
        int pid;         /* 0 unless life cannot tell a forked child */
        uint32_t size;   /* of the allocation that begins here, in bytes */
        uint64_t serial; /* that no other core of the process has or had */
        int eventfd;
        int set;                  /* the epoll set; a rebuild puts a new one on this number */
        _Atomic(int) spare;       /* the number on which that is made, or -1: see sets.c */
        _Atomic(uint32_t) moving; /* whether one is being made, see sets.h */
        _Atomic(int) outer;       /* what weir_poll_fd() returns, or -1 */
        _Atomic(bool) haunted;    /* some slot is, see ghost.h */
        struct weir_table fds;
        struct weir_table wakers;

        /* Written by every clone and release. */
        _Alignas(WEIR_CACHE_LINE) _Atomic(uint64_t) references;

        /* Written by whoever makes readiness known, and by the waiter. */
        _Alignas(WEIR_CACHE_LINE) struct weir_queue queue;
        _Atomic(uint64_t) eventfd_writes;
        _Atomic(uint64_t) rebuilds; /* of the sets */

        /* Written when a batch is opened or closed, and by defer. */
        _Alignas(WEIR_CACHE_LINE) struct weir_epochs epochs;

        /* Guards the free wakers. Rank: below all others, nothing is called under it but the allocator. */
        struct weir_lock waker_lock;
        uint32_t free_waker;  /* index + 1 of the first free one, chained through their tokens */
        uint32_t wakers_made; /* indexes ever used */

        /*
         * Guards outer, spare and moving while they change. Rank: below the lock of a slot. Taken by weir_poll_fd(), rebuilds,
         * and a registration that the set in the making cannot take.
         */
        struct weir_lock nest_lock;

        /* Guards the readings of the set for ghosts. Rank: below the lock of a slot. Held while a file below /proc is read. */
        struct weir_lock ghost_lock;

        /* A slot of nothing, to make the waiter look again. */
        _Alignas(WEIR_CACHE_LINE) struct weir_slot kick;

        struct weir_deadlines deadlines;
};

/* Whether the life is simply ALIVE. If not, the core may still be usable: weir_core_check() knows. */
static inline bool weir_core_is_alive(const struct weir_registry *core) {
        /* relaxed: who must see the end of the poll synchronizes with its destroyer; a child is a copy */
        return atomic_load_explicit(&core->life->state, memory_order_relaxed) == LIFE_ALIVE;
}

/* 0, -ECHILD or -ESHUTDOWN, for a life that is not simply ALIVE. */
__attribute__((cold, noinline)) int weir_core_check_life(const struct weir_registry *core);

/* 0, -ECHILD or -ESHUTDOWN. */
static inline int weir_core_check(const struct weir_registry *core) {
        return __builtin_expect(weir_core_is_alive(core), 1) ? 0 : weir_core_check_life(core);
}

static inline bool weir_core_is_forked(const struct weir_registry *core) {
        return weir_core_check(core) == -ECHILD;
}

/* A core with one reference and one empty set, at the beginning of zeroed memory of that size. 0 or a negative errno. */
int weir_core_create(uint32_t size, struct weir_registry **ret_core);

void weir_core_ref(struct weir_registry *core);
void weir_core_unref(struct weir_registry *core);

/* Puts a slot on the ready queue whose LINKED bit the caller set, and wakes the waiter if it sleeps. */
void weir_core_push(struct weir_registry *core, struct weir_slot *slot);
/* The same of one that was in a batch, and comes before what is newer. */
void weir_core_push_unread(struct weir_registry *core, struct weir_slot *slot);

/* Makes a waiter that sleeps look again. */
void weir_core_kick(struct weir_registry *core);

/* Whether an outer set watches. */
static inline bool weir_core_is_nested(const struct weir_registry *core) {
        /* relaxed: who nests the poll and then calls sees it */
        return atomic_load_explicit(&core->outer, memory_order_relaxed) >= 0;
}

/* Writes to the eventfd. */
void weir_core_signal(struct weir_registry *core);

/*
 * The slot that an entry of a batch names. It is made if this thread does not see yet that the one which registered has made
 * it; NULL only when that fails for lack of memory.
 */
static inline struct weir_slot *weir_core_slot(struct weir_registry *core, uint64_t data) {
        struct weir_table *table = data & DATA_WAKER ? &core->wakers : &core->fds;
        struct weir_slot *slot = weir_table_find(table, (uint32_t)(data & DATA_INDEX));

        return __builtin_expect(!slot, 0) ? weir_table_make(table, (uint32_t)(data & DATA_INDEX)) : slot;
}
