/* SPDX-License-Identifier: MIT */
#pragma once

#include "core.h"

/*
 * Readiness keeps coming to the owner of a one-shot: has the kernel be silent until the next rearm, if nobody changes the
 * registration just now. Threads: any. Blocking: never.
 *   data  of the entry
 */
void weir_oneshot_hush(struct weir_registry *core, struct weir_slot *slot, uint64_t data);
