/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the standard sources have in common: a struct that begins with its source and its descriptor, in this order, and is
 * initialised while the operations of its source are those of here. None of them has anything else to register.
 */

#include <weir/weir.h>

/* For each struct of a source, where it is implemented. */
#define WEIR_DESCRIPTOR_ASSERT(type)                                                                    \
        _Static_assert(offsetof(type, source) == 0 && offsetof(type, fd) == sizeof(struct weir_source), \
                       "the source and then the descriptor");                                           \
        _Static_assert(sizeof(type) == 2 * sizeof(void *), "programs that were compiled before have room for it")

extern const struct weir_source_ops weir_descriptor_ops;

/* Whether the struct was initialised and not ended. */
bool weir_descriptor_is_open(const struct weir_source *source);

/* Closes the descriptor, if it is open, and ends the source. NULL is taken. */
void weir_descriptor_close(struct weir_source *source);
