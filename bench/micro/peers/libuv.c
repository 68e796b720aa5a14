/* SPDX-License-Identifier: MIT */

/*
 * libuv. A loop belongs to one thread; only uv_async_send() may come from another. It puts off its system calls until the loop
 * comes round, and a handle may be used again after its close callback ran, so each function ends with a turn of the loop.
 */

#include "peer.h"

#include <stdlib.h>
#include <uv.h>

struct loop {
        uv_loop_t loop;
        uv_poll_t *handles; /* by descriptor */
        uv_async_t wake;
        uv_timer_t *timers; /* of timers() */
        uv_timer_t *idle;   /* by descriptor, from the first idle() on */
        size_t max_fd, n_timers, seen;
};

static void on_event(uv_poll_t *handle, int status, int events) {
        struct loop *loop = handle->data;

        bench_use((uint64_t)status, (uint32_t)events);
        ++loop->seen;
}

static void on_wake(uv_async_t *wake) {
        struct loop *loop = wake->data;

        ++loop->seen;
}

/* One that is due before uv_run() polls is called before that, which would then wait for another event: so it says to stop. */
static void on_timer(uv_timer_t *timer) {
        struct loop *loop = timer->data;

        ++loop->seen;
        uv_stop(&loop->loop);
}

static void *create(int max_fd) {
        struct loop *loop = calloc(1, sizeof *loop);

        require(loop, "memory for a loop");
        loop->max_fd = (size_t)max_fd;
        loop->handles = peer_map(loop->max_fd, sizeof *loop->handles);
        require(uv_loop_init(&loop->loop) == 0, "uv_loop_init");
        require(uv_async_init(&loop->loop, &loop->wake, on_wake) == 0, "uv_async_init");
        loop->wake.data = loop;
        return loop;
}

static void destroy(void *data) {
        struct loop *loop = data;

        uv_close((uv_handle_t *)&loop->wake, NULL);
        uv_run(&loop->loop, UV_RUN_NOWAIT);
        require(uv_loop_close(&loop->loop) == 0, "uv_loop_close");
        peer_unmap(loop->handles, loop->max_fd, sizeof *loop->handles);
        if (loop->idle)
                peer_unmap(loop->idle, loop->max_fd, sizeof *loop->idle);
        free(loop);
}

static void start(struct loop *loop, int fd) {
        require(uv_poll_start(&loop->handles[fd], UV_READABLE, on_event) == 0, "uv_poll_start");
}

static void add(void *data, const int *fds, size_t n) {
        struct loop *loop = data;

        for (size_t i = 0; i < n; ++i) {
                require(uv_poll_init(&loop->loop, &loop->handles[fds[i]], fds[i]) == 0, "uv_poll_init");
                loop->handles[fds[i]].data = loop;
                start(loop, fds[i]);
        }
        uv_run(&loop->loop, UV_RUN_NOWAIT);
}

static void modify(void *data, const int *fds, size_t n) {
        struct loop *loop = data;

        for (size_t i = 0; i < n; ++i)
                start(loop, fds[i]);
        uv_run(&loop->loop, UV_RUN_NOWAIT);
}

static void remove_all(void *data, const int *fds, size_t n) {
        struct loop *loop = data;

        for (size_t i = 0; i < n; ++i) {
                uv_close((uv_handle_t *)&loop->handles[fds[i]], NULL);
                if (loop->idle)
                        uv_close((uv_handle_t *)&loop->idle[fds[i]], NULL);
        }
        uv_run(&loop->loop, UV_RUN_NOWAIT);
}

static void make_timers(struct loop *loop, uv_timer_t *timers, size_t n) {
        for (size_t i = 0; i < n; ++i) {
                require(uv_timer_init(&loop->loop, &timers[i]) == 0, "uv_timer_init");
                timers[i].data = loop;
        }
}

static void timers(void *data, size_t n) {
        struct loop *loop = data;

        loop->n_timers = n;
        loop->timers = peer_map(n, sizeof *loop->timers);
        make_timers(loop, loop->timers, n);
}

static void timers_end(void *data) {
        struct loop *loop = data;

        for (size_t i = 0; i < loop->n_timers; ++i)
                uv_close((uv_handle_t *)&loop->timers[i], NULL);
        uv_run(&loop->loop, UV_RUN_NOWAIT);
        peer_unmap(loop->timers, loop->n_timers, sizeof *loop->timers);
}

/* In milliseconds, rounded up. */
static void timers_set(void *data, const int64_t *delays, size_t first, size_t n) {
        struct loop *loop = data;

        uv_update_time(&loop->loop);
        for (size_t i = first; i < first + n; ++i)
                require(uv_timer_start(&loop->timers[i], on_timer, (uint64_t)(delays[i] + 999999) / 1000000, 0) == 0,
                        "uv_timer_start");
}

static void timers_stop(void *data, size_t n) {
        struct loop *loop = data;

        for (size_t i = 0; i < n; ++i)
                require(uv_timer_stop(&loop->timers[i]) == 0, "uv_timer_stop");
}

/* A timer beside each, that repeats: then it can be set anew by uv_timer_again(). */
static void idle(void *data, const int *fds, size_t n, int64_t delay) {
        struct loop *loop = data;

        if (!loop->idle) {
                loop->idle = peer_map(loop->max_fd, sizeof *loop->idle);
                for (size_t i = 0; i < n; ++i) {
                        make_timers(loop, &loop->idle[fds[i]], 1);
                        require(uv_timer_start(&loop->idle[fds[i]], on_timer, (uint64_t)delay / 1000000,
                                               (uint64_t)delay / 1000000) == 0,
                                "uv_timer_start");
                }
        }
        for (size_t i = 0; i < n; ++i)
                require(uv_timer_again(&loop->idle[fds[i]]) == 0, "uv_timer_again");
}

static size_t wait_once(void *data, bool block) {
        struct loop *loop = data;

        loop->seen = 0;
        uv_run(&loop->loop, block ? UV_RUN_ONCE : UV_RUN_NOWAIT);
        return loop->seen;
}

static void wake(void *data, size_t times) {
        struct loop *loop = data;

        for (size_t i = 0; i < times; ++i)
                require(uv_async_send(&loop->wake) == 0, "uv_async_send");
}

const struct peer peer_libuv = {
        .name = "libuv",
        .note = "level-triggered only; a loop belongs to one thread, only a wake may come from others",
        .version = uv_version_string,
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
