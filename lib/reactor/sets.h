/* SPDX-License-Identifier: MIT */
#pragma once

#include "core.h"

/*
 * The epoll sets of a core. There is one; two while the registrations move from one that a ghost has spoilt to a new one.
 */

int weir_sets_watch_eventfd(struct weir_registry *core, int set);

/* The set to fetch from, and the one that is not empty yet or -1. Threads: the waiter. */
int weir_sets_current(struct weir_registry *core);
int weir_sets_older(struct weir_registry *core);

/*
 * Moves all registrations to a new set, to get rid of what cannot be removed from the present one. False: not, or not all
 * of them, for lack of memory or descriptors; nothing is lost, and the next call goes on. Threads: the waiter.
 */
bool weir_sets_rebuild(struct weir_registry *core);
