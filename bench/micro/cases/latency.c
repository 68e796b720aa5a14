/* SPDX-License-Identifier: MIT */

/*
 * How long is a thread held up that deregisters, while another one is in the middle of a batch and takes its time?
 *
 * The waiter spends a millisecond in each handler, and every descriptor is always ready, so it is never done. Another
 * thread deregisters one at random and registers it again, and so on: the descriptor in hand, those in the rest of the
 * batch, and others alike. Raw epoll does the same with EPOLL_CTL_DEL, which waits for nobody, but promises nothing either.
 * Timed is each deregistration by itself; a lap counts the median, the 99th percentile or the longest of them. The handler
 * sleeps, so that both threads have a processor on a machine with two. Read measure() first.
 */

#include "bench.h"
#include "peers/peer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* The variant is the percentile. */
enum { MEDIAN = 50, NINETY_NINTH = 99, LONGEST = 100 };

/* The most spans of one lap, and the fewest; and the pause before each, in nanoseconds: some ten of them come to one handler. */
#define MAX_SPANS 400
#define MIN_SPANS 100
#define PAUSE     100000

struct side {
        const void *side;
        void (*add)(const void *side, int fd);
        void (*remove)(const void *side, int fd);
        void (*serve)(const void *side, void *stop); /* one batch, with handle() for each event */
};

struct waiter {
        const struct side *side;
        atomic_bool stop;
};

static bool stopped(atomic_bool *stop) {
        /* relaxed: it guards nothing, and the thread is joined */
        return atomic_load_explicit(stop, memory_order_relaxed);
}

static void handle(void *stop) {
        if (!stopped(stop))
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void *serve(void *data) {
        struct waiter *waiter = data;

        while (!stopped(&waiter->stop))
                waiter->side->serve(waiter->side->side, &waiter->stop);
        return NULL;
}

static int compare(const void *a, const void *b) {
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

        return (x > y) - (x < y);
}

static void pause_until(int64_t moment) {
        while (bench_now() < moment) {
        }
}

static void measure(struct bench_turn *turn, const struct side *side) {
        const struct bench_descriptors *on = turn->on;
        struct waiter waiter = { .side = side };
        size_t n = turn->rounds * on->n / 40, rank;
        int64_t spans[MAX_SPANS];
        uint64_t seed = 1;
        pthread_t thread;

        n = n < MIN_SPANS ? MIN_SPANS : n > MAX_SPANS ? MAX_SPANS : n;
        rank = (n * turn->what->variant + 99) / 100;
        bench_signal_all(on);
        for (size_t i = 0; i < on->n; ++i)
                side->add(side->side, on->fds[i]);
        require(pthread_create(&thread, NULL, serve, &waiter) == 0, "pthread_create");
        for (size_t i = 0; i < n; ++i) {
                int fd = on->mixed[bench_random(&seed) % on->n];
                int64_t began;

                pause_until(bench_now() + PAUSE);
                began = bench_now();
                side->remove(side->side, fd);
                spans[i] = bench_now() - began - turn->clock_cost;
                side->add(side->side, fd);
        }
        atomic_store_explicit(&waiter.stop, true, memory_order_relaxed);
        side->remove(side->side, on->fds[0]); /* makes an event, for who waits for edges */
        side->add(side->side, on->fds[0]);
        pthread_join(thread, NULL);
        for (size_t i = 0; i < on->n; ++i)
                side->remove(side->side, on->mixed[i]);
        bench_drain_all(on);
        qsort(spans, n, sizeof *spans, compare);
        bench_add(turn, (double)spans[rank - 1], 1);
}

/* ---------------------------------------------------------------- raw */

static void raw_add(const void *data, int fd) {
        const struct bench_raw *raw = data;
        struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)fd };

        require(epoll_ctl(raw->set, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
}

static void raw_remove(const void *data, int fd) {
        const struct bench_raw *raw = data;

        require(epoll_ctl(raw->set, EPOLL_CTL_DEL, fd, NULL) == 0, "EPOLL_CTL_DEL");
}

static void raw_serve(const void *data, void *stop) {
        const struct bench_raw *raw = data;
        int count = epoll_wait(raw->set, raw->events, BENCH_BATCH, -1);

        require(count > 0, "epoll_wait");
        for (int i = 0; i < count; ++i)
                handle(stop);
}

static void raw_turn(struct bench_turn *turn, const struct bench_raw *raw) {
        measure(turn, &(struct side){ .side = raw, .add = raw_add, .remove = raw_remove, .serve = raw_serve });
}

/* ---------------------------------------------------------------- weir */

static void weir_add(const void *data, int fd) {
        const struct bench_weir *weir = data;

        require(weir_register(weir->registry, fd, (weir_token)fd, WEIR_READABLE | WEIR_LEVEL) == 0, "weir_register");
}

static void weir_remove(const void *data, int fd) {
        const struct bench_weir *weir = data;

        require(weir_deregister(weir->registry, fd) == 0, "weir_deregister");
}

static void weir_serve(const void *data, void *stop) {
        const struct bench_weir *weir = data;
        struct weir_event event;

        require(weir_poll_wait(weir->poll, weir->events, NULL) > 0, "weir_poll_wait");
        while (weir_events_next(weir->events, &event))
                handle(stop);
}

static void weir_turn(struct bench_turn *turn, const struct bench_weir *weir) {
        measure(turn, &(struct side){ .side = weir, .add = weir_add, .remove = weir_remove, .serve = weir_serve });
}

/* ---------------------------------------------------------------- peers */

struct peer_side {
        const struct peer *peer;
        void *loop;
};

static void peer_add(const void *data, int fd) {
        const struct peer_side *side = data;

        (side->peer->level ? side->peer->level : side->peer->edge)(side->loop, &fd, 1);
}

static void peer_remove(const void *data, int fd) {
        const struct peer_side *side = data;

        side->peer->remove(side->loop, &fd, 1);
}

static void peer_serve(const void *data, void *stop) {
        const struct peer_side *side = data;

        side->peer->serve(side->loop, handle, stop);
}

static bool peer_turn(struct bench_turn *turn, const struct peer *peer, void *loop) {
        struct peer_side mine = { .peer = peer, .loop = loop };

        if (!peer->serve)
                return false;
        measure(turn, &(struct side){ .side = &mine, .add = peer_add, .remove = peer_remove, .serve = peer_serve });
        return true;
}

#define CASE(name_, variant_, target_)                                                                                 \
        {                                                                                                              \
                .name = name_, .baseline = "EPOLL_CTL_DEL", .kind = BENCH_EVENTFDS, .threads = 2, .variant = variant_, \
                .target = target_, .raw = raw_turn, .weir = weir_turn, .peer = peer_turn                               \
        }

const struct bench_case latency_cases[] = {
        CASE("deregister-p50", MEDIAN, 1.05),
        CASE("deregister-p99", NINETY_NINTH, 1.10),
        CASE("deregister-max", LONGEST, 0),
        { 0 },
};
