/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_EXPLORE_WORLD_H
#define WEIR_TESTS_EXPLORE_WORLD_H

/*
 * All that a program under exploration can change, but for the stacks: in one piece, so that it can be saved and put back.
 * What the library allocates lies in the arena; memory that it gave back is not used again, and its bytes are watched.
 */

#include "history.h"
#include "kernel.h"
#include "scheduler.h"

#include <stddef.h>
#include <stdint.h>
#include <weir/weir.h>

#define ARENA 16384

/* A deferred function, and what was the case when it ran. */
struct deferral {
        struct weir_deferred node;
        uint8_t given;
        uint8_t runs;
        uint64_t invoked, returned; /* calls, when it ran */
};

#define DEFERRALS (THREADS * PLACES) /* by the place of the call that gave it */

struct world {
        struct schedule schedule;
        struct kernel kernel;
        struct history history;
        struct weir_poll *poll;
        struct weir_registry *registry;
        struct weir_waker *waker;
        struct weir_events *events[THREADS];
        struct weir_event taken[THREADS]; /* the last one, with a registration of 0 if there was none */
        struct weir_guard *guards[THREADS];
        struct deferral deferrals[DEFERRALS];
        const char *broken; /* what went wrong outside the history */
        uint32_t allocated; /* bytes of the arena that are in use, for the library's books to balance */
        uint32_t arena_used;
        _Alignas(64) unsigned char arena[ARENA];
};

extern struct world world;

/* Something is wrong that no order of the calls can mend. The first word of it stands. */
void world_break(const char *what);

/* Memory of the library's. */
void *world_alloc(size_t size);
void world_free(void *memory, size_t size);
/* Whether all was given back, and nothing written to since. */
bool world_is_clean(void);

/* Saves the world and the stacks behind each other; the return is where the next one may go. */
unsigned char *world_save(unsigned char *to);
void world_restore(const unsigned char *from);

/* A hash of what the program did and of what came of it. */
uint64_t world_hash(void);

#endif
