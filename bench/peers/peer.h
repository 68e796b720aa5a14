/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Another library, as the cases see it. Each function works on all descriptors it is given, so that no call through a
 * pointer is part of what one operation costs. A member is NULL where the library has nothing of the kind; the figure is then
 * shown as a dash. Functions end the program when the library refuses.
 *
 * In each case the library's own callback counts the event, or serves it in the case of oneshot, and wait() tells how many
 * came. Where a library puts off its system calls, the functions run an empty turn of the loop, so that the kernel has been
 * told when they return, as it has on the other sides.
 */

#include "../bench.h"

#ifdef __cplusplus
extern "C" {
#endif

struct peer {
        const char *name;
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

        /* One turn of the loop: how many events came. Blocks until one comes, if block is not 0. */
        size_t (*wait)(void *loop, int block);
        void (*wake)(void *loop, size_t times);
        void (*clone)(void *loop, size_t times);

        bool threads; /* whether add and remove may run beside a wait on another thread */
};

/* What was found when weir-bench was built; ends with NULL. */
extern const struct peer *const peers[];

/* Runs turns of the loop until n events came. */
void peer_take(const struct peer *peer, void *loop, size_t n);

#ifdef __cplusplus
}
#endif
