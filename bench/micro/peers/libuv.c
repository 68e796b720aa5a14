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
        size_t max_fd, seen;
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

        for (size_t i = 0; i < n; ++i)
                uv_close((uv_handle_t *)&loop->handles[fds[i]], NULL);
        uv_run(&loop->loop, UV_RUN_NOWAIT);
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
};
