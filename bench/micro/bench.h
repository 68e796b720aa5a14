/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a case of weir-bench is made of. A case does one thing on raw epoll, on weir, and on what other libraries are there.
 * Each of these is a side. A lap is one side doing the thing, on a loop made for it, with the same descriptors in the same
 * state as every other side has them; the harness, run.c, runs the laps of all sides one after another, again and again,
 * and looks only at ratios of laps that ran next to each other.
 *
 * A lap goes round several times, so that the clock costs nothing; the first round warms up and is not counted:
 *
 *         prepare(...);
 *         while (bench_round(turn)) {
 *                 bench_signal_all(turn->on);
 *                 bench_begin(turn);
 *                 ... what is timed ...
 *                 bench_end(turn, turn->on->n);
 *         }
 *         undo(...);
 *
 * Nothing may be left registered or readable at the end. Every result is checked: a case that does not do its work ends the
 * program, it prints no figure.
 */

#include <weir/weir.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How many events one wait may fetch, on every side. */
#define BENCH_BATCH 1024

/* How often a case without descriptors does its thing in one round. */
#define BENCH_CALLS 1000

struct bench_case;
struct peer;

/* ---------------------------------------------------------------- descriptors */

enum bench_kind {
        BENCH_NOTHING,  /* the case has no use for any */
        BENCH_EVENTFDS, /* each readable after a write to itself */
        BENCH_STREAMS,  /* Unix stream sockets; the other ends are not watched */
        BENCH_TIMERS,   /* none, but as many timers as there would be descriptors */
};

/* Descriptors to watch; their tokens are their numbers. Not readable between two laps. */
struct bench_descriptors {
        enum bench_kind kind;
        size_t n;     /* how many, or BENCH_CALLS */
        int *fds;     /* shuffled: the order in which they are registered */
        int *mixed;   /* shuffled once more: the order in which they become ready, are changed and removed */
        int *ends;    /* where to write so that mixed[i] becomes readable */
        uint64_t sum; /* of the numbers */
};

/* What signal_all() writes to each, and a buffer that is larger, so that a read shows that there is no more. */
#define BENCH_MESSAGE 8
#define BENCH_BUFFER  64

/* Makes one of them readable. */
void bench_signal(const struct bench_descriptors *on, size_t i);
/* Makes all of them readable, in the order of mixed. */
void bench_signal_all(const struct bench_descriptors *on);
/* Reads one message; and once more to -EAGAIN, if drain. */
void bench_read(int fd, bool drain);
/* Reads whatever all of them hold. */
void bench_drain_all(const struct bench_descriptors *on);

/* ---------------------------------------------------------------- sides */

struct bench_raw {
        int set;
        struct epoll_event *events; /* BENCH_BATCH */
};

struct bench_weir {
        struct weir_poll *poll;
        struct weir_registry *registry;
        struct weir_events *events; /* BENCH_BATCH */
};

void raw_add_all(const struct bench_raw *raw, const struct bench_descriptors *on, uint32_t events);
void raw_modify_all(const struct bench_raw *raw, const struct bench_descriptors *on, uint32_t events);
void raw_remove_all(const struct bench_raw *raw, const struct bench_descriptors *on);
/*
 * Takes an event of each; all are ready. Returns how many came: some may come again in the last batch if they are
 * level-triggered, otherwise each must come once.
 */
size_t raw_take_all(const struct bench_raw *raw, const struct bench_descriptors *on, bool level);

void weir_add_all(const struct bench_weir *weir, const struct bench_descriptors *on, weir_interest interest);
void weir_modify_all(const struct bench_weir *weir, const struct bench_descriptors *on, weir_interest interest);
void weir_remove_all(const struct bench_weir *weir, const struct bench_descriptors *on);
size_t weir_take_all(const struct bench_weir *weir, const struct bench_descriptors *on, bool level);

/* ---------------------------------------------------------------- laps */

/* One lap: the round it is in, and what was counted so far. */
struct bench_turn {
        const struct bench_case *what;
        const struct bench_descriptors *on;
        size_t rounds, round;
        int64_t clock_cost; /* of reading the clock, in nanoseconds: taken off each span */
        int64_t began;
        double ns;
        uint64_t operations;
};

/* xorshift64: the same numbers in every run. The state is not 0. */
static inline uint64_t bench_random(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

/* Ends the program, if it is not so. */
void bench_fail(const char *what) __attribute__((noreturn));

static inline void require(bool holds, const char *what) {
        if (__builtin_expect(!holds, 0))
                bench_fail(what);
}

static inline int64_t bench_now(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline bool bench_round(struct bench_turn *turn) {
        return turn->round++ <= turn->rounds;
}

static inline void bench_begin(struct bench_turn *turn) {
        turn->began = bench_now();
}

static inline void bench_end(struct bench_turn *turn, uint64_t operations) {
        int64_t ns = bench_now() - turn->began - turn->clock_cost;

        if (turn->round == 1)
                return;
        turn->ns += (double)ns;
        turn->operations += operations;
}

/* Adds what the case measured itself, in place of a span. */
static inline void bench_add(struct bench_turn *turn, double ns, uint64_t operations) {
        turn->ns += ns;
        turn->operations += operations;
}

/* Looks at one event, as a handler must, so that a compiler cannot take all of a batch together. */
static inline void bench_use(uint64_t token, uint32_t readiness) {
        __asm__ volatile("" : : "r"(token), "r"(readiness));
}

/* ---------------------------------------------------------------- cases */

struct bench_case {
        const char *name;
        const char *baseline; /* what raw epoll does */
        enum bench_kind kind; /* BENCH_NOTHING: of one size */
        unsigned threads;     /* that work at the same time; a suffix of the name where it varies */
        unsigned variant;     /* tells cases apart that share their functions */
        bool bytes;           /* it measures memory, which raw epoll needs none of: no ratio */
        double target;        /* the ratio to reach; 0: none */
        double target_many;   /* the same above 1,000 descriptors; 0: target holds */
        void (*raw)(struct bench_turn *turn, const struct bench_raw *raw);
        void (*weir)(struct bench_turn *turn, const struct bench_weir *weir);
        /* False, and nothing done, if the peer cannot do that. NULL: no peer can. */
        bool (*peer)(struct bench_turn *turn, const struct peer *peer, void *loop);
};

/* Every table of cases ends with one without a name. */
extern const struct bench_case churn_cases[], clone_cases[], deadline_cases[], defer_cases[], dispatch_cases[],
        latency_cases[], memory_cases[], oneshot_cases[], one_cases[], pingpong_cases[], register_cases[],
        retoken_cases[], trigger_cases[], wake_cases[];

#ifdef __cplusplus
}
#endif
