/* SPDX-License-Identifier: MIT */

/*
 * What does it cost to have a connection's owner look into its queue, whoever that is?
 *
 * Raw epoll has an eventfd beside, edge-triggered and never read, writes to it, and waits. With weir it is a trigger of the
 * connection itself, a one-shot; with the others a wake.
 *
 *   trigger        of one that is armed, taken by a wait and armed again before the next
 *   trigger-owned  of one that a thread owns: it is kept
 *   wake-taken     a waker's wake, taken by a wait before the next, to compare
 */

#include "bench.h"
#include "peers/peer.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum { ARMED, OWNED, WAKE };

static const struct timespec at_once;

static void raw_trigger(struct bench_turn *turn, const struct bench_raw *raw) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLET };
        uint64_t one = 1;
        int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

        require(fd >= 0 && epoll_ctl(raw->set, EPOLL_CTL_ADD, fd, &event) == 0, "eventfd");
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < BENCH_CALLS; ++i) {
                        require(write(fd, &one, sizeof one) == sizeof one, "write to the eventfd");
                        if (turn->what->variant != OWNED)
                                require(epoll_wait(raw->set, raw->events, BENCH_BATCH, 0) == 1, "epoll_wait");
                }
                bench_end(turn, BENCH_CALLS);
        }
        close(fd);
}

static void take_one(const struct bench_weir *weir) {
        struct weir_event event;

        require(weir_poll_wait(weir->poll, weir->events, &at_once) == 1, "weir_poll_wait");
        require(weir_events_next(weir->events, &event), "weir_events_next");
        bench_use(event.token, event.readiness);
}

static void weir_trigger_turn(struct bench_turn *turn, const struct bench_weir *weir) {
        int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        bool armed = turn->what->variant == ARMED;

        require(fd >= 0 && weir_register(weir->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD) == 0,
                "weir_register");
        if (armed)
                require(weir_rearm(weir->registry, fd, WEIR_READABLE) == 0, "weir_rearm");
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < BENCH_CALLS; ++i) {
                        require(weir_trigger(weir->registry, fd) == 0, "weir_trigger");
                        if (!armed)
                                continue;
                        take_one(weir);
                        require(weir_rearm(weir->registry, fd, WEIR_READABLE) == 0, "weir_rearm");
                }
                bench_end(turn, BENCH_CALLS);
        }
        weir_events_clear(weir->events);
        require(weir_deregister(weir->registry, fd) == 0, "weir_deregister");
        close(fd);
}

static void weir_wake_turn(struct bench_turn *turn, const struct bench_weir *weir) {
        struct weir_waker *waker;

        require(weir_waker_create(weir->registry, 1, &waker) == 0, "weir_waker_create");
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < BENCH_CALLS; ++i) {
                        require(weir_waker_wake(waker) == 0, "weir_waker_wake");
                        take_one(weir);
                }
                bench_end(turn, BENCH_CALLS);
        }
        weir_waker_destroy(waker);
}

static bool peer_trigger(struct bench_turn *turn, const struct peer *peer, void *loop) {
        if (!peer->wake || turn->what->variant == OWNED)
                return false;
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < BENCH_CALLS; ++i) {
                        peer->wake(loop, 1);
                        require(peer->wait(loop, false) == 1, "a peer's wake");
                }
                bench_end(turn, BENCH_CALLS);
        }
        return true;
}

#define TRIGGER(name_, baseline_, variant_, weir_)                                                              \
        {                                                                                                       \
                .name = name_, .baseline = baseline_, .kind = BENCH_NOTHING, .threads = 1, .variant = variant_, \
                .raw = raw_trigger, .weir = weir_, .peer = peer_trigger                                         \
        }

const struct bench_case trigger_cases[] = {
        TRIGGER("trigger", "write to an eventfd, wait", ARMED, weir_trigger_turn),
        TRIGGER("trigger-owned", "write to an eventfd", OWNED, weir_trigger_turn),
        TRIGGER("wake-taken", "write to an eventfd, wait", WAKE, weir_wake_turn),
        { 0 },
};
