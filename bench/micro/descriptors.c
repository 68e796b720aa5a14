/* SPDX-License-Identifier: MIT */

/*
 * The descriptors of a case. They are opened once for all sides, and shuffled twice with a fixed seed: a server's descriptors
 * become ready in an order that has nothing to do with their numbers nor with when they were registered, and whoever keeps
 * something per descriptor pays for that in cache misses.
 */

#include "descriptors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Standard streams, the loops of a lap, and what libraries open beside. */
#define SPARE 64

size_t descriptors_limit(void) {
        struct rlimit limit;

        require(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
        limit.rlim_cur = limit.rlim_max;
        require(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
        return limit.rlim_cur;
}

size_t descriptors_needed(enum bench_kind kind, size_t n) {
        switch (kind) {
        case BENCH_EVENTFDS:
                return n + SPARE;
        case BENCH_STREAMS:
                return 2 * n + SPARE;
        case BENCH_NOTHING:
        case BENCH_TIMERS:
                break;
        }
        return SPARE;
}

/* Shuffles both arrays the same way. */
static void shuffle(int *a, int *b, size_t n, uint64_t seed) {
        for (size_t i = n; i > 1; --i) {
                size_t j = bench_random(&seed) % i;
                int x = a[i - 1], y = b[i - 1];

                a[i - 1] = a[j];
                b[i - 1] = b[j];
                a[j] = x;
                b[j] = y;
        }
}

void descriptors_open(struct bench_descriptors *on, enum bench_kind kind, size_t n) {
        *on = (struct bench_descriptors){ .kind = kind, .n = n };
        if (kind == BENCH_NOTHING || kind == BENCH_TIMERS)
                return;
        on->fds = calloc(n, sizeof *on->fds);
        on->mixed = calloc(n, sizeof *on->mixed);
        on->ends = calloc(n, sizeof *on->ends);
        require(on->fds && on->mixed && on->ends, "memory for descriptors");
        for (size_t i = 0; i < n; ++i) {
                int pair[2];

                if (kind == BENCH_EVENTFDS) {
                        pair[0] = pair[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
                        require(pair[0] >= 0, "eventfd");
                } else
                        require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0,
                                "socketpair");
                on->mixed[i] = pair[0];
                on->ends[i] = pair[1];
                on->sum += (uint64_t)pair[0];
        }
        shuffle(on->mixed, on->ends, n, 1);
        memcpy(on->fds, on->mixed, n * sizeof *on->fds);
        shuffle(on->mixed, on->ends, n, 2);
}

void descriptors_close(struct bench_descriptors *on) {
        if (on->kind == BENCH_NOTHING || on->kind == BENCH_TIMERS)
                return;
        for (size_t i = 0; i < on->n; ++i) {
                close(on->mixed[i]);
                if (on->kind == BENCH_STREAMS)
                        close(on->ends[i]);
        }
        free(on->fds);
        free(on->mixed);
        free(on->ends);
}

void bench_signal(const struct bench_descriptors *on, size_t i) {
        static const uint64_t message = 1;

        require(write(on->ends[i], &message, BENCH_MESSAGE) == BENCH_MESSAGE, "write");
}

void bench_signal_all(const struct bench_descriptors *on) {
        for (size_t i = 0; i < on->n; ++i)
                bench_signal(on, i);
}

void bench_read(int fd, bool drain) {
        char buffer[BENCH_BUFFER];

        require(read(fd, buffer, sizeof buffer) == BENCH_MESSAGE, "read");
        if (drain)
                require(read(fd, buffer, sizeof buffer) < 0 && errno == EAGAIN, "read to -EAGAIN");
}

void bench_drain_all(const struct bench_descriptors *on) {
        char buffer[BENCH_BUFFER];

        for (size_t i = 0; i < on->n; ++i) {
                ssize_t n;

                do
                        n = read(on->mixed[i], buffer, sizeof buffer);
                while (n > 0);
                require(n < 0 && errno == EAGAIN, "read to -EAGAIN");
        }
}
