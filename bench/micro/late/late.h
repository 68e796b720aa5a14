/* SPDX-License-Identifier: MIT */
#pragma once

/* Who has timers, and a loop of each; the cases are in main.c. */

#include "../bench.h"
#include "../peers/peer.h"

/* No more than that, with the end. */
#define LATE_SIDES 16

/* A loop with its timers. */
struct late_loop {
        const struct late_side *side;
        void *state;  /* the side's */
        size_t n;     /* how many timers */
        size_t early; /* expired before their own moments, where a side can tell */
};

struct late_side {
        const char *name;
        const struct peer *peer; /* NULL: weir, or the kernel by itself */
        bool busy;               /* whether it can watch a descriptor that is always ready */
        void (*open)(struct late_loop *loop, int ready);
        void (*set)(struct late_loop *loop, size_t i, int64_t delay);
        size_t (*wait)(struct late_loop *loop, int64_t *ret_now);
        void (*close)(struct late_loop *loop);
};

/* The kernel by itself, weir, and the peers that have timers; ends with one without a name. */
extern struct late_side late_sides[LATE_SIDES];

/* Fills the table. */
void late_find_sides(void);

/*
 * A loop with so many timers, none of them set.
 *   ready  a descriptor that is always ready, to be watched; or -1
 */
struct late_loop late_open(const struct late_side *side, size_t n, int ready);
void late_close(struct late_loop *loop);

/* Sets a timer. Returns the moment at which it is due. */
int64_t late_set(struct late_loop *loop, size_t i, int64_t delay);

/* One wait, which blocks. Returns how many timers expired, and the moment of its return. */
size_t late_wait(struct late_loop *loop, int64_t *ret_now);
