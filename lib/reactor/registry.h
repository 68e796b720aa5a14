/* SPDX-License-Identifier: MIT */
#pragma once

#include "core.h"

/*
 * epoll_ctl(2) on one of the core's sets, for the registration that word describes (generation, mode, asked).
 * Called with the lock of the descriptor's slot held.
 */
WEIR_INLINE int weir_registry_ctl(struct weir_registry *core, int home, int op, int fd, uint64_t word);

/* weir_slot_unlock() within the generation, and the push that may be due. */
void weir_registry_unlock(struct weir_registry *core, struct weir_slot *slot, uint64_t clear, uint64_t set);
