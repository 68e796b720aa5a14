/* SPDX-License-Identifier: MIT */

/*
 * What does it cost when several threads register and deregister at the same time, beside one that waits?
 *
 * Raw epoll does the same with EPOLL_CTL_ADD and DEL. Each thread has its share of the descriptors, none of which ever becomes
 * ready, so the waiter sleeps all the time, as it does in a server where others accept and close. Timed is the pair, from when
 * the first thread starts to when the last one is done, over all pairs of all threads. Read churn() first.
 */

#include "bench.h"
#include "peers/peer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_THREADS 8

/* What the threads need of a side. side is what the functions get. */
struct side {
        const void *side;
        void (*churn)(const void *side, const int *fds, size_t n); /* adds and removes each */
        void (*wait)(const void *side);                            /* sleeps until something happens */
        void (*wake)(const void *side);
};

struct worker {
        const struct side *side;
        pthread_barrier_t *warm;
        const int *fds;
        size_t n, rounds;
        int64_t began, ended;
};

struct waiter {
        const struct side *side;
        atomic_bool stop;
};

static void *work(void *data) {
        struct worker *worker = data;

        worker->side->churn(worker->side->side, worker->fds, worker->n);
        pthread_barrier_wait(worker->warm);
        worker->began = bench_now();
        for (size_t i = 0; i < worker->rounds; ++i)
                worker->side->churn(worker->side->side, worker->fds, worker->n);
        worker->ended = bench_now();
        return NULL;
}

static void *wait_on(void *data) {
        struct waiter *waiter = data;

        /* acquire: what stops it comes first, and the wake after it */
        while (!atomic_load_explicit(&waiter->stop, memory_order_acquire))
                waiter->side->wait(waiter->side->side);
        return NULL;
}

static void churn(struct bench_turn *turn, const struct side *side) {
        const struct bench_descriptors *on = turn->on;
        size_t threads = turn->what->threads, share = on->n / threads;
        struct waiter waiter = { .side = side };
        struct worker workers[MAX_THREADS];
        pthread_t waiting, working[MAX_THREADS];
        pthread_barrier_t warm;
        int64_t began = INT64_MAX, ended = 0;

        require(share > 0, "churn: a descriptor for each thread");
        require(pthread_barrier_init(&warm, NULL, (unsigned)threads) == 0, "pthread_barrier_init");
        require(pthread_create(&waiting, NULL, wait_on, &waiter) == 0, "pthread_create");
        for (size_t i = 0; i < threads; ++i) {
                workers[i] = (struct worker){
                        .side = side,
                        .warm = &warm,
                        .fds = &on->fds[i * share],
                        .n = share,
                        .rounds = turn->rounds,
                };
                require(pthread_create(&working[i], NULL, work, &workers[i]) == 0, "pthread_create");
        }
        for (size_t i = 0; i < threads; ++i) {
                pthread_join(working[i], NULL);
                began = workers[i].began < began ? workers[i].began : began;
                ended = workers[i].ended > ended ? workers[i].ended : ended;
        }
        atomic_store_explicit(&waiter.stop, true, memory_order_release);
        side->wake(side->side);
        pthread_join(waiting, NULL);
        pthread_barrier_destroy(&warm);
        bench_add(turn, (double)(ended - began), share * threads * turn->rounds);
}

/* ---------------------------------------------------------------- raw */

struct raw_side {
        const struct bench_raw *raw;
        int eventfd;
};

static void raw_churn(const void *data, const int *fds, size_t n) {
        const struct raw_side *side = data;

        for (size_t i = 0; i < n; ++i) {
                struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u64 = (uint64_t)fds[i] };

                require(epoll_ctl(side->raw->set, EPOLL_CTL_ADD, fds[i], &event) == 0, "EPOLL_CTL_ADD");
                require(epoll_ctl(side->raw->set, EPOLL_CTL_DEL, fds[i], NULL) == 0, "EPOLL_CTL_DEL");
        }
}

static void raw_wait(const void *data) {
        const struct raw_side *side = data;

        require(epoll_wait(side->raw->set, side->raw->events, BENCH_BATCH, -1) == 1, "epoll_wait: the wake");
}

static void raw_wake(const void *data) {
        static const uint64_t one = 1;
        const struct raw_side *side = data;

        require(write(side->eventfd, &one, sizeof one) == sizeof one, "write to the eventfd");
}

static void raw_turn(struct bench_turn *turn, const struct bench_raw *raw) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLET };
        struct raw_side mine = { .raw = raw, .eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };

        require(mine.eventfd >= 0 && epoll_ctl(raw->set, EPOLL_CTL_ADD, mine.eventfd, &event) == 0, "eventfd");
        churn(turn, &(struct side){ .side = &mine, .churn = raw_churn, .wait = raw_wait, .wake = raw_wake });
        close(mine.eventfd);
}

/* ---------------------------------------------------------------- weir */

struct weir_side {
        const struct bench_weir *weir;
        struct weir_waker *waker;
};

static void weir_churn(const void *data, const int *fds, size_t n) {
        const struct weir_side *side = data;

        for (size_t i = 0; i < n; ++i) {
                require(weir_register(side->weir->registry, fds[i], (weir_token)fds[i], WEIR_READABLE) == 0,
                        "weir_register");
                require(weir_deregister(side->weir->registry, fds[i]) == 0, "weir_deregister");
        }
}

static void weir_wait(const void *data) {
        const struct weir_side *side = data;

        require(weir_poll_wait(side->weir->poll, side->weir->events, NULL) == 1, "weir_poll_wait: the wake");
}

static void weir_wake(const void *data) {
        const struct weir_side *side = data;

        require(weir_waker_wake(side->waker) == 0, "weir_waker_wake");
}

static void weir_turn(struct bench_turn *turn, const struct bench_weir *weir) {
        struct weir_side mine = { .weir = weir };

        require(weir_waker_create(weir->registry, 0, &mine.waker) == 0, "weir_waker_create");
        churn(turn, &(struct side){ .side = &mine, .churn = weir_churn, .wait = weir_wait, .wake = weir_wake });
        weir_waker_destroy(mine.waker);
}

/* ---------------------------------------------------------------- peers */

struct peer_side {
        const struct peer *peer;
        void *loop;
};

static void peer_churn(const void *data, const int *fds, size_t n) {
        const struct peer_side *side = data;

        for (size_t i = 0; i < n; ++i) {
                side->peer->add(side->loop, &fds[i], 1);
                side->peer->remove(side->loop, &fds[i], 1);
        }
}

static void peer_wait(const void *data) {
        const struct peer_side *side = data;

        side->peer->wait(side->loop, true);
}

static void peer_wake(const void *data) {
        const struct peer_side *side = data;

        side->peer->wake(side->loop, 1);
}

static bool peer_turn(struct bench_turn *turn, const struct peer *peer, void *loop) {
        struct peer_side mine = { .peer = peer, .loop = loop };

        if (!peer->threads)
                return false;
        churn(turn, &(struct side){ .side = &mine, .churn = peer_churn, .wait = peer_wait, .wake = peer_wake });
        return true;
}

#define CASE(threads_, target_)                                                                               \
        {                                                                                                     \
                .name = "churn-" #threads_, .baseline = "EPOLL_CTL_ADD, DEL", .kind = BENCH_EVENTFDS,         \
                .threads = threads_, .target = target_, .raw = raw_turn, .weir = weir_turn, .peer = peer_turn \
        }

const struct bench_case churn_cases[] = {
        CASE(1, 1.03), CASE(2, 1.03), CASE(4, 0), CASE(8, 0), { 0 },
};
