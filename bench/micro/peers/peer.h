/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Another library, as the cases see it, or the floor, see floor.c. Each function works on all descriptors it is given, so that no
 * call through a pointer is part of what one operation costs. A member is NULL where the library has nothing of the kind; the
 * figure is then shown as a dash. Functions end the program when the library refuses.
 *
 * The library's own callback counts the event, or serves it in the case of oneshot, and wait() tells how many came. Where a
 * library puts off its system calls, the functions run an empty turn of the loop, so that the kernel has been told when they
 * return, as it has on the other sides.
 */

#include "../bench.h"

#ifdef __cplusplus
extern "C" {
#endif

struct peer {
        const char *name;
        const char *note; /* what it does otherwise, and why some figures are not there */
        const char *(*version)(void);
        void *(*create)(int max_fd); /* descriptors are below max_fd */
        void (*destroy)(void *loop);

        /* Registers them for reading, in the library's usual mode; one of the modes; and ends all that. */
        void (*add)(void *loop, const int *fds, size_t n);
        void (*edge)(void *loop, const int *fds, size_t n);
        void (*level)(void *loop, const int *fds, size_t n);
        /* One event at a time: the callback reads a message, once more to -EAGAIN if drain, and asks for the next one. */
        void (*oneshot)(void *loop, const int *fds, size_t n, bool drain);
        /* Looks at them afresh with the same interest. */
        void (*modify)(void *loop, const int *fds, size_t n);
        void (*remove)(void *loop, const int *fds, size_t n);

        /* One turn of the loop: how many events came. If told to, it blocks until something happens. */
        size_t (*wait)(void *loop, bool block);
        /* Makes a wait on another thread return, times over. */
        void (*wake)(void *loop, size_t times);
        /* Another handle to the loop, and its end, times over. */
        void (*clone)(void *loop, size_t times);

        /*
         * Timers: makes n that are not set, and ends them all; sets those from first on to delays of nanoseconds, each from now,
         * whatever they were set to; and stops the first n. wait() counts those that expire.
         */
        void (*timers)(void *loop, size_t n);
        void (*timers_end)(void *loop);
        void (*timers_set)(void *loop, const int64_t *delays, size_t first, size_t n);
        void (*timers_stop)(void *loop, size_t n);
        /* Bounds how long each may be idle, from now, of what was added; remove() ends that, too. */
        void (*idle)(void *loop, const int *fds, size_t n, int64_t delay);

        bool threads; /* whether add and remove may run on other threads, beside a wait */

        /* One turn of the loop that calls handler(data) for each event; NULL if no other thread may call remove meanwhile. */
        void (*serve)(void *loop, void (*handler)(void *data), void *data);
};

extern const struct peer peer_floor, peer_libevent, peer_libuv, peer_libev, peer_asio, peer_mio;

/* What was found when weir-bench was built; ends with NULL. */
extern const struct peer *const peers[];

/* Zeroed memory that takes no room before it is written, so that what each registration needs can be told apart. */
void *peer_map(size_t n, size_t size);
void peer_unmap(void *memory, size_t n, size_t size);

/* Runs turns of the loop until n events came, and returns how many did. */
size_t peer_take(const struct peer *peer, void *loop, size_t n);

#ifdef __cplusplus
}
#endif
