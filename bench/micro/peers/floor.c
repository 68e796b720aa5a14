/* SPDX-License-Identifier: MIT */

/*
 * No library, but the least that one does which can tell stale events from others while any thread may end a registration: raw
 * epoll and a word for each descriptor. The word is locked and unlocked around each epoll_ctl(2), an unlock counts it up, and
 * each event is held against the count that its registration had. A wake is one step of a word, and a system call only if the
 * former wake was seen; a handle is a count. Each of these is a call, as it is of a library. It promises less than weir and
 * checks no argument: what it costs over raw epoll bounds what such a library can cost.
 */

#include "peer.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOCKED 1u
#define COUNT  2u

/* Of what a library's caller calls. */
#define CALLED __attribute__((noinline))

/* How many events ahead a word is brought into the cache. */
#define AHEAD 4

struct entry {
        _Atomic(uint32_t) word;
        _Atomic(uint64_t) token;
};

struct loop {
        struct entry *entries; /* by descriptor */
        size_t max_fd, seen;
        int count, cursor; /* of the events */
        int set, eventfd;
        atomic_bool woken; /* and not seen */
        _Atomic(uint32_t) handles;
        struct epoll_event events[BENCH_BATCH];
};

static uint32_t lock(struct entry *entry) {
        uint32_t word = atomic_load_explicit(&entry->word, memory_order_relaxed);

        do
                word &= ~LOCKED;
        while (!atomic_compare_exchange_weak_explicit(&entry->word, &word, word | LOCKED, memory_order_acquire,
                                                      memory_order_relaxed));
        return word;
}

static void unlock(struct entry *entry) {
        /* It takes a read-modify-write: in a library others change the word, too, though it is locked. */
        atomic_fetch_add_explicit(&entry->word, COUNT - LOCKED, memory_order_release);
}

/* One call, with the count that its event will bear in the upper half of the data. */
static CALLED void control(struct loop *loop, int op, int fd, uint32_t events) {
        struct entry *entry = &loop->entries[fd];
        uint32_t count = lock(entry) + COUNT;
        struct epoll_event event = { .events = events, .data.u64 = (uint64_t)count << 32 | (uint32_t)fd };

        require(epoll_ctl(loop->set, op, fd, &event) == 0, "epoll_ctl");
        if (op != EPOLL_CTL_DEL)
                atomic_store_explicit(&entry->token, (uint64_t)fd, memory_order_relaxed);
        unlock(entry);
}

static void *create(int max_fd) {
        struct loop *loop = calloc(1, sizeof *loop);
        struct epoll_event event = { .events = EPOLLIN | EPOLLET };

        require(loop, "memory for a loop");
        loop->max_fd = (size_t)max_fd;
        loop->entries = peer_map(loop->max_fd, sizeof *loop->entries);
        loop->set = epoll_create1(EPOLL_CLOEXEC);
        loop->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        require(loop->set >= 0 && loop->eventfd >= 0, "an epoll set and an eventfd");
        event.data.u64 = (uint32_t)loop->eventfd;
        require(epoll_ctl(loop->set, EPOLL_CTL_ADD, loop->eventfd, &event) == 0, "EPOLL_CTL_ADD");
        return loop;
}

static void destroy(void *data) {
        struct loop *loop = data;

        close(loop->eventfd);
        close(loop->set);
        peer_unmap(loop->entries, loop->max_fd, sizeof *loop->entries);
        free(loop);
}

static void edge(void *data, const int *fds, size_t n) {
        for (size_t i = 0; i < n; ++i)
                control(data, EPOLL_CTL_ADD, fds[i], EPOLLIN | EPOLLET);
}

static void level(void *data, const int *fds, size_t n) {
        for (size_t i = 0; i < n; ++i)
                control(data, EPOLL_CTL_ADD, fds[i], EPOLLIN);
}

static void modify(void *data, const int *fds, size_t n) {
        for (size_t i = 0; i < n; ++i)
                control(data, EPOLL_CTL_MOD, fds[i], EPOLLIN | EPOLLET);
}

static void remove_all(void *data, const int *fds, size_t n) {
        for (size_t i = 0; i < n; ++i)
                control(data, EPOLL_CTL_DEL, fds[i], 0);
}

static struct entry *entry_of(struct loop *loop, int i) {
        return &loop->entries[(uint32_t)loop->events[i].data.u64];
}

/* The next event that is not stale. Returns whether there is one. */
static CALLED bool next(struct loop *loop, uint64_t *ret_token, uint32_t *ret_events) {
        while (loop->cursor < loop->count) {
                int i = loop->cursor++;
                struct entry *entry = entry_of(loop, i);

                if (i + AHEAD < loop->count)
                        __builtin_prefetch(entry_of(loop, i + AHEAD));
                if (atomic_load_explicit(&entry->word, memory_order_acquire) != loop->events[i].data.u64 >> 32)
                        continue;
                if ((uint32_t)loop->events[i].data.u64 == (uint32_t)loop->eventfd)
                        atomic_store_explicit(&loop->woken, false, memory_order_seq_cst);
                *ret_token = atomic_load_explicit(&entry->token, memory_order_relaxed);
                *ret_events = loop->events[i].events;
                return true;
        }
        return false;
}

/* Calls the function, if there is one, for each event. */
static void take(struct loop *loop, int timeout, void (*handler)(void *data), void *data) {
        uint64_t token;
        uint32_t events;

        loop->count = epoll_wait(loop->set, loop->events, BENCH_BATCH, timeout);
        require(loop->count >= 0, "epoll_wait");
        for (loop->cursor = 0; next(loop, &token, &events); ++loop->seen)
                if (handler)
                        handler(data);
                else
                        bench_use(token, events);
}

static size_t wait_once(void *data, bool block) {
        struct loop *loop = data;

        loop->seen = 0;
        take(loop, block ? -1 : 0, NULL, NULL);
        return loop->seen;
}

static void serve(void *data, void (*handler)(void *data), void *with) {
        take(data, -1, handler, with);
}

static CALLED void wake_once(struct loop *loop) {
        if (!atomic_exchange_explicit(&loop->woken, true, memory_order_acq_rel))
                require(eventfd_write(loop->eventfd, 1) == 0, "eventfd_write");
}

static void wake(void *data, size_t times) {
        for (size_t i = 0; i < times; ++i)
                wake_once(data);
}

static CALLED void ref(struct loop *loop) {
        atomic_fetch_add_explicit(&loop->handles, 1, memory_order_relaxed);
}

static CALLED void unref(struct loop *loop) {
        atomic_fetch_sub_explicit(&loop->handles, 1, memory_order_acq_rel);
}

static void clone(void *data, size_t times) {
        for (size_t i = 0; i < times; ++i) {
                ref(data);
                unref(data);
        }
}

static const char *version(void) {
        return "on epoll";
}

const struct peer peer_floor = {
        .name = "floor",
        .note = "no library, but raw epoll with one word for each descriptor, which is locked and unlocked around each "
                "epoll_ctl and looked at for each event; a wake is a step of a word while another is unseen, a handle "
                "a count",
        .version = version,
        .create = create,
        .destroy = destroy,
        .add = edge,
        .edge = edge,
        .level = level,
        .modify = modify,
        .remove = remove_all,
        .wait = wait_once,
        .wake = wake,
        .clone = clone,
        .threads = true,
        .serve = serve,
};
