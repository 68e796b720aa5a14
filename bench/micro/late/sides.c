/* SPDX-License-Identifier: MIT */

/*
 * The sides. The kernel by itself is one timerfd in an epoll set, which is always set to the first moment of a sorted list: what
 * any library could have for one system call at each change of the first. weir has a waker with a deadline for each timer, the
 * peers what ../peers/peer.h has.
 */

#include "late.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define US INT64_C(1000)
#define S  INT64_C(1000000000)

/* What no timer has for a token. */
#define READY UINT64_MAX

struct late_side late_sides[LATE_SIDES];

/* ---------------------------------------------------------------- the kernel */

struct kernel {
        struct bench_raw raw;
        int timer;
        int64_t *due; /* of all, and from first on sorted, once anything was waited for */
        size_t first, n;
        bool sorted;
};

static int compare_moments(const void *a, const void *b) {
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

        return (x > y) - (x < y);
}

static void kernel_watch(const struct kernel *kernel, int fd, uint64_t token) {
        struct epoll_event event = { .events = EPOLLIN, .data.u64 = token };

        require(epoll_ctl(kernel->raw.set, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
}

static void kernel_open(struct late_loop *loop, int ready) {
        struct kernel *kernel = calloc(1, sizeof *kernel);

        require(kernel, "memory for a loop");
        kernel->raw.set = epoll_create1(EPOLL_CLOEXEC);
        kernel->raw.events = calloc(BENCH_BATCH, sizeof *kernel->raw.events);
        kernel->due = calloc(loop->n, sizeof *kernel->due);
        kernel->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        require(kernel->raw.set >= 0 && kernel->raw.events && kernel->due && kernel->timer >= 0, "epoll and a timerfd");
        kernel_watch(kernel, kernel->timer, 0);
        if (ready >= 0)
                kernel_watch(kernel, ready, READY);
        loop->state = kernel;
}

static void kernel_close(struct late_loop *loop) {
        struct kernel *kernel = loop->state;

        close(kernel->timer);
        close(kernel->raw.set);
        free(kernel->raw.events);
        free(kernel->due);
        free(kernel);
}

static void kernel_set(struct late_loop *loop, size_t i, int64_t delay) {
        struct kernel *kernel = loop->state;

        if (kernel->first == kernel->n)
                kernel->first = kernel->n = 0;
        kernel->due[i] = bench_now() + delay;
        ++kernel->n;
        kernel->sorted = false;
}

static void kernel_arm(const struct kernel *kernel) {
        int64_t moment = kernel->due[kernel->first];
        struct itimerspec at = { .it_value = { .tv_sec = moment / S, .tv_nsec = moment % S } };

        require(timerfd_settime(kernel->timer, TFD_TIMER_ABSTIME, &at, NULL) == 0, "timerfd_settime");
}

static size_t kernel_wait(struct late_loop *loop, int64_t *ret_now) {
        struct kernel *kernel = loop->state;
        bool expired = false;
        size_t before;
        int count;

        if (!kernel->sorted) {
                qsort(kernel->due, kernel->n, sizeof *kernel->due, compare_moments);
                kernel->sorted = true;
                kernel_arm(kernel);
        }
        count = epoll_wait(kernel->raw.set, kernel->raw.events, BENCH_BATCH, -1);
        *ret_now = bench_now();
        require(count > 0, "epoll_wait");
        for (int i = 0; i < count; ++i)
                expired |= kernel->raw.events[i].data.u64 != READY;
        if (!expired)
                return 0;
        before = kernel->first;
        while (kernel->first < kernel->n && kernel->due[kernel->first] <= *ret_now)
                ++kernel->first;
        require(kernel->first > before, "a timerfd that is not early");
        if (kernel->first < kernel->n) {
                kernel_arm(kernel); /* which takes the readiness away, too */
        } else {
                uint64_t times;

                require(read(kernel->timer, &times, sizeof times) == sizeof times, "read of the timerfd");
        }
        return kernel->first - before;
}

/* ---------------------------------------------------------------- weir */

struct ours {
        struct bench_weir weir;
        struct weir_waker **wakers;
        int64_t *due;
        int ready;
};

static void weir_open(struct late_loop *loop, int ready) {
        struct ours *ours = calloc(1, sizeof *ours);

        require(ours, "memory for a loop");
        require(weir_poll_create(&ours->weir.poll) == 0, "weir_poll_create");
        require(weir_events_create(BENCH_BATCH, &ours->weir.events) == 0, "weir_events_create");
        ours->weir.registry = weir_poll_registry(ours->weir.poll);
        ours->wakers = calloc(loop->n, sizeof(struct weir_waker *));
        ours->due = calloc(loop->n, sizeof *ours->due);
        require(ours->wakers && ours->due, "memory for wakers");
        for (size_t i = 0; i < loop->n; ++i)
                require(weir_waker_create(ours->weir.registry, i, &ours->wakers[i]) == 0, "weir_waker_create");
        ours->ready = ready;
        if (ready >= 0)
                require(weir_register(ours->weir.registry, ready, READY, WEIR_READABLE | WEIR_LEVEL) == 0,
                        "weir_register");
        loop->state = ours;
}

static void weir_close(struct late_loop *loop) {
        struct ours *ours = loop->state;

        for (size_t i = 0; i < loop->n; ++i)
                weir_waker_destroy(ours->wakers[i]);
        if (ours->ready >= 0)
                require(weir_deregister(ours->weir.registry, ours->ready) == 0, "weir_deregister");
        weir_events_destroy(ours->weir.events);
        weir_poll_destroy(ours->weir.poll);
        free(ours->wakers);
        free(ours->due);
        free(ours);
}

static void weir_set(struct late_loop *loop, size_t i, int64_t delay) {
        struct ours *ours = loop->state;

        ours->due[i] = weir_now() + delay;
        require(weir_waker_set_deadline(ours->wakers[i], ours->due[i]) == 0, "weir_waker_set_deadline");
}

static size_t weir_wait(struct late_loop *loop, int64_t *ret_now) {
        struct ours *ours = loop->state;
        struct weir_event event;
        size_t seen = 0;

        require(weir_poll_wait(ours->weir.poll, ours->weir.events, NULL) > 0, "weir_poll_wait");
        *ret_now = bench_now();
        while (weir_events_next(ours->weir.events, &event)) {
                if (event.token == READY)
                        continue;
                require(weir_event_is_timeout(&event), "a timeout");
                loop->early += *ret_now < ours->due[event.token];
                ++seen;
        }
        return seen;
}

/* ---------------------------------------------------------------- peers */

struct theirs {
        void *loop;
        int64_t *delays; /* one is written at a time */
        int ready;
};

static void peer_open(struct late_loop *loop, int ready) {
        const struct peer *peer = loop->side->peer;
        struct theirs *theirs = calloc(1, sizeof *theirs);

        require(theirs, "memory for a loop");
        theirs->delays = calloc(loop->n, sizeof *theirs->delays);
        require(theirs->delays, "memory for delays");
        theirs->loop = peer->create(1024);
        theirs->ready = ready;
        peer->timers(theirs->loop, loop->n);
        if (ready >= 0)
                peer->level(theirs->loop, &theirs->ready, 1);
        loop->state = theirs;
}

static void peer_close(struct late_loop *loop) {
        const struct peer *peer = loop->side->peer;
        struct theirs *theirs = loop->state;

        if (theirs->ready >= 0)
                peer->remove(theirs->loop, &theirs->ready, 1);
        peer->timers_end(theirs->loop);
        peer->destroy(theirs->loop);
        free(theirs->delays);
        free(theirs);
}

static void peer_set(struct late_loop *loop, size_t i, int64_t delay) {
        struct theirs *theirs = loop->state;

        theirs->delays[i] = delay;
        loop->side->peer->timers_set(theirs->loop, theirs->delays, i, 1);
}

/* What is always ready comes in every turn, once. */
static size_t peer_wait(struct late_loop *loop, int64_t *ret_now) {
        struct theirs *theirs = loop->state;
        size_t seen = loop->side->peer->wait(theirs->loop, true);

        *ret_now = bench_now();
        if (theirs->ready < 0)
                return seen;
        require(seen > 0, "an event of what is always ready");
        return seen - 1;
}

/* ---------------------------------------------------------------- all of them */

void late_find_sides(void) {
        size_t n = 0;

        late_sides[n++] =
                (struct late_side){ "timerfd", NULL, true, kernel_open, kernel_set, kernel_wait, kernel_close };
        late_sides[n++] = (struct late_side){ "weir", NULL, true, weir_open, weir_set, weir_wait, weir_close };
        for (size_t i = 0; peers[i]; ++i) {
                if (!peers[i]->timers)
                        continue;
                require(n + 1 < LATE_SIDES, "room for the sides");
                late_sides[n++] = (struct late_side){ peers[i]->name, peers[i],  peers[i]->level, peer_open,
                                                      peer_set,       peer_wait, peer_close };
        }
}

struct late_loop late_open(const struct late_side *side, size_t n, int ready) {
        struct late_loop loop = { .side = side, .n = n };

        side->open(&loop, ready);
        return loop;
}

void late_close(struct late_loop *loop) {
        loop->side->close(loop);
}

/* Some count whole microseconds: then it is no fault of theirs that the rest is lost. */
int64_t late_set(struct late_loop *loop, size_t i, int64_t delay) {
        int64_t rounded = (delay + US - 1) / US * US, now = bench_now();

        loop->side->set(loop, i, rounded);
        return now + rounded;
}

size_t late_wait(struct late_loop *loop, int64_t *ret_now) {
        return loop->side->wait(loop, ret_now);
}
