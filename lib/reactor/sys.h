/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The seam to the kernel and to the allocator: nothing else in the reactor calls either. (Sockets and sources stand beside
 * the reactor and call libc.) A test build replaces sys.c to make the n-th call fail, and a model checker replaces it by a
 * small fake. No ordering is expected of any call here: every happens-before edge comes from the library's own atomics and
 * its mutexes.
 *
 * Every int is 0, a count or a descriptor, or a negative errno; errno itself is left alone.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define WEIR_CACHE_LINE 64

/*
 * The library is compiled in one piece, meson.build, where this lets the compiler inline what stands close above a system
 * call: a processor that guards its return predictions mispredicts one return after it for each function entered before it.
 * It inlines the lock of a slot, too, which is taken and given up around one.
 */
#ifdef WEIR_ONE_PIECE
#define WEIR_INLINE static inline
#else
#define WEIR_INLINE
#endif

/* Waits for ever. Other waits are in nanoseconds, saturated. */
#define WEIR_FOREVER INT64_MAX

int weir_sys_epoll_create(void);
WEIR_INLINE int weir_sys_epoll_ctl(int set, int op, int fd, uint32_t events, uint64_t data);
WEIR_INLINE int weir_sys_epoll_wait(int set, struct epoll_event *events, unsigned capacity, int64_t timeout);

/* Sleeps for a millisecond. 0, or -EINTR if a signal came. */
int weir_sys_nap(void);

int weir_sys_eventfd(void);
/* Makes an edge-triggered watcher of the eventfd see a new edge. */
void weir_sys_eventfd_signal(int fd);

void weir_sys_close(int fd);
bool weir_sys_is_open(int fd);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t weir_sys_now(void);

/* Zeroed memory that begins at a cache line, or NULL. Pages of large ones take no room before they are written. */
void *weir_sys_alloc(size_t size);
void weir_sys_free(void *memory, size_t size);

/*
 * A word that reads 0 in a forked child and whatever was stored here. *ret_pid is 0 where the kernel wipes the word at
 * fork, else the process that made it, to be compared with weir_sys_getpid(). NULL when out of memory.
 */
_Atomic(uint32_t) *weir_sys_life_create(int *ret_pid);
void weir_sys_life_free(_Atomic(uint32_t) *life);
int weir_sys_getpid(void);

/* Of a word of this size, the 32 bits that its lowest bits are in: what a futex is. */
static inline const void *weir_sys_futex_of(const void *word, size_t size) {
        return (const unsigned char *)word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? size - 4 : 0);
}

/* Sleeps while *word is expected; may return for no reason. */
void weir_sys_futex_wait(const void *word, uint32_t expected);
void weir_sys_futex_wake_all(const void *word);

/* A place where the test build may let another thread run. */
#ifdef WEIR_YIELD_POINTS
void weir_sys_yield(void);
#define WEIR_YIELD() weir_sys_yield()
#else
#define WEIR_YIELD() ((void)0)
#endif
