/* SPDX-License-Identifier: MIT */

/* The bag: see bag.h. Here is what happens seldom: that one is robbed. */

#include "bag.h"

unsigned weir_bag_rob(struct weir_bag *bag) {
        uint32_t state = BAG_OPEN;
        unsigned count;

        /* PAIR(bag): weir_bag_open() left the events object. */
        if (!atomic_compare_exchange_strong_explicit(&bag->state, &state, BAG_ROBBED, memory_order_acquire,
                                                     memory_order_relaxed))
                return 0;
        count = weir_events_give_back(bag->events);
        /* PAIR(robbed): weir_bag_close_slowly() of the owner. */
        if (atomic_exchange_explicit(&bag->state, BAG_EMPTY, memory_order_release) == BAG_AWAITED)
                weir_seam_wake(&bag->state, 1);
        return count;
}

/*
 * The owner sleeps, and does not spin: a robber of lower priority may need its processor to come to an end. Of this step and the
 * robber's last one, one comes second: then the robber wakes, or the bag is empty.
 */
bool weir_bag_close_slowly(struct weir_bag *bag) {
        uint32_t state;

        /* PAIR(robbed): that it was robbed, with what the robber did to the events object. */
        while ((state = atomic_load_explicit(&bag->state, memory_order_acquire)) != BAG_EMPTY) {
                /* relaxed: nothing is learnt before the bag is empty */
                if (state == BAG_AWAITED ||
                    atomic_compare_exchange_strong_explicit(&bag->state, &state, BAG_AWAITED, memory_order_relaxed,
                                                            memory_order_relaxed))
                        weir_seam_sleep(&bag->state, BAG_AWAITED, CREW_FOREVER);
        }
        return false;
}
