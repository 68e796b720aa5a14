/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Counts the system calls that a program makes by syscall(2), as weir does: the linker sends them here first (--wrap). That
 * makes each a little dearer, so it is not for programs that time single calls.
 */

#include <stdint.h>
#include <sys/epoll.h>

struct calls {
        uint64_t waits; /* for events: epoll_wait and its kin, whatever they returned */
        uint64_t ctls;  /* epoll_ctl */
};

/* Of all threads, since the program began. */
struct calls calls_made(void);

/* As libc's, and counted. */
int calls_epoll_ctl(int set, int op, int fd, struct epoll_event *event);
int calls_epoll_wait(int set, struct epoll_event *events, int capacity);
