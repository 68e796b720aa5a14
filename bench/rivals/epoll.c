/* SPDX-License-Identifier: MIT */

/*
 * Raw epoll: all threads wait on one set. Everything in it is EPOLLONESHOT, so an event belongs to the thread that got it,
 * until that thread arms the descriptor again by EPOLL_CTL_MOD: one system call for each request. Whoever has the event of a
 * connection may close and free it, since no other thread can hold one. Read work() first.
 */

#include "idle.h"

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* How many events a thread takes at once, at most. */
#ifndef BATCH
#define BATCH 64
#endif

/* The set and the listener, whose events carry no pointer. Written before there are threads. */
static int set, listener;

static void control(int operation, int fd, uint32_t events, void *pointer) {
        struct epoll_event event = { .events = events | EPOLLONESHOT, .data.ptr = pointer };

        if (epoll_ctl(set, operation, fd, &event) < 0)
                rival_fail("epoll_ctl");
}

static void take_in(int fd) {
        control(EPOLL_CTL_ADD, fd, EPOLLIN, idle_add(fd));
}

static void accept_all(void) {
        int fd;

        while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0 || errno == EINTR ||
               errno == ECONNABORTED)
                if (fd >= 0)
                        take_in(fd);
        if (errno != EAGAIN)
                rival_fail("accept4");
        control(EPOLL_CTL_MOD, listener, EPOLLIN, NULL);
}

static void serve(struct connection *connection) {
        enum need need = session_serve(&connection->session);

        if (need == NEED_NOTHING) {
                idle_end(connection);
                return;
        }
        idle_move(connection);
        control(EPOLL_CTL_MOD, connection->session.fd, need == NEED_ROOM ? EPOLLOUT : EPOLLIN, connection);
}

static void *work(void *argument) {
        struct epoll_event events[BATCH];

        for (;;) {
                int n = epoll_wait(set, events, BATCH, -1);

                if (n < 0 && errno != EINTR)
                        rival_fail("epoll_wait");
                for (int i = 0; i < n; ++i)
                        if (events[i].data.ptr)
                                serve(events[i].data.ptr);
                        else
                                accept_all();
        }
        return argument;
}

const char *rival_name(void) {
        return "bare epoll";
}

void rival_start(int fd, unsigned threads) {
        listener = fd;
        set = epoll_create1(EPOLL_CLOEXEC);
        if (set < 0)
                rival_fail("epoll_create1");
        control(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
        idle_start();
        for (unsigned i = 0; i < threads; ++i)
                rival_thread(work, NULL);
}
