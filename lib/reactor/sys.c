/* SPDX-License-Identifier: MIT */

/*
 * The system calls, made directly where libc's wrapper is a cancellation point: a thread cancelled in one would keep the
 * waiting role, or leave a wake half done. A direct call does the same on glibc and musl, with 32-bit and 64-bit time_t.
 */

#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* <linux/futex.h> comes with the kernel's headers, which not every libc brings along. */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

/* Where there never was one with 32 bits of seconds. */
#ifndef SYS_futex
#define SYS_futex SYS_futex_time64
#endif

/* Kernels since 5.11 have it under one number on every architecture but alpha. */
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

/* The one with 64 bits of seconds, where there are two. */
#ifdef SYS_ppoll_time64
#define PPOLL SYS_ppoll_time64
#else
#define PPOLL SYS_ppoll
#endif

/* Allocations of this size and more are mapped: zero without being touched. The kernel rounds them up to pages. */
#define MAP_FROM ((size_t)32 * 1024)

/* What the kernel wants to hear of a signal mask that is not given. */
#define SIGSET_SIZE 8

struct kernel_timespec {
        int64_t seconds;
        int64_t nanoseconds;
};

static int result(long r, int saved_errno) {
        int error = errno;

        errno = saved_errno;
        return r < 0 ? -error : (int)r;
}

int weir_sys_epoll_create(void) {
        int saved = errno;

        return result(epoll_create1(EPOLL_CLOEXEC), saved);
}

int weir_sys_replace(int from, int to) {
        int saved = errno;
        int r = result(dup3(from, to, O_CLOEXEC), saved);

        return r < 0 ? r : 0;
}

/* What the kernel says of a set in /proc: fs/eventpoll.c, ep_show_fdinfo(). Other lines are not of entries. */
static void read_line(const char *line, void (*fn)(void *, const struct weir_sys_entry *), void *userdata) {
        struct weir_sys_entry entry = { 0 };
        uint32_t device = 0;

        /* Before Linux 4.13 it tells no inode. */
        if (sscanf(line, "tfd: %d events: %*x data: %" SCNx64 " pos:%*d ino:%" SCNx64 " sdev:%" SCNx32, &entry.fd,
                   &entry.data, &entry.inode, &device) < 2)
                return;
        entry.inode ^= (uint64_t)device << 32;
        fn(userdata, &entry);
}

/* The lines that text begins with. Returns the bytes of the unfinished one behind them. */
static size_t read_lines(char *text, size_t size, void (*fn)(void *, const struct weir_sys_entry *), void *userdata) {
        char *line = text, *end;

        while ((end = memchr(line, '\n', size - (size_t)(line - text)))) {
                *end = '\0';
                read_line(line, fn, userdata);
                line = end + 1;
        }
        size -= (size_t)(line - text);
        memmove(text, line, size);
        return size;
}

int weir_sys_epoll_entries(int set, void (*fn)(void *userdata, const struct weir_sys_entry *entry), void *userdata) {
        char path[sizeof "/proc/thread-self/fdinfo/" + 3 * sizeof(int)], text[4096];
        int saved = errno, fd;
        size_t rest = 0;
        long n;

        snprintf(path, sizeof path, "/proc/thread-self/fdinfo/%d", set);
        fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return result(fd, saved);
        while ((n = syscall(SYS_read, fd, text + rest, sizeof text - rest)) > 0)
                rest = read_lines(text, rest + (size_t)n, fn, userdata);
        n = result(n, saved);
        weir_sys_close(fd);
        return (int)n;
}

/*
 * Directly, for thread sanitizer takes libc's epoll_ctl() for a use of the descriptor, ordered by nothing. It may be used by
 * number alone: after its close(2), when the number is another thread's, a deregistration is allowed and removes nothing.
 */
WEIR_INLINE int weir_sys_epoll_ctl(int set, int op, int fd, uint32_t events, uint64_t data) {
        struct epoll_event event = { .events = events, .data.u64 = data };
        int saved = errno;

        return result(syscall(SYS_epoll_ctl, set, op, fd, &event), saved);
}

/* By the older call where there is one: its four arguments go by registers, and no mask is looked at. It shows in an empty wait. */
static inline int wait_milliseconds(int set, struct epoll_event *events, unsigned capacity, int ms) {
#ifdef SYS_epoll_wait
        return (int)syscall(SYS_epoll_wait, set, events, (int)capacity, ms);
#else
        return (int)syscall(SYS_epoll_pwait, set, events, (int)capacity, ms, NULL, (size_t)SIGSET_SIZE);
#endif
}

static int wait_nanoseconds(int set, struct epoll_event *events, unsigned capacity, int64_t timeout, bool *coarse) {
        struct kernel_timespec ts = { timeout / NS_PER_S, timeout % NS_PER_S };
        int64_t ms = timeout / NS_PER_MS + (timeout % NS_PER_MS != 0);
        int r;

        if (timeout % NS_PER_MS && !*coarse) {
                r = (int)syscall(SYS_epoll_pwait2, set, events, (int)capacity, &ts, NULL, (size_t)SIGSET_SIZE);
                if (r >= 0 || (errno != ENOSYS && errno != EPERM)) /* an old kernel, or a seccomp filter */
                        return r;
                *coarse = true;
        }
        /* No longer than 24 days: the caller looks at the clock and waits again. */
        return wait_milliseconds(set, events, capacity, ms < INT_MAX ? (int)ms : INT_MAX);
}

