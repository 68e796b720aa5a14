/* SPDX-License-Identifier: MIT */
#pragma once

/* What the calls about descriptors have in common, those of registry.c and of oneshot.c. */

#include "core.h"

#define WEIR_DIRECTIONS (WEIR_READABLE | WEIR_PRIORITY | WEIR_WRITABLE)

/* What a call about a descriptor that is not registered returns. */
__attribute__((cold, noinline)) int weir_registry_absent(int fd);

/* The slot that a descriptor has if it was ever registered, or NULL. */
static inline struct weir_slot *weir_registry_find(struct weir_registry *core, int fd) {
        return fd >= 0 && (uint64_t)fd <= DATA_INDEX ? weir_table_find(&core->fds, (uint32_t)fd) : NULL;
}

/*
 * Looks at the slot of a registration without locking it; not while a call changes it. *ret_word is its word. 0, or what a call
 * about a descriptor that has none returns.
 */
int weir_registry_look_at(struct weir_registry *core, struct weir_slot *slot, int fd, uint64_t *ret_word);

/* Locks the slot of a registration; *ret_slot is that. 0, or what a call about a descriptor that has none returns. */
int weir_registry_lock(struct weir_registry *core, int fd, struct weir_slot **ret_slot, uint64_t *ret_word);

/* Gives up that lock, as weir_slot_unlock() does. */
static inline void weir_registry_give_back(struct weir_registry *core, struct weir_slot *slot, uint64_t clear,
                                           uint64_t set, uint64_t generations) {
        if (weir_slot_unlock(core->life, slot, clear, set, generations))
                weir_core_push(core, slot);
}

/*
 * EPOLL_CTL_MOD of a registration, word, to what wanted says, of another generation or turn: refused where the number is another
 * file's by now. If it is refused, the lock is given up.
 */
int weir_registry_modify(struct weir_registry *core, struct weir_slot *slot, int fd, uint64_t word, uint64_t wanted);
