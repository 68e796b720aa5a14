/* SPDX-License-Identifier: MIT */

/*
 * What does it cost to wake a poller that is busy?
 *
 * Raw epoll has an eventfd in the set, edge-triggered and never read, and writes to it. Timed are the wakes, between two waits.
 *
 *   wake          the same waker again and again: all but the first join a wake that is pending
 *   wake-first    another waker each time: none is pending
 */

#include "bench.h"
#include "peers/peer.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum { JOIN, FIRST };

static void raw_wake(struct bench_turn *turn, const struct bench_raw *raw) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLET };
        uint64_t one = 1;
        int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

        require(fd >= 0 && epoll_ctl(raw->set, EPOLL_CTL_ADD, fd, &event) == 0, "eventfd");
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < BENCH_CALLS; ++i)
                        require(write(fd, &one, sizeof one) == sizeof one, "write to the eventfd");
                bench_end(turn, BENCH_CALLS);
                require(epoll_wait(raw->set, raw->events, BENCH_BATCH, 0) == 1, "epoll_wait: the wake");
        }
        close(fd);
}

static void weir_wake(struct bench_turn *turn, const struct bench_weir *weir) {
        static const struct timespec at_once;
        static struct weir_waker *wakers[BENCH_CALLS];
        size_t made = turn->what->variant == FIRST ? BENCH_CALLS : 1;
        struct weir_event event;

        for (size_t i = 0; i < made; ++i)
                require(weir_waker_create(weir->registry, i, &wakers[i]) == 0, "weir_waker_create");
        while (bench_round(turn)) {
                size_t seen = 0;

                bench_begin(turn);
                for (size_t i = 0; i < BENCH_CALLS; ++i)
                        require(weir_waker_wake(wakers[made == 1 ? 0 : i]) == 0, "weir_waker_wake");
                bench_end(turn, BENCH_CALLS);
                require(weir_poll_wait(weir->poll, weir->events, &at_once) >= 1, "weir_poll_wait: the wakes");
                while (weir_events_next(weir->events, &event))
                        ++seen;
                require(seen == made, "each waker once");
        }
        for (size_t i = 0; i < made; ++i)
                weir_waker_destroy(wakers[i]);
}

static bool peer_wake(struct bench_turn *turn, const struct peer *peer, void *loop) {
        if (!peer->wake || turn->what->variant == FIRST)
                return false;
        while (bench_round(turn)) {
                bench_begin(turn);
                peer->wake(loop, BENCH_CALLS);
                bench_end(turn, BENCH_CALLS);
                require(peer->wait(loop, false) >= 1, "a peer's wake");
        }
        return true;
}

const struct bench_case wake_cases[] = {
        { .name = "wake",
          .baseline = "write to an eventfd",
          .kind = BENCH_NOTHING,
          .threads = 1,
          .variant = JOIN,
          .target = 0.02,
          .raw = raw_wake,
          .weir = weir_wake,
          .peer = peer_wake },
        { .name = "wake-first",
          .baseline = "write to an eventfd",
          .kind = BENCH_NOTHING,
          .threads = 1,
          .variant = FIRST,
          .raw = raw_wake,
          .weir = weir_wake,
          .peer = peer_wake },
        { 0 },
};