WEIR_INLINE int weir_sys_epoll_wait(int set, struct epoll_event *events, unsigned capacity, int64_t timeout,
                                    bool *coarse) {
        int saved = errno;

        if (timeout == 0 || timeout == WEIR_FOREVER)
                return result(wait_milliseconds(set, events, capacity, timeout ? -1 : 0), saved);
        return result(wait_nanoseconds(set, events, capacity, timeout, coarse), saved);
}

int weir_sys_nap(int64_t timeout) {
        struct kernel_timespec ts = { timeout / NS_PER_S, timeout % NS_PER_S };
        int saved = errno;

        return result(syscall(PPOLL, NULL, 0, &ts, NULL, (size_t)SIGSET_SIZE), saved) == -EINTR ? -EINTR : 0;
}

int weir_sys_timer_create(void) {
        int saved = errno;

        return result(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), saved);
}

void weir_sys_timer_set(int fd, int64_t moment) {
        struct itimerspec at = { .it_value = { .tv_sec = 0 } };
        int saved = errno;

        if (moment != WEIR_FOREVER) {
                /* Where seconds have 32 bits, one that is too far off rings in vain, after 68 years. */
                at.it_value.tv_sec = (time_t)(moment / NS_PER_S < INT32_MAX ? moment / NS_PER_S : INT32_MAX);
                at.it_value.tv_nsec = moment ? (long)(moment % NS_PER_S) : 1; /* 0 would be never */
        }
        timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL);
        errno = saved;
}

int weir_sys_eventfd(void) {
        int saved = errno;

        return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), saved);
}

void weir_sys_eventfd_signal(int fd) {
        uint64_t one = 1;
        int saved = errno;

        /* A full counter refuses the write and makes no edge: empty it and write again. */
        while (syscall(SYS_write, fd, &one, sizeof one) < 0) {
                uint64_t counter;

                if (errno == EAGAIN)
                        syscall(SYS_read, fd, &counter, sizeof counter);
                else if (errno != EINTR)
                        break;
        }
        errno = saved;
}

void weir_sys_close(int fd) {
        int saved = errno, state = weir_sys_forbid_cancel();

        /* By libc, so that tools which keep a book of descriptors see it. */
        close(fd);
        weir_sys_restore_cancel(state);
        errno = saved;
}

bool weir_sys_is_open(int fd) {
        int saved = errno;
        bool open = fcntl(fd, F_GETFD) >= 0;

        errno = saved;
        return open;
}

int64_t weir_sys_now(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void *map(size_t size) {
        int saved = errno;
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        errno = saved;
        return memory == MAP_FAILED ? NULL : memory;
}

void *weir_sys_alloc(size_t size) {
        void *memory;
        int saved = errno;

        if (size >= MAP_FROM)
                return map(size);
        memory = aligned_alloc(WEIR_CACHE_LINE, (size + WEIR_CACHE_LINE - 1) / WEIR_CACHE_LINE * WEIR_CACHE_LINE);
        errno = saved;
        return memory ? memset(memory, 0, size) : NULL;
}

void weir_sys_free(void *memory, size_t size) {
        int saved = errno;

        if (size < MAP_FROM)
                free(memory);
        else if (memory)
                munmap(memory, size);
        errno = saved;
}

void *weir_sys_grow(void *memory, size_t size, size_t wanted) {
        int saved = errno;
        void *grown = memory ? mremap(memory, size, wanted, MREMAP_MAYMOVE) : map(wanted);

        errno = saved;
        return grown == MAP_FAILED ? NULL : grown;
}

struct weir_life *weir_sys_life_create(int *ret_pid) {
        int saved = errno;
        struct weir_life *life = map(sizeof *life);

        if (life)
                *ret_pid = madvise(life, sizeof *life, MADV_WIPEONFORK) < 0 ? getpid() : 0;
        errno = saved;
        return life;
}

void weir_sys_life_free(struct weir_life *life) {
        int saved = errno;

        if (life)
                munmap(life, sizeof *life);
        errno = saved;
}

int weir_sys_getpid(void) {
        return getpid();
}

/* With a timeout, the one with 64 bits of seconds, where there are two. */
static long futex_with(bool timeout) {
#ifdef SYS_futex_time64
        if (timeout)
                return SYS_futex_time64;
#endif
        (void)timeout;
        return SYS_futex;
}

int weir_sys_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout) {
        struct kernel_timespec ts = { timeout / NS_PER_S, timeout % NS_PER_S };
        bool timed = timeout != WEIR_FOREVER;
        int saved = errno, r;

        r = result(syscall(futex_with(timed), word, FUTEX_WAIT_PRIVATE, expected, timed ? &ts : NULL, NULL, 0), saved);
        return r == -EINTR ? r : 0;
}

void weir_sys_futex_wake_all(_Atomic(uint32_t) *word) {
        int saved = errno;

        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
        errno = saved;
}

int weir_sys_forbid_cancel(void) {
        int state;

        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        return state;
}

void weir_sys_restore_cancel(int state) {
        pthread_setcancelstate(state, &state);
}
