/* SPDX-License-Identifier: MIT */

/*
 * What does it cost to begin, change and end a registration?
 *
 * Raw epoll makes the same epoll_ctl(2): ADD, MOD, DEL. Timed are the calls alone, over all descriptors, none of them
 * ready, on a set that had all of them before.
 */

#include "bench.h"
#include "peers/peer.h"

enum { REGISTER, REREGISTER, DEREGISTER };

static void raw_turn(struct bench_turn *turn, const struct bench_raw *raw) {
        while (bench_round(turn)) {
                bench_begin(turn);
                raw_add_all(raw, turn->on, EPOLLIN | EPOLLET);
                if (turn->what->variant == REGISTER)
                        bench_end(turn, turn->on->n);

                if (turn->what->variant == REREGISTER) {
                        bench_begin(turn);
                        raw_modify_all(raw, turn->on, EPOLLIN | EPOLLET);
                        bench_end(turn, turn->on->n);
                }

                bench_begin(turn);
                raw_remove_all(raw, turn->on);
                if (turn->what->variant == DEREGISTER)
                        bench_end(turn, turn->on->n);
        }
}

static void weir_turn(struct bench_turn *turn, const struct bench_weir *weir) {
        while (bench_round(turn)) {
                bench_begin(turn);
                weir_add_all(weir, turn->on, WEIR_READABLE);
                if (turn->what->variant == REGISTER)
                        bench_end(turn, turn->on->n);

                if (turn->what->variant == REREGISTER) {
                        bench_begin(turn);
                        weir_modify_all(weir, turn->on, WEIR_READABLE);
                        bench_end(turn, turn->on->n);
                }

                bench_begin(turn);
                weir_remove_all(weir, turn->on);
                if (turn->what->variant == DEREGISTER)
                        bench_end(turn, turn->on->n);
        }
}

static bool peer_turn(struct bench_turn *turn, const struct peer *peer, void *loop) {
        const struct bench_descriptors *on = turn->on;

        if (!peer->add || (turn->what->variant == REREGISTER && !peer->modify))
                return false;
        while (bench_round(turn)) {
                bench_begin(turn);
                peer->add(loop, on->fds, on->n);
                if (turn->what->variant == REGISTER)
                        bench_end(turn, on->n);

                if (turn->what->variant == REREGISTER) {
                        bench_begin(turn);
                        peer->modify(loop, on->mixed, on->n);
                        bench_end(turn, on->n);
                }

                bench_begin(turn);
                peer->remove(loop, on->mixed, on->n);
                if (turn->what->variant == DEREGISTER)
                        bench_end(turn, on->n);
        }
        return true;
}

#define CASE(name_, baseline_, variant_, target_)                                                                \
        {                                                                                                        \
                .name = name_, .baseline = baseline_, .kind = BENCH_EVENTFDS, .threads = 1, .variant = variant_, \
                .target = target_, .raw = raw_turn, .weir = weir_turn, .peer = peer_turn                         \
        }

const struct bench_case register_cases[] = {
        CASE("register", "EPOLL_CTL_ADD", REGISTER, 1.03),
        CASE("reregister", "EPOLL_CTL_MOD", REREGISTER, 1.08),
        CASE("deregister", "EPOLL_CTL_DEL", DEREGISTER, 1.03),
        { 0 },
};
