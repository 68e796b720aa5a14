/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_FUZZ_WORLD_H
#define WEIR_TESTS_FUZZ_WORLD_H

/* The library and the model side by side, the bytes that drive both, and what was done so far. */

#include "model.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Descriptors that the operations open have numbers of their own, so that none of the library's takes one that was
 * closed.
 */
#define BASE 100

/* When the clock begins. It stands, but for what the operations and the waits let pass. */
#define BEGINNING INT64_C(1000000000000)

/* One poll, and the handles to it. */
struct side {
        struct weir_poll *poll;
        struct weir_registry *registry;
        struct weir_waker *wakers[WAKERS];
        int outer;
        uint64_t rebuilds;
        struct weir_event taken[NUMBERS]; /* an event of each number, the first since it was last used */
        weir_epoch epoch;
        unsigned epoch_batches; /* open at that epoch, a bit each */
};

struct function {
        struct weir_deferred node;
        struct world *world;
        unsigned side, again;   /* how often it defers itself once more */
        unsigned before, after; /* guards that it enters or leaves before and after that; none from GUARDS on */
};

struct reader {
        struct weir_guard *guard;
        unsigned side;
};

struct world {
        const uint8_t *data;
        size_t size;
        unsigned operations;
        weir_token last_token;
        bool interrupted; /* the last wait was */
        unsigned running; /* sides whose deferred functions are on the stack, a bit each */
        struct model model;
        struct side sides[SIDES];
        struct weir_events *events[BATCHES];
        struct function functions[NODES];
        struct reader readers[GUARDS];
        char trace[1 << 16];
        size_t trace_length;
};

/* Adds to the list of what was done. */
__attribute__((format(printf, 2, 3))) void world_note(struct world *world, const char *format, ...);

/* Ends the program with that list. */
__attribute__((noreturn)) void world_differ(struct world *world, const char *what);

/* What a call returned, and what the model says. */
void world_expect(struct world *world, int got, int wanted);

/* A byte of the input below limit; zeros at the end of it. */
unsigned world_pick(struct world *world, unsigned limit);

/* After each operation: shows the files to the model, and compares all that is not a result. */
void world_sample(struct world *world);
void world_check(struct world *world);

/* Before the library closes a batch, or leaves a guard. */
void world_close_batch(struct world *world, unsigned batch);

/* descriptors.c */
void op_open(struct world *world);
void op_dup(struct world *world);
void op_close(struct world *world);
void op_ghost(struct world *world);
void op_transfer(struct world *world);
void op_registry(struct world *world, unsigned what);
void op_deadline(struct world *world);
void op_trigger(struct world *world);

/* batches.c */
/* One of the two polls, made if it is not there. */
unsigned world_pick_side(struct world *world);
void op_release(struct world *world);
void op_events(struct world *world);
void op_time(struct world *world);
/* A moment before, at or after the present one, or one that is refused. */
weir_time world_pick_moment(struct world *world);
void op_wait(struct world *world);
void op_wait_until(struct world *world);
void op_interrupt(struct world *world);
void op_read(struct world *world);
void op_clear(struct world *world);
void op_waker(struct world *world);
void op_nest(struct world *world);
void op_inspect(struct world *world);
void op_settle(struct world *world);
void world_end(struct world *world);

/* deferred.c */
void op_defer(struct world *world);
void op_epoch(struct world *world);
void op_guard(struct world *world);
void world_destroy_guards(struct world *world, unsigned side);

#endif
