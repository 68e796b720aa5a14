/* SPDX-License-Identifier: MIT */
#pragma once

/* epoll(7) as the model checker can read it: the members of an entry lie where its accesses are aligned. */

#include <stdint.h>

#define EPOLLIN        UINT32_C(0x001)
#define EPOLLPRI       UINT32_C(0x002)
#define EPOLLOUT       UINT32_C(0x004)
#define EPOLLERR       UINT32_C(0x008)
#define EPOLLHUP       UINT32_C(0x010)
#define EPOLLRDHUP     UINT32_C(0x2000)
#define EPOLLEXCLUSIVE (UINT32_C(1) << 28)
#define EPOLLONESHOT   (UINT32_C(1) << 30)
#define EPOLLET        (UINT32_C(1) << 31)

#define EPOLL_CTL_ADD 1
#define EPOLL_CTL_DEL 2
#define EPOLL_CTL_MOD 3

typedef union epoll_data {
        void *ptr;
        uint64_t u64;
} epoll_data_t;

struct epoll_event {
        uint32_t events;
        epoll_data_t data;
};
