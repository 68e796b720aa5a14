/* SPDX-License-Identifier: MIT */

/*
 * libevent 2, with its locks on (evthread_use_pthreads()), as it must be where one thread waits and others add. An event lives
 * in memory of the user's; here, an array by descriptor. Events that are not EV_PERSIST are its one-shots.
 */

#include "peer.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>
#include <stdlib.h>

struct loop {
        struct event_base *base;
        struct event *events; /* by descriptor */
        struct event wake;
        struct event *timers;
        size_t max_fd, n_timers, seen;
        bool drain;
        void (*handler)(void *data);
        void *data;
};

static void on_event(evutil_socket_t fd, short what, void *data) {
        struct loop *loop = data;

        bench_use((uint64_t)fd, (uint32_t)what);
        ++loop->seen;
        if (loop->handler)
                loop->handler(loop->data);
}

static void on_oneshot(evutil_socket_t fd, short what, void *data) {
        struct loop *loop = data;

        (void)what;
        bench_read(fd, loop->drain);
        require(event_add(&loop->events[fd], NULL) == 0, "event_add");
        ++loop->seen;
}

static void *create(int max_fd) {
        struct loop *loop = calloc(1, sizeof *loop);

        require(loop && evthread_use_pthreads() == 0, "evthread_use_pthreads");
        loop->base = event_base_new();
        loop->max_fd = (size_t)max_fd;
        loop->events = peer_map(loop->max_fd, sizeof *loop->events);
        require(loop->base && loop->events, "event_base_new");
        require(event_assign(&loop->wake, loop->base, -1, EV_PERSIST, on_event, loop) == 0, "event_assign");
        return loop;
}

static void destroy(void *data) {
        struct loop *loop = data;

        event_base_free(loop->base);
        peer_unmap(loop->events, loop->max_fd, sizeof *loop->events);
        free(loop);
}

static void add_as(struct loop *loop, const int *fds, size_t n, short what, event_callback_fn callback) {
        for (size_t i = 0; i < n; ++i) {
                struct event *event = &loop->events[fds[i]];

                require(event_assign(event, loop->base, fds[i], what, callback, loop) == 0, "event_assign");
                require(event_add(event, NULL) == 0, "event_add");
        }
}

static void add_edge(void *loop, const int *fds, size_t n) {
        add_as(loop, fds, n, EV_READ | EV_PERSIST | EV_ET, on_event);
}

static void add_level(void *loop, const int *fds, size_t n) {
        add_as(loop, fds, n, EV_READ | EV_PERSIST, on_event);
}

static void add_oneshot(void *data, const int *fds, size_t n, bool drain) {
        struct loop *loop = data;

        loop->drain = drain;
        add_as(loop, fds, n, EV_READ, on_oneshot);
}

static void remove_all(void *data, const int *fds, size_t n) {
        struct loop *loop = data;

        for (size_t i = 0; i < n; ++i)
                require(event_del(&loop->events[fds[i]]) == 0, "event_del");
}

/* An event that was added cannot be changed. */
static void modify(void *loop, const int *fds, size_t n) {
        for (size_t i = 0; i < n; ++i) {
                remove_all(loop, &fds[i], 1);
                add_edge(loop, &fds[i], 1);
        }
}

static struct timeval after(int64_t delay) {
        return (struct timeval){ .tv_sec = delay / 1000000000, .tv_usec = delay % 1000000000 / 1000 };
}

static void timers(void *data, size_t n) {
        struct loop *loop = data;

        loop->n_timers = n;
        loop->timers = peer_map(n, sizeof *loop->timers);
        for (size_t i = 0; i < n; ++i)
                require(evtimer_assign(&loop->timers[i], loop->base, on_event, loop) == 0, "evtimer_assign");
}

static void timers_stop(void *data, size_t n) {
        struct loop *loop = data;

        for (size_t i = 0; i < n; ++i)
                require(evtimer_del(&loop->timers[i]) == 0, "evtimer_del");
}

static void timers_end(void *data) {
        struct loop *loop = data;

        timers_stop(loop, loop->n_timers);
        peer_unmap(loop->timers, loop->n_timers, sizeof *loop->timers);
}

static void timers_set(void *data, const int64_t *delays, size_t first, size_t n) {
        struct loop *loop = data;

        for (size_t i = first; i < first + n; ++i) {
                struct timeval delay = after(delays[i]);

                require(evtimer_add(&loop->timers[i], &delay) == 0, "evtimer_add");
        }
}

static void idle(void *data, const int *fds, size_t n, int64_t ns) {
        struct loop *loop = data;
        struct timeval delay = after(ns);

        for (size_t i = 0; i < n; ++i)
                require(event_add(&loop->events[fds[i]], &delay) == 0, "event_add");
}

static size_t wait_once(void *data, bool block) {
        struct loop *loop = data;

        loop->seen = 0;
        require(event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY | (block ? 0 : EVLOOP_NONBLOCK)) == 0,
                "event_base_loop");
        return loop->seen;
}

static void wake(void *data, size_t times) {
        struct loop *loop = data;

        for (size_t i = 0; i < times; ++i)
                event_active(&loop->wake, EV_READ, 0);
}

static void serve(void *data, void (*handler)(void *data), void *argument) {
        struct loop *loop = data;

        loop->handler = handler;
        loop->data = argument;
        wait_once(loop, true);
}

const struct peer peer_libevent = {
        .name = "libevent",
        .note = "locks on; a deregister waits for the callback of that event; an event cannot be changed, only removed "
                "and added",
        .version = event_get_version,
        .create = create,
        .destroy = destroy,
        .add = add_edge,
        .edge = add_edge,
        .level = add_level,
        .oneshot = add_oneshot,
        .modify = modify,
        .remove = remove_all,
        .wait = wait_once,
        .wake = wake,
        .timers = timers,
        .timers_end = timers_end,
        .timers_set = timers_set,
        .timers_stop = timers_stop,
        .idle = idle,
        .threads = true,
        .serve = serve,
};
