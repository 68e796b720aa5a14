/* SPDX-License-Identifier: MIT */

/*
 * Laps, one after another. The machine's speed changes from second to second, so figures of different moments say nothing
 * about each other. In each repetition every side runs one lap; raw epoll and weir next to each other, taking turns in going
 * first, and the peers after them, another one first each time. Each lap is divided by the lap of raw epoll of the same
 * repetition, and what is reported is the median of these ratios, and their spread. Read run_case() first, then lap().
 */

#include "run.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

size_t peer_count(void) {
        size_t n = 0;

        while (peers[n])
                ++n;
        return n;
}

/* ---------------------------------------------------------------- a lap */

static int compare_ns(const void *a, const void *b) {
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

        return (x > y) - (x < y);
}

/* How long a span seems in which nothing is done: the median of some. */
static int64_t clock_cost(void) {
        enum { SPANS = 101 };
        int64_t spans[SPANS];

        for (size_t i = 0; i < SPANS; ++i) {
                int64_t began = bench_now();

                spans[i] = bench_now() - began;
        }
        qsort(spans, SPANS, sizeof *spans, compare_ns);
        return spans[SPANS / 2];
}

static void lap_raw(struct bench_turn *turn) {
        struct bench_raw raw = {
                .set = epoll_create1(EPOLL_CLOEXEC),
                .events = calloc(BENCH_BATCH, sizeof *raw.events),
        };

        require(raw.set >= 0 && raw.events, "epoll_create1");
        turn->what->raw(turn, &raw);
        close(raw.set);
        free(raw.events);
}

static void lap_weir(struct bench_turn *turn) {
        struct bench_weir weir;

        require(weir_poll_create(&weir.poll) == 0, "weir_poll_create");
        require(weir_events_create(BENCH_BATCH, &weir.events) == 0, "weir_events_create");
        weir.registry = weir_poll_registry(weir.poll);
        turn->what->weir(turn, &weir);
        weir_events_destroy(weir.events);
        weir_poll_destroy(weir.poll);
}

static bool lap_peer(struct bench_turn *turn, const struct peer *peer) {
        struct rlimit limit;
        void *loop;
        bool can;

        if (!turn->what->peer)
                return false;
        require(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
        loop = peer->create((int)limit.rlim_cur);
        can = turn->what->peer(turn, peer, loop);
        peer->destroy(loop);
        return can;
}

/* One lap of one side. False if it cannot do that. */
static bool lap(const struct bench_case *what, const struct bench_descriptors *on, const struct plan *plan, size_t side,
                double *ret_cost) {
        struct bench_turn turn = {
                .what = what,
                .on = on,
                .rounds = plan->operations > on->n ? plan->operations / on->n : 1,
                .clock_cost = clock_cost(),
        };

        if (side == RAW)
                lap_raw(&turn);
        else if (side == WEIR)
                lap_weir(&turn);
        else if (!lap_peer(&turn, peers[side - FIRST_PEER]))
                return false;
        require(turn.operations > 0 && (turn.ns > 0 || what->bytes), "a lap that measures something");
        *ret_cost = turn.ns / (double)turn.operations;
        return true;
}

/* ---------------------------------------------------------------- a case */

void run_case(const struct bench_case *what, const struct bench_descriptors *on, const struct plan *plan,
              struct result *ret_result) {
        size_t reps = plan->repetitions, n_peers = peer_count(), sides = FIRST_PEER + n_peers;
        double *costs = calloc(reps * sides, sizeof *costs);
        struct result result = { .what = what, .n = on->n, .repetitions = plan->repetitions };

        require(costs, "memory for figures");
        for (size_t side = 0; side < sides; ++side)
                result.there[side] = side < FIRST_PEER || plan->peers;
        for (size_t rep = 0; rep < reps; ++rep)
                for (size_t turn = 0; turn < sides; ++turn) {
                        size_t side =
                                turn < FIRST_PEER ? (turn + rep) % FIRST_PEER : FIRST_PEER + (turn + rep) % n_peers;

                        if (result.there[side])
                                result.there[side] = lap(what, on, plan, side, &costs[side * reps + rep]);
                }
        for (size_t side = sides; side-- > 0;) {
                for (size_t rep = 0; side != RAW && !what->bytes && rep < reps; ++rep)
                        costs[side * reps + rep] /= costs[RAW * reps + rep];
                if (side == RAW)
                        result.raw = summarize(&costs[RAW * reps], reps);
                else if (result.there[side])
                        result.ratio[side] = summarize(&costs[side * reps], reps);
        }
        free(costs);
        *ret_result = result;
}
