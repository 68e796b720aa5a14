/* SPDX-License-Identifier: MIT */
#pragma once

#include "core.h"

/*
 * Ghosts: registrations that ended, and that the kernel still holds, for a duplicate kept their file open when their number
 * was closed. If that file comes to the number again, a call of the kernel that names the number means the ghost, though the
 * registration which stands is another file's. Nothing tells the two apart but the data of the kernel's entries, which it
 * prints in a file below /proc. So that this is not read for each call, a slot is marked when a ghost can have been born:
 *
 *   NOT       no ghost of the number is in the set
 *   MAY       one may be: the number was closed before it was deregistered or registered anew
 *   LOOKING   one may be, and the entries of the set are being read
 *   IS        the kernel showed one
 *
 *   NOT -- call --> MAY -- reading begins --> LOOKING -- the kernel shows none --> NOT
 *                    ^                         |   ^ |
 *                    +---------- call ---------+   | +---- it shows one --> IS
 *                                                  +---- reading begins -----+
 *
 * A reading is of all slots at once: so who closes numbers without a word pays for one now and then, and not for each.
 */
enum {
        HAUNTED_NOT = 0,
        HAUNTED_MAY = 1,
        HAUNTED_LOOKING = 2,
        HAUNTED_IS = 3,
};

/* A ghost may have been born at the slot's number. With its lock held. */
void weir_ghost_mark(struct weir_registry *core, struct weir_slot *slot);

/*
 * Settles which of the marked slots have a ghost. False: the kernel does not tell, or this process was forked meanwhile.
 * Threads: any.
 */
bool weir_ghost_look(struct weir_registry *core);

/*
 * EPOLL_CTL_MOD in the present set, with the slot locked, of a registration that stands, word, to what next says, which is of
 * another generation or turn: if the number leads to its entry. 0, or what the kernel says, -ENOENT if the registration has no
 * entry any more; -ESTALE if the number leads to a ghost's, which is removed now, and what was fetched
 * of next, or is yet, must not be: SLOT_WITHDRAWN; -EAGAIN if the kernel does not tell, and nothing was done.
 */
int weir_ghost_modify(struct weir_registry *core, struct weir_slot *slot, int fd, uint64_t word, uint64_t next);

static inline bool weir_ghost_may_be_at(const struct weir_slot *slot) {
        /* relaxed: under the slot's lock, or a hint */
        return atomic_load_explicit(&slot->haunted, memory_order_relaxed) != HAUNTED_NOT;
}
