/* SPDX-License-Identifier: MIT */
#pragma once

/* A crew without threads, and members whose steps a case makes. */

#include "hands.h"

struct bench {
        struct fixture *fx;
        struct weir_crew *crew;
        struct weir_member members[4]; /* the first is the one that acts */
        struct weir_events *events[4];
        struct weir_crew_words *words;
};

static struct bench *bench;

static inline void bench_make_with(struct bench *new_bench, struct fixture *fx, weir_crew_fn *fn) {
        memset(new_bench, 0, sizeof *new_bench);
        bench = new_bench;
        bench->fx = fx;
        assert_int_equal(weir_crew_create(fx->poll, fn, NULL, &bench->crew), 0);
        bench->words = bench->crew->words;
        bench->crew->threads = 4;
        for (unsigned i = 0; i < 4; i++) {
                struct weir_member *member = &bench->members[i];

                assert_int_equal(weir_events_create(BATCH, &bench->events[i]), 0);
                member->crew = bench->crew;
                member->bag.events = bench->events[i];
                member->next = bench->crew->members;
                bench->crew->members = member;
        }
        wakes = sleeps = timer_sets = 0;
        on_sleep = NULL;
        on_post_sleep = NULL;
}

static inline void unused(struct weir_crew *crew, const struct weir_event *event, void *data) {
        (void)crew;
        (void)event;
        (void)data;
}

static inline void bench_make(struct bench *new_bench, struct fixture *fx) {
        bench_make_with(new_bench, fx, unused);
}

static inline void bench_free(void) {
        for (unsigned i = 0; i < 4; i++)
                weir_events_destroy(bench->events[i]);
        bench->crew->members = NULL;
        weir_crew_destroy(bench->crew);
}

static inline struct weir_member *me(void) {
        return &bench->members[0];
}

static inline uint64_t turn(void) {
        return bench->words->turn;
}

static inline void set(uint64_t word) {
        bench->words->turn = word;
}

#define T (TURN_ALIVE | TURN_TAKEN)

/* Something lies in the bag of another member, which is inside its function. Returns the descriptor that is ready. */
static inline int let_one_lie(struct weir_bag *bag) {
        struct fixture *fx = bench->fx;
        int fd = make_eventfd(1);

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        assert_int_equal(wait_ms(fx->poll, bag->events, 0), 1);
        weir_bag_open(bag);
        return fd;
}

static inline void clear_away(struct weir_bag *bag, int fd) {
        weir_events_clear(bag->events);
        assert_int_equal(weir_deregister(bench->fx->registry, fd), 0);
        close(fd);
}
