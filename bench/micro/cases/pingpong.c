/* SPDX-License-Identifier: MIT */

/*
 * How long does it take two threads to wake each other, there and back?
 *
 * Each thread has a loop of its own, and sleeps in it until the other one wakes it. With raw epoll that is an eventfd in each
 * set, edge-triggered and never read, which is the least that one can do. Timed is the round trip, as seen by one of them.
 * Where the scheduler puts the threads decides more than anything else, so they are put there:
 *
 *   wake-ping-pong        on two processors: most of it is the waking up of an idle one
 *   wake-ping-pong-one    on one processor: all of it is work
 *
 * Read play() first.
 */

#include "bench.h"
#include "peers/peer.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TWO_PROCESSORS, ONE_PROCESSOR };

/* Round trips in one round. */
#define TRIPS 50

struct player {
        const void *side;
        void (*wake)(const void *side);  /* the other one */
        void (*await)(const void *side); /* sleeps until woken */
        const cpu_set_t *allowed;
        int processor;
        size_t trips;
};

/* Puts the thread on one of those that the process may use. */
static void use_processor(const cpu_set_t *allowed, int processor) {
        int left = processor % CPU_COUNT(allowed), cpu = 0;
        cpu_set_t set;

        for (; !CPU_ISSET(cpu, allowed) || left > 0; ++cpu)
                left -= CPU_ISSET(cpu, allowed) ? 1 : 0;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        require(sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

static void *answer(void *data) {
        struct player *player = data;

        use_processor(player->allowed, player->processor);
        for (size_t i = 0; i < player->trips; ++i) {
                player->await(player->side);
                player->wake(player->side);
        }
        return NULL;
}

static void play(struct bench_turn *turn, struct player *here, struct player *there) {
        pthread_t partner;
        cpu_set_t allowed;

        require(sched_getaffinity(0, sizeof allowed, &allowed) == 0, "sched_getaffinity");
        there->allowed = &allowed;
        there->processor = turn->what->variant == TWO_PROCESSORS;
        there->trips = (turn->rounds + 1) * TRIPS;
        use_processor(&allowed, 0);
        require(pthread_create(&partner, NULL, answer, there) == 0, "pthread_create");
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < TRIPS; ++i) {
                        here->wake(here->side);
                        here->await(here->side);
                }
                bench_end(turn, TRIPS);
        }
        pthread_join(partner, NULL);
        require(sched_setaffinity(0, sizeof allowed, &allowed) == 0, "sched_setaffinity");
}

/* ---------------------------------------------------------------- raw */

struct raw_side {
        const struct bench_raw *raw;
        int other; /* eventfd */
};

static void raw_wake(const void *data) {
        static const uint64_t one = 1;
        const struct raw_side *side = data;

        require(write(side->other, &one, sizeof one) == sizeof one, "write to the eventfd");
}

static void raw_await(const void *data) {
        const struct raw_side *side = data;

        require(epoll_wait(side->raw->set, side->raw->events, BENCH_BATCH, -1) == 1, "epoll_wait: the wake");
}

/* An eventfd in the set. */
static int raw_eventfd(const struct bench_raw *raw) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLET };
        int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

        require(fd >= 0 && epoll_ctl(raw->set, EPOLL_CTL_ADD, fd, &event) == 0, "eventfd");
        return fd;
}

static void raw_turn(struct bench_turn *turn, const struct bench_raw *raw) {
        struct epoll_event events[BENCH_BATCH];
        struct bench_raw second = { .set = epoll_create1(EPOLL_CLOEXEC), .events = events };
        struct raw_side here = { .raw = raw }, there = { .raw = &second };

        require(second.set >= 0, "epoll_create1");
        there.other = raw_eventfd(raw);
        here.other = raw_eventfd(&second);
        play(turn, &(struct player){ .side = &here, .wake = raw_wake, .await = raw_await },
             &(struct player){ .side = &there, .wake = raw_wake, .await = raw_await });
        close(second.set);
        close(here.other);
        close(there.other);
}

/* ---------------------------------------------------------------- weir */

struct weir_side {
        struct weir_poll *poll;
        struct weir_events *events;
        struct weir_waker *other;
};

static void weir_wake(const void *data) {
        const struct weir_side *side = data;

        require(weir_waker_wake(side->other) == 0, "weir_waker_wake");
}

static void weir_await(const void *data) {
        const struct weir_side *side = data;
        struct weir_event event;

        require(weir_poll_wait(side->poll, side->events, NULL) == 1 && weir_events_next(side->events, &event),
                "weir_poll_wait: the wake");
}

static void weir_turn(struct bench_turn *turn, const struct bench_weir *weir) {
        struct weir_side here = { .poll = weir->poll, .events = weir->events }, there = { .poll = NULL };

        require(weir_poll_create(&there.poll) == 0, "weir_poll_create");
        require(weir_events_create(BENCH_BATCH, &there.events) == 0, "weir_events_create");
        require(weir_waker_create(weir_poll_registry(there.poll), 0, &here.other) == 0 &&
                        weir_waker_create(weir->registry, 0, &there.other) == 0,
                "weir_waker_create");
        play(turn, &(struct player){ .side = &here, .wake = weir_wake, .await = weir_await },
             &(struct player){ .side = &there, .wake = weir_wake, .await = weir_await });
        weir_waker_destroy(here.other);
        weir_waker_destroy(there.other);
        weir_events_destroy(there.events);
        weir_poll_destroy(there.poll);
}

/* ---------------------------------------------------------------- peers */

struct peer_side {
        const struct peer *peer;
        void *own, *other;
};

static void peer_wake(const void *data) {
        const struct peer_side *side = data;

        side->peer->wake(side->other, 1);
}

/* Some loops have turns in which nothing happens. */
static void peer_await(const void *data) {
        const struct peer_side *side = data;

        while (side->peer->wait(side->own, true) == 0) {
        }
}

static bool peer_turn(struct bench_turn *turn, const struct peer *peer, void *loop) {
        void *second = peer->create(BENCH_BATCH);
        struct peer_side here = { .peer = peer, .own = loop, .other = second },
                         there = { .peer = peer, .own = second, .other = loop };

        play(turn, &(struct player){ .side = &here, .wake = peer_wake, .await = peer_await },
             &(struct player){ .side = &there, .wake = peer_wake, .await = peer_await });
        peer->destroy(second);
        return true;
}

#define CASE(name_, variant_)                                                                              \
        {                                                                                                  \
                .name = name_, .baseline = "eventfd ping-pong", .kind = BENCH_NOTHING, .threads = 2,       \
                .variant = variant_, .target = 1.00, .raw = raw_turn, .weir = weir_turn, .peer = peer_turn \
        }

const struct bench_case pingpong_cases[] = {
        CASE("wake-ping-pong", TWO_PROCESSORS),
        CASE("wake-ping-pong-one", ONE_PROCESSOR),
        { 0 },
};
