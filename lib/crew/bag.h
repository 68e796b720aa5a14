/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The bag: what a member has fetched and not begun. While it is inside the user's function, which may take for ever, or wakes
 * another member, which may take its processor, it may be robbed: the events are given back to the poll, for whoever waits next.
 * So the events object has one user at a time.
 *
 *                   fetch                 event with others behind       robber
 *      EMPTY ------------------------> HELD ---------------> OPEN -----------------> ROBBED
 *        ^                              ^ |                   |                        | |
 *        |                              | |  last event       | back from there        | | the owner is back
 *        +------------------------------|-+                   |                        | v
 *        |                              +---------------------+                        | AWAITED, the owner sleeps
 *        +-----------------------------------------------------------------------------+-+
 *
 *   EMPTY    nothing lies there; the owner has the events object
 *   HELD     the owner has it, and takes the next event
 *   OPEN     nobody has it: the owner is elsewhere
 *   ROBBED   the robber has it, for a few instructions for each event
 *   AWAITED  likewise, and wakes the owner when it is done
 *
 * The steps from OPEN are read-modify-writes: one of owner and robber comes first. A thread that fetched a single event makes
 * none of them, unless it calls another.
 */

#include "crew.h"

enum {
        BAG_EMPTY,
        BAG_HELD,
        BAG_OPEN,
        BAG_ROBBED,
        BAG_AWAITED,
};

/* since: no batch is open, or nobody looked at the clock, for there was no other thread. */
#define BAG_NOBODY  INT64_C(0)
#define BAG_UNKNOWN INT64_C(1)

/* The owner begins an event with others behind it: from here on they may be taken. */
static inline void weir_bag_open(struct weir_bag *bag) {
        /* PAIR(bag): weir_bag_rob() finds the events object as the owner left it. */
        atomic_store_explicit(&bag->state, BAG_OPEN, memory_order_release);
}

/* The owner has the events object, and lets nothing lie there (any more), or fetched more than one. */
static inline void weir_bag_set(struct weir_bag *bag, uint32_t state) {
        /* relaxed: nothing may be taken; who counts on it comes after the step by which the turn is given up */
        atomic_store_explicit(&bag->state, state, memory_order_relaxed);
}

/* The owner is back from the event. False: it was robbed, and nothing lies there any more. May sleep while that goes on. */
bool weir_bag_close_slowly(struct weir_bag *bag);
static inline bool weir_bag_close(struct weir_bag *bag) {
        uint32_t state = BAG_OPEN;

        /* relaxed: it is as the owner left it */
        return atomic_compare_exchange_strong_explicit(&bag->state, &state, BAG_HELD, memory_order_relaxed,
                                                       memory_order_relaxed) ||
               weir_bag_close_slowly(bag);
}

static inline bool weir_bag_is_empty(const struct weir_bag *bag) {
        /* relaxed: who must see that something lies there comes after the step by which the turn was given up, PAIR(turn) */
        return atomic_load_explicit(&bag->state, memory_order_relaxed) == BAG_EMPTY;
}

/* Gives what lies there back to the poll. Returns how many events that were. */
unsigned weir_bag_rob(struct weir_bag *bag);
