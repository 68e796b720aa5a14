/* SPDX-License-Identifier: MIT */

/*
 * What does it cost to arm a one-shot again, and what does a whole turn cost: event, read, rearm?
 *
 * Raw epoll needs EPOLL_CTL_MOD for it each time. The turns are on stream sockets, each of which has got a message before the
 * round. A read that returns less than the buffer holds has drained a stream: oneshot-short stops there, as one may with both;
 * oneshot-drain reads once more, to -EAGAIN, on both sides.
 *
 *   rearm         the calls alone, over all descriptors, which were drained and are not ready
 *   oneshot-*     waiting, reading and arming again, until all were served
 */

#include "bench.h"
#include "peers/peer.h"

enum { SHORT, DRAIN };

/* ---------------------------------------------------------------- rearm */

static void raw_rearm(struct bench_turn *turn, const struct bench_raw *raw) {
        raw_add_all(raw, turn->on, EPOLLIN | EPOLLONESHOT);
        while (bench_round(turn)) {
                bench_signal_all(turn->on);
                raw_take_all(raw, turn->on, false);
                bench_drain_all(turn->on);
                bench_begin(turn);
                raw_modify_all(raw, turn->on, EPOLLIN | EPOLLONESHOT);
                bench_end(turn, turn->on->n);
        }
        raw_remove_all(raw, turn->on);
}

static void weir_rearm_turn(struct bench_turn *turn, const struct bench_weir *weir) {
        const struct bench_descriptors *on = turn->on;

        weir_add_all(weir, on, WEIR_READABLE | WEIR_ONESHOT);
        while (bench_round(turn)) {
                bench_signal_all(on);
                weir_take_all(weir, on, false);
                bench_drain_all(on);
                bench_begin(turn);
                for (size_t i = 0; i < on->n; ++i)
                        require(weir_rearm(weir->registry, on->mixed[i], WEIR_READABLE) == 0, "weir_rearm");
                bench_end(turn, on->n);
        }
        weir_remove_all(weir, on);
}

/* ---------------------------------------------------------------- the turn */

static void raw_oneshot(struct bench_turn *turn, const struct bench_raw *raw) {
        bool drain = turn->what->variant == DRAIN;
        const struct bench_descriptors *on = turn->on;

        raw_add_all(raw, on, EPOLLIN | EPOLLONESHOT);
        while (bench_round(turn)) {
                size_t served = 0;

                bench_signal_all(on);
                bench_begin(turn);
                while (served < on->n) {
                        int count = epoll_wait(raw->set, raw->events, BENCH_BATCH, 0);

                        require(count > 0, "epoll_wait");
                        for (int i = 0; i < count; ++i) {
                                struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT,
                                                             .data = raw->events[i].data };
                                int fd = (int)raw->events[i].data.u64;

                                bench_read(fd, drain);
                                require(epoll_ctl(raw->set, EPOLL_CTL_MOD, fd, &event) == 0, "EPOLL_CTL_MOD");
                                ++served;
                        }
                }
                bench_end(turn, on->n);
        }
        raw_remove_all(raw, on);
}

static void weir_oneshot(struct bench_turn *turn, const struct bench_weir *weir) {
        static const struct timespec at_once;
        bool drain = turn->what->variant == DRAIN;
        const struct bench_descriptors *on = turn->on;
        struct weir_event event;

        weir_add_all(weir, on, WEIR_READABLE | WEIR_ONESHOT);
        while (bench_round(turn)) {
                size_t served = 0;

                bench_signal_all(on);
                bench_begin(turn);
                while (served < on->n) {
                        require(weir_poll_wait(weir->poll, weir->events, &at_once) > 0, "weir_poll_wait");
                        while (weir_events_next(weir->events, &event)) {
                                int fd = (int)event.token;

                                bench_read(fd, drain);
                                require(weir_rearm(weir->registry, fd, WEIR_READABLE) == 0, "weir_rearm");
                                ++served;
                        }
                }
                bench_end(turn, on->n);
        }
        weir_remove_all(weir, on);
}

/* A peer's own callback does what bench_read() does, and asks for the next event in the library's way. */
static bool peer_oneshot(struct bench_turn *turn, const struct peer *peer, void *loop) {
        const struct bench_descriptors *on = turn->on;

        if (!peer->oneshot)
                return false;
        peer->oneshot(loop, on->fds, on->n, turn->what->variant == DRAIN);
        while (bench_round(turn)) {
                bench_signal_all(on);
                bench_begin(turn);
                require(peer_take(peer, loop, on->n) == on->n, "a peer's wait: one event each");
                bench_end(turn, on->n);
        }
        peer->remove(loop, on->mixed, on->n);
        return true;
}

const struct bench_case oneshot_cases[] = {
        { .name = "rearm",
          .baseline = "EPOLL_CTL_MOD",
          .kind = BENCH_EVENTFDS,
          .threads = 1,
          .target = 0.04,
          .raw = raw_rearm,
          .weir = weir_rearm_turn },
        { .name = "oneshot-short",
          .baseline = "EPOLLONESHOT: read, MOD",
          .kind = BENCH_STREAMS,
          .threads = 1,
          .variant = SHORT,
          .target = 0.81,
          .raw = raw_oneshot,
          .weir = weir_oneshot,
          .peer = peer_oneshot },
        { .name = "oneshot-drain",
          .baseline = "EPOLLONESHOT: read to -EAGAIN, MOD",
          .kind = BENCH_STREAMS,
          .threads = 1,
          .variant = DRAIN,
          .target = 0.85,
          .raw = raw_oneshot,
          .weir = weir_oneshot,
          .peer = peer_oneshot },
        { 0 },
};
