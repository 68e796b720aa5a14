/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The runs of deferred functions: of what weir_epochs_defer() and weir_epochs_close() say is due. A run lies on the stack of
 * its thread, which alone knows it; those of one thread are listed, for a function may lead to a run for another core. There
 * is never a second one for the same core: what comes due inside a function is added to the run, and what is deferred inside
 * one is held by the run until the function has returned. So no function is nested in another of the same core, and none that
 * it defers there can run beside it.
 */

#include "core.h"

/* Gives a function to the core, or runs it. It may release every reference to the core, as may those below. */
void weir_run_defer(struct weir_registry *core, struct weir_deferred *node);

/* Runs what is due. */
void weir_run_due(struct weir_registry *core, const struct weir_deferred_list *due);

/* Whether this thread is inside a deferred function of the core. */
bool weir_run_is_inside(const struct weir_registry *core);
