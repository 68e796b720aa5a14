/* SPDX-License-Identifier: MIT */

/* What the linker puts in the place of syscall(2). Six words are passed on, whatever the call: it looks at those it has. */

#include "calls.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Since 5.11 under one number on every architecture but alpha. */
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

/* What the kernel wants to hear of a signal mask that is not given. */
#define SIGSET_SIZE 8

#define WORDS 6

static _Atomic(uint64_t) waits, ctls;

static void count(_Atomic(uint64_t) *calls) {
        /* relaxed: it guards nothing, and is read when the threads sleep */
        atomic_fetch_add_explicit(calls, 1, memory_order_relaxed);
}

struct calls calls_made(void) {
        return (struct calls){
                .waits = atomic_load_explicit(&waits, memory_order_relaxed),
                .ctls = atomic_load_explicit(&ctls, memory_order_relaxed),
        };
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...) {
        long words[WORDS];
        va_list list;

        va_start(list, number);
        for (size_t i = 0; i < WORDS; ++i)
                words[i] = va_arg(list, long);
        va_end(list);
        switch (number) {
        case SYS_epoll_ctl:
                count(&ctls);
                break;
#ifdef SYS_epoll_wait
        case SYS_epoll_wait:
#endif
        case SYS_epoll_pwait:
        case SYS_epoll_pwait2:
                count(&waits);
                break;
        default:
                break;
        }
        return __real_syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

int calls_epoll_ctl(int set, int op, int fd, struct epoll_event *event) {
        return (int)syscall(SYS_epoll_ctl, set, op, fd, event);
}

int calls_epoll_wait(int set, struct epoll_event *events, int capacity) {
#ifdef SYS_epoll_wait
        return (int)syscall(SYS_epoll_wait, set, events, capacity, -1);
#else
        return (int)syscall(SYS_epoll_pwait, set, events, capacity, -1, NULL, (size_t)SIGSET_SIZE);
#endif
}
