/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A lock for what is seldom done and soon over. Who waits for it sleeps on the page that a fork wipes, so that it does not
 * sleep on in the child of a signal handler that forks.
 *
 *   FREE --lock--> LOCKED --unlock--> FREE
 *                    | a second one waits
 *                    v
 *             LOCKED | CONTENDED --unlock--> FREE, and whoever sleeps is woken
 */

#include "sys.h"

struct weir_lock {
        _Atomic(uint32_t) word;
};

/* False: this process was forked while it waited, and nothing is locked. */
bool weir_lock(struct weir_life *life, struct weir_lock *lock);
void weir_unlock(struct weir_life *life, struct weir_lock *lock);

/* Wakes those who wait for any lock, after one for which somebody waits was given up. */
void weir_unlocked(struct weir_life *life);
