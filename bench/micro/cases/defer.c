/* SPDX-License-Identifier: MIT */

/*
 * What does it cost to put something aside until no batch can name it any more?
 *
 * Who has no weir_defer() keeps a list under a mutex and frees what is on it when the loop comes round: the baseline is pushing
 * on such a list. Timed are the pushes, and the calls of weir_defer(), which for want of an open batch call the
 * function, too. What is left is run after each round, and counted.
 */

#include "bench.h"

#include <pthread.h>

enum { NO_BATCH, OPEN_BATCH };

/* What is put aside. The counter is what the function works on. */
struct thing {
        struct weir_deferred deferred;
        size_t *count;
};

static struct thing things[BENCH_CALLS];

static void count_thing(struct weir_deferred *node) {
        struct thing *thing = (struct thing *)((char *)node - offsetof(struct thing, deferred));

        ++*thing->count;
}

struct list {
        pthread_mutex_t lock;
        struct weir_deferred *head;
};

static void push(struct list *list, struct weir_deferred *node, void (*fn)(struct weir_deferred *node)) {
        node->fn = fn;
        pthread_mutex_lock(&list->lock);
        node->next = list->head;
        list->head = node;
        pthread_mutex_unlock(&list->lock);
}

static void raw_defer(struct bench_turn *turn, const struct bench_raw *raw) {
        struct list list = { .head = NULL };
        size_t count = 0;

        (void)raw;
        pthread_mutex_init(&list.lock, NULL);
        for (size_t i = 0; i < BENCH_CALLS; ++i)
                things[i].count = &count;
        while (bench_round(turn)) {
                count = 0;
                bench_begin(turn);
                for (size_t i = 0; i < BENCH_CALLS; ++i)
                        push(&list, &things[i].deferred, count_thing);
                bench_end(turn, BENCH_CALLS);
                while (list.head) {
                        struct weir_deferred *node = list.head;

                        list.head = node->next;
                        node->fn(node);
                }
                require(count == BENCH_CALLS, "the list runs each once");
        }
        pthread_mutex_destroy(&list.lock);
}

static void weir_defer_turn(struct bench_turn *turn, const struct bench_weir *weir) {
        static const struct timespec at_once;
        bool open = turn->what->variant == OPEN_BATCH;
        struct weir_waker *waker;
        size_t count = 0;

        require(weir_waker_create(weir->registry, 0, &waker) == 0, "weir_waker_create");
        for (size_t i = 0; i < BENCH_CALLS; ++i)
                things[i].count = &count;
        while (bench_round(turn)) {
                count = 0;
                if (open)
                        require(weir_waker_wake(waker) == 0 && weir_poll_wait(weir->poll, weir->events, &at_once) == 1,
                                "a batch to open");
                bench_begin(turn);
                for (size_t i = 0; i < BENCH_CALLS; ++i)
                        weir_defer(weir->registry, &things[i].deferred, count_thing);
                bench_end(turn, BENCH_CALLS);
                require(count == (open ? 0 : BENCH_CALLS), "weir_defer waits for the batch");
                weir_events_clear(weir->events);
                require(count == BENCH_CALLS, "weir_defer runs each once");
        }
        weir_waker_destroy(waker);
}

const struct bench_case defer_cases[] = {
        { .name = "defer",
          .baseline = "a list under a mutex",
          .kind = BENCH_NOTHING,
          .threads = 1,
          .variant = NO_BATCH,
          .target = 0.5,
          .raw = raw_defer,
          .weir = weir_defer_turn },
        { .name = "defer-open-batch",
          .baseline = "a list under a mutex",
          .kind = BENCH_NOTHING,
          .threads = 1,
          .variant = OPEN_BATCH,
          .target = 1.0,
          .raw = raw_defer,
          .weir = weir_defer_turn },
        { 0 },
};
