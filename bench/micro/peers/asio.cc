/* SPDX-License-Identifier: MIT */

/*
 * Asio: an io_context with its locks, and a stream_descriptor for each descriptor. Assigning one registers it, once and for
 * all, edge-triggered; after that a wait is asked for each time, and never costs a system call: it is a one-shot by nature.
 * An object may not be used on two threads at a time, so nothing can be removed whose wait is under way.
 */

#include "peer.h"

#include <asio/io_context.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/version.hpp>

#include <chrono>
#include <cstdio>
#include <new>

using asio::posix::stream_descriptor;

namespace {

struct loop {
        explicit loop(int max_fd)
            : n(static_cast<std::size_t>(max_fd)),
              descriptors(static_cast<stream_descriptor *>(peer_map(n, sizeof(stream_descriptor)))) {
        }

        ~loop() {
                peer_unmap(descriptors, n, sizeof(stream_descriptor));
                if (idle)
                        peer_unmap(idle, n, sizeof(asio::steady_timer));
        }

        loop(const loop &) = delete;
        loop &operator=(const loop &) = delete;

        asio::io_context context;
        asio::executor_work_guard<asio::io_context::executor_type> work{ context.get_executor() };
        std::size_t n;
        stream_descriptor *descriptors;       /* by descriptor; each is made by add() and ended by remove() */
        asio::steady_timer *timers = nullptr; /* of timers() */
        std::size_t n_timers = 0;
        asio::steady_timer *idle = nullptr; /* by descriptor, from the first idle() on */
        std::size_t seen = 0;
        bool drain = false;
};

void *create(int max_fd) {
        return new loop(max_fd);
}

void destroy(void *data) {
        delete static_cast<loop *>(data);
}

void add(void *data, const int *fds, std::size_t n) {
        auto *l = static_cast<loop *>(data);

        for (std::size_t i = 0; i < n; ++i)
                new (&l->descriptors[fds[i]]) stream_descriptor(l->context, fds[i]);
}

void await(loop *l, int fd) {
        l->descriptors[fd].async_wait(stream_descriptor::wait_read, [l, fd](const asio::error_code &error) {
                if (error)
                        return; /* removed */
                bench_read(fd, l->drain);
                await(l, fd);
                ++l->seen;
        });
}

void add_oneshot(void *data, const int *fds, std::size_t n, bool drain) {
        auto *l = static_cast<loop *>(data);

        l->drain = drain;
        add(data, fds, n);
        for (std::size_t i = 0; i < n; ++i)
                await(l, fds[i]);
}

void remove(void *data, const int *fds, std::size_t n) {
        auto *l = static_cast<loop *>(data);

        for (std::size_t i = 0; i < n; ++i) {
                l->descriptors[fds[i]].release(); /* it would close the descriptor */
                l->descriptors[fds[i]].~stream_descriptor();
                if (l->idle)
                        l->idle[fds[i]].~basic_waitable_timer();
        }
}

/* Whoever moves one cancels its wait, and waits anew. */
void start(loop *l, asio::steady_timer &timer, std::int64_t delay) {
        timer.expires_after(std::chrono::nanoseconds(delay));
        timer.async_wait([l](const asio::error_code &error) {
                if (!error)
                        ++l->seen;
        });
}

void timers(void *data, std::size_t n) {
        auto *l = static_cast<loop *>(data);

        l->n_timers = n;
        l->timers = static_cast<asio::steady_timer *>(peer_map(n, sizeof(asio::steady_timer)));
        for (std::size_t i = 0; i < n; ++i)
                new (&l->timers[i]) asio::steady_timer(l->context);
}

void timers_set(void *data, const std::int64_t *delays, std::size_t first, std::size_t n) {
        auto *l = static_cast<loop *>(data);

        for (std::size_t i = first; i < first + n; ++i)
                start(l, l->timers[i], delays[i]);
}

void timers_stop(void *data, std::size_t n) {
        auto *l = static_cast<loop *>(data);

        for (std::size_t i = 0; i < n; ++i)
                l->timers[i].cancel();
        l->context.poll();
}

void timers_end(void *data) {
        auto *l = static_cast<loop *>(data);

        for (std::size_t i = 0; i < l->n_timers; ++i)
                l->timers[i].~basic_waitable_timer();
        l->context.poll();
        peer_unmap(l->timers, l->n_timers, sizeof(asio::steady_timer));
}

void idle(void *data, const int *fds, std::size_t n, std::int64_t delay) {
        auto *l = static_cast<loop *>(data);

        if (!l->idle) {
                l->idle = static_cast<asio::steady_timer *>(peer_map(l->n, sizeof(asio::steady_timer)));
                for (std::size_t i = 0; i < n; ++i)
                        new (&l->idle[fds[i]]) asio::steady_timer(l->context);
        }
        for (std::size_t i = 0; i < n; ++i)
                start(l, l->idle[fds[i]], delay);
        l->context.poll();
}

std::size_t wait(void *data, bool block) {
        auto *l = static_cast<loop *>(data);

        l->seen = 0;
        if (block)
                l->context.run_one();
        else
                l->context.poll();
        return l->seen;
}

void wake(void *data, std::size_t times) {
        auto *l = static_cast<loop *>(data);

        for (std::size_t i = 0; i < times; ++i)
                asio::post(l->context, [l] { ++l->seen; });
}

const char *version() {
        static char text[32];

        std::snprintf(text, sizeof text, "%d.%d.%d", ASIO_VERSION / 100000, ASIO_VERSION / 100 % 1000,
                      ASIO_VERSION % 100);
        return text;
}

peer describe() {
        peer p = {};

        p.name = "asio";
        p.note = "a one-shot by nature; an object may not be used on two threads at once, so none whose wait is under "
                 "way "
                 "can be removed by another";
        p.version = version;
        p.create = create;
        p.destroy = destroy;
        p.add = add;
        p.oneshot = add_oneshot;
        p.remove = remove;
        p.wait = wait;
        p.wake = wake;
        p.timers = timers;
        p.timers_end = timers_end;
        p.timers_set = timers_set;
        p.timers_stop = timers_stop;
        p.idle = idle;
        p.threads = true;
        return p;
}

} /* namespace */

const peer peer_asio = describe();
