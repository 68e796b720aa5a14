/* SPDX-License-Identifier: MIT */

/*
 * What does it cost to get from "ready" to a handler, per event; and what does a wait cost that finds nothing?
 *
 * Raw epoll calls epoll_wait(2) with as large a buffer and looks at each event. Timed is fetching and looking at one event of
 * every descriptor, in an order that has nothing to do with their numbers. Edge-triggered ones are written to before
 * each round, which is not timed; level-triggered ones stay ready. For the empty wait, nothing is ready.
 */

#include "bench.h"
#include "peers/peer.h"

enum { EDGE, LEVEL };

static void raw_dispatch(struct bench_turn *turn, const struct bench_raw *raw) {
        bool level = turn->what->variant == LEVEL;

        raw_add_all(raw, turn->on, EPOLLIN | (level ? 0 : EPOLLET));
        bench_signal_all(turn->on);
        while (bench_round(turn)) {
                size_t seen;

                bench_begin(turn);
                seen = raw_take_all(raw, turn->on, level);
                bench_end(turn, seen);
                if (!level)
                        bench_signal_all(turn->on);
        }
        raw_remove_all(raw, turn->on);
        bench_drain_all(turn->on);
}

static void weir_dispatch(struct bench_turn *turn, const struct bench_weir *weir) {
        bool level = turn->what->variant == LEVEL;

        weir_add_all(weir, turn->on, WEIR_READABLE | (level ? WEIR_LEVEL : 0));
        bench_signal_all(turn->on);
        while (bench_round(turn)) {
                size_t seen;

                bench_begin(turn);
                seen = weir_take_all(weir, turn->on, level);
                bench_end(turn, seen);
                if (!level)
                        bench_signal_all(turn->on);
        }
        weir_remove_all(weir, turn->on);
        bench_drain_all(turn->on);
}

static bool peer_dispatch(struct bench_turn *turn, const struct peer *peer, void *loop) {
        bool level = turn->what->variant == LEVEL;
        const struct bench_descriptors *on = turn->on;

        if (level ? !peer->level : !peer->edge)
                return false;
        (level ? peer->level : peer->edge)(loop, on->fds, on->n);
        bench_signal_all(on);
        while (bench_round(turn)) {
                size_t seen;

                bench_begin(turn);
                seen = peer_take(peer, loop, on->n);
                bench_end(turn, seen);
                require(level || seen == on->n, "a peer's wait: one event each");
                if (!level)
                        bench_signal_all(on);
        }
        peer->remove(loop, on->mixed, on->n);
        bench_drain_all(on);
        return true;
}

static void raw_empty(struct bench_turn *turn, const struct bench_raw *raw) {
        raw_add_all(raw, turn->on, EPOLLIN | EPOLLET);
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < turn->on->n; ++i)
                        require(epoll_wait(raw->set, raw->events, BENCH_BATCH, 0) == 0, "epoll_wait");
                bench_end(turn, turn->on->n);
        }
        raw_remove_all(raw, turn->on);
}

static void weir_empty(struct bench_turn *turn, const struct bench_weir *weir) {
        static const struct timespec at_once;

        weir_add_all(weir, turn->on, WEIR_READABLE);
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < turn->on->n; ++i)
                        require(weir_poll_wait(weir->poll, weir->events, &at_once) == 0, "weir_poll_wait");
                bench_end(turn, turn->on->n);
        }
        weir_remove_all(weir, turn->on);
}

static bool peer_empty(struct bench_turn *turn, const struct peer *peer, void *loop) {
        const struct bench_descriptors *on = turn->on;

        peer->add(loop, on->fds, on->n);
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < on->n; ++i)
                        require(peer->wait(loop, false) == 0, "a peer's empty wait");
                bench_end(turn, on->n);
        }
        peer->remove(loop, on->mixed, on->n);
        return true;
}

const struct bench_case dispatch_cases[] = {
        { .name = "dispatch",
          .baseline = "epoll_wait, edge",
          .kind = BENCH_EVENTFDS,
          .threads = 1,
          .variant = EDGE,
          .target = 1.05,
          .target_many = 1.08,
          .raw = raw_dispatch,
          .weir = weir_dispatch,
          .peer = peer_dispatch },
        { .name = "dispatch-level",
          .baseline = "epoll_wait, level",
          .kind = BENCH_EVENTFDS,
          .threads = 1,
          .variant = LEVEL,
          .target = 1.05,
          .target_many = 1.08,
          .raw = raw_dispatch,
          .weir = weir_dispatch,
          .peer = peer_dispatch },
        { .name = "empty-wait",
          .baseline = "epoll_wait, timeout 0",
          .kind = BENCH_EVENTFDS,
          .threads = 1,
          .target = 1.15,
          .raw = raw_empty,
          .weir = weir_empty,
          .peer = peer_empty },
        { 0 },
};
