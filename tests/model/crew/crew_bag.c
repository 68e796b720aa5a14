/* SPDX-License-Identifier: MIT */

/*
 * A bag is robbed by two others while its owner is between two events: what was in it is begun or given back, once.
 * Threads: the owner; two robbers.
 */

#define MODEL_MEMBERS 1

#include "model.h"

static void set_up(void) {
        model_begin(NULL, 0, PACE_MAX);
        model_total = 2;
        model_events[0].count = 2;
        weir_bag_set(&model_members[0].bag, BAG_HELD);
}

static void *owns(void *unused) {
        struct weir_bag *bag = &model_members[0].bag;
        struct weir_event event;

        (void)unused;
        assert(weir_events_next(bag->events, &event));
        add(&model_begun, 1);
        weir_bag_open(bag);
        if (weir_bag_close(bag)) {
                assert(weir_events_next(bag->events, &event));
                add(&model_begun, 1);
        } else {
                assert(!weir_events_next(bag->events, &event));
        }
        return NULL;
}

MODEL_THREAD(robs, weir_bag_rob(&model_members[0].bag))
MODEL_THREAD(robs_too, weir_bag_rob(&model_members[0].bag))

MODEL_CREW(set_up, model_check, owns, robs, robs_too)
