/* SPDX-License-Identifier: MIT */

/*
 * How much memory does a registration take, in the process?
 *
 * Counted are the anonymous pages that are there after all descriptors were registered and were not before, as the kernel tells
 * in /proc/self/smaps_rollup: tables, lists, and the objects that a library wants its user to keep for each descriptor.
 * Free memory goes back to the kernel before, so that it is counted when it comes into use. Raw epoll needs none; the
 * kernel's own share is the same for everybody, and not counted. With few descriptors one sees whole pages, not registrations.
 *
 *   memory           a registration
 *   memory-deadline  a registration with a deadline, or with a timeout, or with a timer beside it
 */

#include "bench.h"
#include "peers/peer.h"

#include <malloc.h>
#include <stdio.h>
#include <sys/prctl.h>

enum { ALONE, WITH_DEADLINE };

static double anonymous_bytes(void) {
        FILE *file = fopen("/proc/self/smaps_rollup", "re");
        unsigned long long kilobytes;
        bool found = false;
        char line[256];

        require(file, "opening /proc/self/smaps_rollup");
        while (!found && fgets(line, sizeof line, file))
                found = sscanf(line, "Anonymous: %llu kB", &kilobytes) == 1;
        fclose(file);
        require(found, "reading /proc/self/smaps_rollup");
        return 1024.0 * (double)kilobytes;
}

/* What is there before. Huge pages would count for what they could hold. */
static double before(void) {
        require(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0, "PR_SET_THP_DISABLE");
#ifdef __GLIBC__
        malloc_trim(0);
#endif
        return anonymous_bytes();
}

static void after(struct bench_turn *turn, double bytes) {
        bench_add(turn, anonymous_bytes() - bytes, turn->on->n);
        require(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) == 0, "PR_SET_THP_DISABLE");
}

static void raw_turn(struct bench_turn *turn, const struct bench_raw *raw) {
        double bytes = before();

        raw_add_all(raw, turn->on, EPOLLIN | EPOLLET);
        after(turn, bytes);
        raw_remove_all(raw, turn->on);
}

static void weir_turn(struct bench_turn *turn, const struct bench_weir *weir) {
        double bytes = before();

        weir_add_all(weir, turn->on, WEIR_READABLE);
        for (size_t i = 0; turn->what->variant == WITH_DEADLINE && i < turn->on->n; ++i)
                require(weir_set_deadline(weir->registry, turn->on->mixed[i], weir_now() + 60 * INT64_C(1000000000)) ==
                                0,
                        "weir_set_deadline");
        after(turn, bytes);
        weir_remove_all(weir, turn->on);
}

static bool peer_turn(struct bench_turn *turn, const struct peer *peer, void *loop) {
        double bytes = before();

        if (turn->what->variant == WITH_DEADLINE && !peer->idle)
                return false;
        peer->add(loop, turn->on->fds, turn->on->n);
        if (turn->what->variant == WITH_DEADLINE)
                peer->idle(loop, turn->on->mixed, turn->on->n, 60 * INT64_C(1000000000));
        after(turn, bytes);
        peer->remove(loop, turn->on->mixed, turn->on->n);
        return true;
}

const struct bench_case memory_cases[] = {
        { .name = "memory",
          .baseline = "nothing: bytes",
          .kind = BENCH_EVENTFDS,
          .threads = 1,
          .bytes = true,
          .target = 32,
          .raw = raw_turn,
          .weir = weir_turn,
          .peer = peer_turn },
        { .name = "memory-deadline",
          .baseline = "nothing: bytes",
          .kind = BENCH_EVENTFDS,
          .threads = 1,
          .variant = WITH_DEADLINE,
          .bytes = true,
          .target = 64,
          .raw = raw_turn,
          .weir = weir_turn,
          .peer = peer_turn },
        { 0 },
};
