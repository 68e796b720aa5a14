/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_SUPPORT_H
#define WEIR_TESTS_SUPPORT_H

/*
 * What the cases share: a poll per case, a watchdog, descriptors to watch, threads that report, children that report.
 *
 * Only the main thread asserts; a cmocka assertion on another thread ends the program without a message. Threads and
 * children use REQUIRE(), which returns the line that failed, and the main thread asserts that it got 0.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/weir.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

/* Long enough for a loaded machine; no case passes or fails by being fast. */
#define DEADLINE_MS 30000
#define BATCH       64

/* The token of the waker that shows that nothing else came. */
#define TOKEN_SILENCE UINT64_C(0x5113ece)

/* The greatest second that a time_t holds. */
#define TIME_MAX (sizeof(time_t) == 8 ? (time_t)INT64_MAX : (time_t)INT32_MAX)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* In a thread or a child: give the failing line back. */
#define REQUIRE(expr)                    \
        do {                             \
                if (!(expr))             \
                        return __LINE__; \
        } while (0)

/* ---------------------------------------------------------------- fixture */

struct fixture {
        struct weir_poll *poll;
        struct weir_registry *registry; /* borrowed from poll */
        struct weir_events *events;     /* BATCH wide */
        unsigned open_before;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* A case with a poll of its own; descriptors must be as many after it as before it. */
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

/* Ends the fixture's poll within the case. */
void fixture_end_poll(struct fixture *fx);

unsigned count_descriptors(void);
int lowest_free_descriptor(void);
/* Leaves room for so many descriptors more. What was before is to be restored. */
void leave_room(unsigned room, struct rlimit *ret_before);
void restore_room(const struct rlimit *before);
uint64_t now_ns(void);

/* ---------------------------------------------------------------- descriptors */

/* All are non-blocking and close-on-exec. */
void make_pipe(int ret_fds[2]);
void make_socketpair(int ret_fds[2]);
void make_tcp_pair(int ret_fds[2]);
int make_eventfd(unsigned initial);

void put(int fd);     /* writes one byte */
void ring(int fd);    /* adds one to an eventfd */
size_t drain(int fd); /* reads to -EAGAIN or the end, returns the bytes */
size_t fill(int fd);  /* writes to -EAGAIN, returns the bytes */
bool at_end(int fd);  /* whether a read meets the end */
void close_pair(int fds[2]);

/* Puts fd on the number, which need not be free, and closes the old number of fd. */
void move_descriptor(int fd, int number);

/* Whether poll(2) calls fd readable within the time. */
bool polls_readable(int fd, int timeout_ms);

/* ---------------------------------------------------------------- events */

/* timeout_ms < 0 is for ever. */
int wait_ms(struct weir_poll *poll, struct weir_events *events, int timeout_ms);

/* One wait; reads out all and closes the batch. Returns how many were handed out, or the negative errno. */
int collect(struct weir_poll *poll, struct weir_events *events, int timeout_ms, struct weir_event *ret_got, int max);

/* As collect(), but adds up per token. -ERANGE for a token that has no counter. */
int tally(struct weir_poll *poll, struct weir_events *events, int timeout_ms, unsigned *counts, unsigned n_counts);

/* Reads out an open batch into counters without closing it. */
int tally_batch(struct weir_events *events, unsigned *counts, unsigned n_counts);

/* The main thread asserts: a wait that fetches exactly n and leaves them in the batch. */
void fetch(struct fixture *fx, int n);

/* The main thread asserts: the next wait hands out this token, once, and nothing else. */
struct weir_event expect_one(struct fixture *fx, weir_token token);

/* As expect_one(), but reads the open batch first and lets the event come in any of the next waits. */
struct weir_event expect_soon(struct fixture *fx, weir_token token);

/* The main thread asserts: a fresh waker comes out alone, and then nothing. */
void expect_silence(struct fixture *fx);

/* The main thread asserts: nothing is left in the open batch. */
void expect_drained_batch(struct fixture *fx);

struct weir_stats stats_of(struct weir_registry *registry);

/* ---------------------------------------------------------------- deferred functions */

struct note {
        struct weir_deferred node;
        atomic_int runs;
        pthread_t ran_on;
};

/* Counts a run and remembers the thread. */
void note_run(struct weir_deferred *node);
int note_runs(struct note *note);

/* ---------------------------------------------------------------- threads */

struct worker {
        pthread_t thread;
        int (*fn)(void *arg);
        void *arg;
        int result;
        atomic_int tid;
        atomic_bool done;
};

void worker_start(struct worker *worker, int (*fn)(void *arg), void *arg);
int worker_join(struct worker *worker);

/* Yields until the thread sleeps in the kernel; gives up after a while, so it proves nothing alone. */
void worker_settle(struct worker *worker);
bool worker_done_within(struct worker *worker, int timeout_ms);

struct latch {
        atomic_int value;
};

void latch_set(struct latch *latch);
void latch_wait(struct latch *latch);
bool latch_is_set(struct latch *latch);
bool latch_within(struct latch *latch, int timeout_ms);

/* Yields until *value is at least goal, without ordering anything; false after the time, or after DEADLINE_MS. */
bool reached_within(atomic_int *value, int goal, int timeout_ms);
bool reached(atomic_int *value, int goal);

void barrier_make(pthread_barrier_t *barrier, unsigned count);
void barrier_pass(pthread_barrier_t *barrier);

/* A thread that makes one endless wait and collects what it returns. */
struct waiter {
        struct worker worker;
        struct weir_poll *poll;
        struct weir_events *events;
        struct weir_event got[BATCH];
};

/* Returns when the thread is inside the wait for sure. Nothing may be ready in the poll at that moment. */
void waiter_start(struct waiter *waiter, struct weir_poll *poll);

/* What collect() returned on that thread. */
int waiter_join(struct waiter *waiter);

/* ---------------------------------------------------------------- children */

/* Runs fn in a forked child and returns what it returned (0 to 255), or -1 if it died. Large lines are cut to 255. */
int run_child(int (*fn)(void *arg), void *arg);

#endif
