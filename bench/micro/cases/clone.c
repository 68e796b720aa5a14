/* SPDX-License-Identifier: MIT */

/*
 * What does it cost to give another thread a handle, and to take it back?
 *
 * With raw epoll it is a duplicate of the descriptor, which lives as long as its holder: dup and close. Timed is the pair.
 */

#include "bench.h"
#include "peers/peer.h"

#include <fcntl.h>
#include <unistd.h>

static void raw_clone(struct bench_turn *turn, const struct bench_raw *raw) {
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < BENCH_CALLS; ++i) {
                        int fd = fcntl(raw->set, F_DUPFD_CLOEXEC, 0);

                        require(fd >= 0 && close(fd) == 0, "dup and close");
                }
                bench_end(turn, BENCH_CALLS);
        }
}

static void weir_clone(struct bench_turn *turn, const struct bench_weir *weir) {
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < BENCH_CALLS; ++i) {
                        struct weir_registry *clone = weir_registry_clone(weir->registry);

                        require(clone, "weir_registry_clone");
                        weir_registry_release(clone);
                }
                bench_end(turn, BENCH_CALLS);
        }
}

static bool peer_clone(struct bench_turn *turn, const struct peer *peer, void *loop) {
        if (!peer->clone)
                return false;
        while (bench_round(turn)) {
                bench_begin(turn);
                peer->clone(loop, BENCH_CALLS);
                bench_end(turn, BENCH_CALLS);
        }
        return true;
}

const struct bench_case clone_cases[] = {
        { .name = "clone",
          .baseline = "dup, close",
          .kind = BENCH_NOTHING,
          .threads = 1,
          .target = 0.03,
          .raw = raw_clone,
          .weir = weir_clone,
          .peer = peer_clone },
        { 0 },
};
