/* SPDX-License-Identifier: MIT */

/*
 * What does it cost to replace the token of a registration, as one does that moves a connection to another owner?
 *
 * Raw epoll has EPOLL_CTL_MOD for it. Timed are the calls alone, over all descriptors, none of them ready. Whether the new
 * token comes back is looked at after the last round.
 */

#include "bench.h"

static void raw_retoken(struct bench_turn *turn, const struct bench_raw *raw) {
        raw_add_all(raw, turn->on, EPOLLIN | EPOLLET);
        while (bench_round(turn)) {
                bench_begin(turn);
                raw_modify_all(raw, turn->on, EPOLLIN | EPOLLET);
                bench_end(turn, turn->on->n);
        }
        bench_signal_all(turn->on);
        raw_take_all(raw, turn->on, false);
        raw_remove_all(raw, turn->on);
        bench_drain_all(turn->on);
}

static void weir_retoken_turn(struct bench_turn *turn, const struct bench_weir *weir) {
        const struct bench_descriptors *on = turn->on;

        for (size_t i = 0; i < on->n; ++i)
                require(weir_register(weir->registry, on->fds[i], UINT64_MAX, WEIR_READABLE) == 0, "weir_register");
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < on->n; ++i)
                        require(weir_retoken(weir->registry, on->mixed[i], (weir_token)on->mixed[i]) == 0,
                                "weir_retoken");
                bench_end(turn, on->n);
        }
        bench_signal_all(on);
        weir_take_all(weir, on, false);
        weir_remove_all(weir, on);
        bench_drain_all(on);
}

const struct bench_case retoken_cases[] = {
        { .name = "retoken",
          .baseline = "EPOLL_CTL_MOD",
          .kind = BENCH_EVENTFDS,
          .threads = 1,
          .target = 0.06,
          .raw = raw_retoken,
          .weir = weir_retoken_turn },
        { 0 },
};
