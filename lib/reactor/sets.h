/* SPDX-License-Identifier: MIT */
#pragma once

#include "core.h"

/*
 * The epoll set of a core, and how it is made anew. While the registrations move to a new set (MOVING), each registry call
 * changes both; one that the new set cannot take gives the move up (GIVEN_UP).
 */
enum {
        MOVING_NOT = 0,
        MOVING = 1,
        MOVING_GIVEN_UP = 2,
};

int weir_sets_watch_eventfd(struct weir_registry *core, int set);

/* Whether the number is one of the poll's own descriptors: no registration of the user's can be there. */
static inline bool weir_sets_are_at(struct weir_registry *core, int fd) {
        /* relaxed: who names one got it from weir_poll_fd(), or names a number that is closed */
        return fd == core->eventfd || fd == core->set ||
               fd == atomic_load_explicit(&core->deadlines.timer, memory_order_relaxed) ||
               fd == atomic_load_explicit(&core->outer, memory_order_relaxed) ||
               fd == atomic_load_explicit(&core->spare, memory_order_relaxed);
}

/* What the kernel is asked for. */
uint32_t weir_sets_events(uint64_t word);

/* The 64 bits of the kernel's entry for a registration. */
static inline uint64_t weir_sets_data(int fd, uint64_t word) {
        return (word & ~(SLOT_TURN - 1)) | ((word & SLOT_MODE) == SLOT_LEVEL ? DATA_LEVEL : 0) | (uint64_t)fd;
}

/* epoll_ctl(2), with the slot of fd locked, for a registration as word says it. 0 or a negative errno. */
WEIR_INLINE int weir_sets_ctl(struct weir_registry *core, int op, int fd, uint64_t word);

/*
 * With nest_lock held, after a registration was changed in the present set: changes it in the one that is being made, if it is
 * there already. If that cannot be, as of an exclusive one, the move is given up.
 */
void weir_sets_follow(struct weir_registry *core, int fd, uint64_t word);

/*
 * Moves all registrations to a new set, to get rid of what cannot be removed from the present one. False: not, for lack of
 * memory, descriptors or watches, or because it cannot be told which registrations are to be moved, or because other calls
 * held some for longer than patience, all in all; everything is as it was.
 * Threads: the waiter.
 */
bool weir_sets_rebuild(struct weir_registry *core, int64_t patience);
