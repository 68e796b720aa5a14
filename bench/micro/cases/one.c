/* SPDX-License-Identifier: MIT */

/*
 * What does one event cost among many descriptors that are idle, as a server sees it whose clients are mostly silent?
 *
 * Timed, on every side: write to one of them, wait, take the event, read. Each time another one, in an order that has nothing
 * to do with their numbers, so that what the wait touches is not in the cache.
 */

#include "bench.h"
#include "peers/peer.h"

static void raw_one(struct bench_turn *turn, const struct bench_raw *raw) {
        const struct bench_descriptors *on = turn->on;

        raw_add_all(raw, on, EPOLLIN | EPOLLET);
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < on->n; ++i) {
                        bench_signal(on, i);
                        require(epoll_wait(raw->set, raw->events, BENCH_BATCH, 0) == 1 &&
                                        raw->events[0].data.u64 == (uint64_t)on->mixed[i],
                                "epoll_wait: the one");
                        bench_read(on->mixed[i], false);
                }
                bench_end(turn, on->n);
        }
        raw_remove_all(raw, on);
}

static void weir_one(struct bench_turn *turn, const struct bench_weir *weir) {
        static const struct timespec at_once;
        const struct bench_descriptors *on = turn->on;
        struct weir_event event;

        weir_add_all(weir, on, WEIR_READABLE);
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < on->n; ++i) {
                        bench_signal(on, i);
                        require(weir_poll_wait(weir->poll, weir->events, &at_once) == 1 &&
                                        weir_events_next(weir->events, &event) &&
                                        event.token == (weir_token)on->mixed[i],
                                "weir_poll_wait: the one");
                        bench_read(on->mixed[i], false);
                }
                bench_end(turn, on->n);
        }
        weir_remove_all(weir, on);
}

static bool peer_one(struct bench_turn *turn, const struct peer *peer, void *loop) {
        const struct bench_descriptors *on = turn->on;
        void (*add)(void *loop, const int *fds, size_t n) = peer->edge ? peer->edge : peer->level;

        if (!add)
                return false;
        add(loop, on->fds, on->n);
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < on->n; ++i) {
                        bench_signal(on, i);
                        require(peer->wait(loop, false) == 1, "a peer's wait: the one");
                        bench_read(on->mixed[i], false);
                }
                bench_end(turn, on->n);
        }
        peer->remove(loop, on->mixed, on->n);
        return true;
}

const struct bench_case one_cases[] = {
        { .name = "one-of-n",
          .baseline = "write, epoll_wait, read",
          .kind = BENCH_EVENTFDS,
          .threads = 1,
          .target = 1.08,
          .raw = raw_one,
          .weir = weir_one,
          .peer = peer_one },
        { 0 },
};
