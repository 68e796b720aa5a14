/* SPDX-License-Identifier: MIT */

/*
 * libev, on epoll. A loop belongs to one thread; only ev_async_send() may come from another. It puts off its system calls until
 * the loop comes round, so each function ends with a turn of it. The kernel is never told of an end: closing does that.
 */

#include "peer.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>

struct loop {
        struct ev_loop *loop;
        ev_io *watchers; /* by descriptor */
        ev_async wake;
        ev_timer *timers; /* of timers() */
        ev_timer *idle;   /* by descriptor, from the first idle() on */
        size_t max_fd, n_timers, seen;
};

static void on_event(struct ev_loop *ev, ev_io *watcher, int events) {
        struct loop *loop = ev_userdata(ev);

        bench_use((uint64_t)watcher->fd, (uint32_t)events);
        ++loop->seen;
}

static void on_wake(struct ev_loop *ev, ev_async *wake, int events) {
        struct loop *loop = ev_userdata(ev);

        (void)wake;
        (void)events;
        ++loop->seen;
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events) {
        struct loop *loop = ev_userdata(ev);

        (void)events;
        ev_timer_stop(ev, timer); /* it would repeat */
        ++loop->seen;
}

static void *create(int max_fd) {
        struct loop *loop = calloc(1, sizeof *loop);

        require(loop, "memory for a loop");
        loop->max_fd = (size_t)max_fd;
        loop->watchers = peer_map(loop->max_fd, sizeof *loop->watchers);
        loop->loop = ev_loop_new(EVBACKEND_EPOLL);
        require(loop->loop, "ev_loop_new");
        ev_set_userdata(loop->loop, loop);
        ev_async_init(&loop->wake, on_wake);
        ev_async_start(loop->loop, &loop->wake);
        return loop;
}

static void destroy(void *data) {
        struct loop *loop = data;

        ev_async_stop(loop->loop, &loop->wake);
        ev_loop_destroy(loop->loop);
        peer_unmap(loop->watchers, loop->max_fd, sizeof *loop->watchers);
        if (loop->idle)
                peer_unmap(loop->idle, loop->max_fd, sizeof *loop->idle);
        free(loop);
}

static void add(void *data, const int *fds, size_t n) {
        struct loop *loop = data;

        for (size_t i = 0; i < n; ++i) {
                ev_io *watcher = &loop->watchers[fds[i]];

                ev_io_init(watcher, on_event, fds[i], EV_READ);
                ev_io_start(loop->loop, watcher);
        }
        ev_run(loop->loop, EVRUN_NOWAIT);
}

static void modify(void *data, const int *fds, size_t n) {
        struct loop *loop = data;

        for (size_t i = 0; i < n; ++i) {
                ev_io *watcher = &loop->watchers[fds[i]];

                ev_io_stop(loop->loop, watcher);
                ev_io_set(watcher, fds[i], EV_READ);
                ev_io_start(loop->loop, watcher);
        }
        ev_run(loop->loop, EVRUN_NOWAIT);
}

static void remove_all(void *data, const int *fds, size_t n) {
        struct loop *loop = data;

        for (size_t i = 0; i < n; ++i) {
                ev_io_stop(loop->loop, &loop->watchers[fds[i]]);
                if (loop->idle)
                        ev_timer_stop(loop->loop, &loop->idle[fds[i]]);
        }
        ev_run(loop->loop, EVRUN_NOWAIT);
}

static void timers(void *data, size_t n) {
        struct loop *loop = data;

        loop->n_timers = n;
        loop->timers = peer_map(n, sizeof *loop->timers);
        for (size_t i = 0; i < n; ++i)
                ev_timer_init(&loop->timers[i], on_timer, 0, 0);
}

static void timers_stop(void *data, size_t n) {
        struct loop *loop = data;

        for (size_t i = 0; i < n; ++i)
                ev_timer_stop(loop->loop, &loop->timers[i]);
}

static void timers_end(void *data) {
        struct loop *loop = data;

        timers_stop(loop, loop->n_timers);
        peer_unmap(loop->timers, loop->n_timers, sizeof *loop->timers);
}

/* ev_timer_again() is what moves one that is set. */
static void timers_set(void *data, const int64_t *delays, size_t first, size_t n) {
        struct loop *loop = data;

        ev_now_update(loop->loop);
        for (size_t i = first; i < first + n; ++i) {
                loop->timers[i].repeat = 1e-9 * (double)delays[i] + 1e-9;
                ev_timer_again(loop->loop, &loop->timers[i]);
        }
}

static void idle(void *data, const int *fds, size_t n, int64_t delay) {
        struct loop *loop = data;

        if (!loop->idle) {
                loop->idle = peer_map(loop->max_fd, sizeof *loop->idle);
                for (size_t i = 0; i < n; ++i)
                        ev_timer_init(&loop->idle[fds[i]], on_timer, 0, 1e-9 * (double)delay);
        }
        for (size_t i = 0; i < n; ++i)
                ev_timer_again(loop->loop, &loop->idle[fds[i]]);
}

static size_t wait_once(void *data, bool block) {
        struct loop *loop = data;

        loop->seen = 0;
        ev_run(loop->loop, block ? EVRUN_ONCE : EVRUN_NOWAIT);
        return loop->seen;
}

static void wake(void *data, size_t times) {
        struct loop *loop = data;

        for (size_t i = 0; i < times; ++i)
                ev_async_send(loop->loop, &loop->wake);
}

static const char *version(void) {
        static char text[32];

        snprintf(text, sizeof text, "%d.%d", ev_version_major(), ev_version_minor());
        return text;
}

const struct peer peer_libev = {
        .name = "libev",
        .note = "level-triggered only; a loop belongs to one thread, only a wake may come from others; the kernel is "
                "not told of a "
                "deregister, and a register of the same number is an EPOLL_CTL_MOD",
        .version = version,
        .create = create,
        .destroy = destroy,
        .add = add,
        .level = add,
        .modify = modify,
        .remove = remove_all,
        .wait = wait_once,
        .wake = wake,
        .timers = timers,
        .timers_end = timers_end,
        .timers_set = timers_set,
        .timers_stop = timers_stop,
        .idle = idle,
};
