/* SPDX-License-Identifier: MIT */

/* mio, the library that weir takes its shape from, behind the C functions of mio/lib.rs. It is always edge-triggered. */

#include "peer.h"

struct Loop;

struct Loop *bench_mio_create(size_t batch);
void bench_mio_destroy(struct Loop *loop);
void bench_mio_add(const struct Loop *loop, const int *fds, size_t n);
void bench_mio_modify(const struct Loop *loop, const int *fds, size_t n);
void bench_mio_remove(const struct Loop *loop, const int *fds, size_t n);
size_t bench_mio_wait(const struct Loop *loop, bool block);
void bench_mio_serve(const struct Loop *loop, void (*handler)(void *data), void *data);
void bench_mio_wake(const struct Loop *loop, size_t times);
void bench_mio_clone(const struct Loop *loop, size_t times);

static void *create(int max_fd) {
        (void)max_fd;
        return bench_mio_create(BENCH_BATCH);
}

static void destroy(void *loop) {
        bench_mio_destroy(loop);
}

static void add(void *loop, const int *fds, size_t n) {
        bench_mio_add(loop, fds, n);
}

static void modify(void *loop, const int *fds, size_t n) {
        bench_mio_modify(loop, fds, n);
}

static void remove_all(void *loop, const int *fds, size_t n) {
        bench_mio_remove(loop, fds, n);
}

static size_t wait_once(void *loop, bool block) {
        return bench_mio_wait(loop, block);
}

static void serve(void *loop, void (*handler)(void *data), void *data) {
        bench_mio_serve(loop, handler, data);
}

static void wake(void *loop, size_t times) {
        bench_mio_wake(loop, times);
}

static void clone_handle(void *loop, size_t times) {
        bench_mio_clone(loop, times);
}

static const char *version(void) {
        return BENCH_MIO;
}

const struct peer peer_mio = {
        .name = "mio",
        .note = "edge-triggered only, no one-shot; promises nothing about events fetched before a deregister",
        .version = version,
        .create = create,
        .destroy = destroy,
        .add = add,
        .edge = add,
        .modify = modify,
        .remove = remove_all,
        .wait = wait_once,
        .wake = wake,
        .clone = clone_handle,
        .threads = true,
        .serve = serve,
};
