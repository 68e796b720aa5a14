/* SPDX-License-Identifier: MIT */

/*
 * One thread waits, as many as asked for work: what became ready goes through a queue, under a lock, to whoever sleeps on it.
 * Everything is EPOLLONESHOT, so a connection is with one worker at a time. Read wait_for_all() and work().
 */

#include "idle.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define BATCH 64

/* Written before there are threads. */
static int set, listener;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static struct connection *first, **last = &first; /* under the lock */

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

static void give(struct connection *connection) {
        connection->next_ready = NULL;
        pthread_mutex_lock(&lock);
        *last = connection;
        last = &connection->next_ready;
        pthread_mutex_unlock(&lock);
        pthread_cond_signal(&filled);
}

static struct connection *take(void) {
        struct connection *connection;

        pthread_mutex_lock(&lock);
        while (!first)
                pthread_cond_wait(&filled, &lock);
        connection = first;
        first = connection->next_ready;
        if (!first)
                last = &first;
        pthread_mutex_unlock(&lock);
        return connection;
}

static void *wait_for_all(void *argument) {
        struct epoll_event events[BATCH];

        for (;;) {
                int n = epoll_wait(set, events, BATCH, -1);

                if (n < 0 && errno != EINTR)
                        rival_fail("epoll_wait");
                for (int i = 0; i < n; ++i)
                        if (events[i].data.ptr)
                                give(events[i].data.ptr);
                        else
                                accept_all();
        }
        return argument;
}

static void *work(void *argument) {
        for (;;) {
                struct connection *connection = take();

                enum need need = session_serve(&connection->session);

                if (need == NEED_NOTHING) {
                        idle_end(connection);
                        continue;
                }
                idle_move(connection);
                control(EPOLL_CTL_MOD, connection->session.fd, need == NEED_ROOM ? EPOLLOUT : EPOLLIN, connection);
        }
        return argument;
}

const char *rival_name(void) {
        return "bare epoll and a queue";
}

void rival_start(int fd, unsigned threads) {
        listener = fd;
        set = epoll_create1(EPOLL_CLOEXEC);
        if (set < 0)
                rival_fail("epoll_create1");
        control(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
        idle_start();
        rival_thread(wait_for_all, NULL);
        for (unsigned i = 0; i < threads; ++i)
                rival_thread(work, NULL);
}
