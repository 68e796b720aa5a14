/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_CALLS_H
#define WEIR_TESTS_CALLS_H

/*
 * A hand on the system calls that the library makes: the linker sends them here (--wrap), see wrapped_calls in meson.build.
 * Waits for events are counted, and a function of the test runs before and after each epoll_ctl.
 */

#include "support.h"

#include <sys/syscall.h>

/* How often the kernel was asked for events. */
static atomic_uint calls_waits;

/* How often epoll_ctl was called. */
static atomic_uint calls_ctls;

/* Runs on the calling thread, before the call and after it; then result is what the kernel said. NULL for none. */
static void (*_Atomic calls_ctl_hook)(bool after, int op, int fd, long result);

static void calls_ctl(bool after, int op, int fd, long result) {
        void (*hook)(bool, int, int, long) = atomic_load(&calls_ctl_hook);
        int saved = errno;

        if (hook)
                hook(after, op, fd, result);
        errno = saved;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

/* Six words, whatever the call: those that it does not have are not looked at. */
long __wrap_syscall(long number, ...) {
        va_list list;
        long words[6], result;

        va_start(list, number);
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                words[i] = va_arg(list, long);
        va_end(list);
        if (number == SYS_epoll_ctl) {
                atomic_fetch_add(&calls_ctls, 1);
                calls_ctl(false, (int)words[1], (int)words[2], 0);
        }
#ifdef SYS_epoll_wait
        if (number == SYS_epoll_wait)
                atomic_fetch_add(&calls_waits, 1);
#endif
#ifdef SYS_epoll_pwait2
        if (number == SYS_epoll_pwait2)
                atomic_fetch_add(&calls_waits, 1);
#endif
        if (number == SYS_epoll_pwait)
                atomic_fetch_add(&calls_waits, 1);
        result = __real_syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
        if (number == SYS_epoll_ctl)
                calls_ctl(true, (int)words[1], (int)words[2], result);
        return result;
}

int __real_epoll_ctl(int set, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *event) {
        int result;

        atomic_fetch_add(&calls_ctls, 1);
        calls_ctl(false, op, fd, 0);
        result = __real_epoll_ctl(set, op, fd, event);
        calls_ctl(true, op, fd, result);
        return result;
}

#endif
