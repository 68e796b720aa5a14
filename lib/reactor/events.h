/* SPDX-License-Identifier: MIT */
#pragma once

#include "core.h"

/*
 * An events object: room for one batch. It holds a reference to the core it was used with last, so an open batch keeps its
 * core. Entries are as epoll_wait(2) leaves them; those with events 0 name a slot whose readiness waits in its word.
 */
struct weir_events {
        struct weir_registry *core; /* NULL until the first wait */
        unsigned capacity;
        unsigned limit;  /* how many a wait fetches at most */
        unsigned count;  /* entries of the open batch, as many as were read while none is open */
        unsigned cursor; /* of the next one to read */
        struct weir_batch batch;
        struct weir_counts counts; /* of the open batch */
        struct epoll_event entries[];
};

static inline bool weir_events_is_open(const struct weir_events *events) {
        return events->batch.number;
}

/*
 * Makes count entries a batch of core, owned by this thread. The object is closed and belongs to the core. False: this process
 * was forked meanwhile.
 */
bool weir_events_open(struct weir_events *events, unsigned count);

/* Lets go of the core it was used with before, and holds core. The object is closed. */
void weir_events_attach(struct weir_events *events, struct weir_registry *core);
