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
/* Makes the descriptor to, which is open, another one of what from is. */
int weir_sys_replace(int from, int to);

/* An entry of a set. */
struct weir_sys_entry {
        uint64_t data;  /* that it was added with, as the number */
        uint64_t inode; /* and its device: two files that are open have the same only where they are of one inode */
        int fd;
};

/* Calls back for each entry of a set. Negative if the kernel does not tell: it does by a file below /proc. */
int weir_sys_epoll_entries(int set, void (*fn)(void *userdata, const struct weir_sys_entry *entry), void *userdata);
WEIR_INLINE int weir_sys_epoll_ctl(int set, int op, int fd, uint32_t events, uint64_t data);
/*
 * *coarse says whether timeouts are rounded up to milliseconds. It begins as false, and is set once the kernel, or a filter,
 * refuses the call that takes nanoseconds: that is not made again, for each refusal costs as much as a system call, and may be
 * written down by whoever filters. Whoever waits on the set keeps it, one at a time.
 */
WEIR_INLINE int weir_sys_epoll_wait(int set, struct epoll_event *events, unsigned capacity, int64_t timeout,
                                    bool *coarse);

/* Sleeps for no longer than timeout. 0, or -EINTR if a signal came. */
int weir_sys_nap(int64_t timeout);

/* A timer of CLOCK_MONOTONIC, that is readable when the moment has passed to which it was set; WEIR_FOREVER is never. */
int weir_sys_timer_create(void);
void weir_sys_timer_set(int fd, int64_t moment);

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
/* The same memory, larger, perhaps at another place; NULL is as big as 0. NULL when out of memory, and it is as it was. */
void *weir_sys_grow(void *memory, size_t size, size_t wanted);

/*
 * Words on a page of their own, which the kernel wipes in a forked child: there they read 0. What a thread may sleep on is
 * here, too, so that it does not go on sleeping in the child of a signal handler that forks.
 */
struct weir_life {
        _Atomic(uint32_t) state;   /* see core.h */
        _Atomic(uint32_t) unlocks; /* of locks for which somebody waited, counted for those who wait */
        _Atomic(uint32_t) closed;  /* batches, counted for weir_epochs_synchronize() */
};

/*
 * *ret_pid is 0 where the kernel wipes the page at fork, else the process that made it, to be compared with
 * weir_sys_getpid(). NULL when out of memory.
 */
struct weir_life *weir_sys_life_create(int *ret_pid);
void weir_sys_life_free(struct weir_life *life);
int weir_sys_getpid(void);

/* Sleeps while *word is expected, no longer than timeout; may return for no reason. 0, or -EINTR if a signal came. */
int weir_sys_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout);
void weir_sys_futex_wake_all(_Atomic(uint32_t) *word);

/* Forbids the cancellation of this thread, or sets back what that returned. */
int weir_sys_forbid_cancel(void);
void weir_sys_restore_cancel(int state);

/* A place where the test build may let another thread run. */
#ifdef WEIR_YIELD_POINTS
void weir_sys_yield(void);
#define WEIR_YIELD() weir_sys_yield()
#else
#define WEIR_YIELD() ((void)0)
#endif
