/* SPDX-License-Identifier: MIT */

/*
 * One thread waits, as many as asked for work: what became ready goes through a queue, under a lock, to whoever sleeps on it.
 * Everything is EPOLLONESHOT, so a connection is with one worker at a time. Read wait_for_all() and work().
 */

#include "rival.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 64

/* A connection in the queue. */
struct job {
        struct session session;
        struct job *next;
};

/* Written before there are threads. */
static int set, listener;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static struct job *first, **last = &first; /* under the lock */

static void control(int operation, int fd, uint32_t events, void *pointer) {
        struct epoll_event event = { .events = events | EPOLLONESHOT, .data.ptr = pointer };

        if (epoll_ctl(set, operation, fd, &event) < 0)
                rival_fail("epoll_ctl");
}

static void take_in(int fd) {
        struct job *job = malloc(sizeof *job);

        if (!job)
                rival_fail("memory for a connection");
        session_init(&job->session, fd);
        control(EPOLL_CTL_ADD, fd, EPOLLIN, job);
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

static void give(struct job *job) {
        job->next = NULL;
        pthread_mutex_lock(&lock);
        *last = job;
        last = &job->next;
        pthread_mutex_unlock(&lock);
        pthread_cond_signal(&filled);
}

static struct job *take(void) {
        struct job *job;

        pthread_mutex_lock(&lock);
        while (!first)
                pthread_cond_wait(&filled, &lock);
        job = first;
        first = job->next;
        if (!first)
                last = &first;
        pthread_mutex_unlock(&lock);
        return job;
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
                struct job *job = take();

                switch (session_serve(&job->session)) {
                case NEED_INPUT:
                        control(EPOLL_CTL_MOD, job->session.fd, EPOLLIN, job);
                        break;
                case NEED_ROOM:
                        control(EPOLL_CTL_MOD, job->session.fd, EPOLLOUT, job);
                        break;
                case NEED_NOTHING:
                        close(job->session.fd); /* and with it goes its place in the set */
                        free(job);
                }
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
        rival_thread(wait_for_all, NULL);
        for (unsigned i = 0; i < threads; ++i)
                rival_thread(work, NULL);
}
