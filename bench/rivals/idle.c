/* SPDX-License-Identifier: MIT */

/* See idle.h. */

#include "idle.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct connection *connections;

static time_t now_in_seconds(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        return now.tv_sec;
}

static void *look(void *argument) {
        for (;;) {
                time_t least = now_in_seconds() - (time_t)rival_idle_limit;

                pthread_mutex_lock(&lock);
                for (struct connection *c = connections; c; c = c->next)
                        /* relaxed: only a number */
                        if (atomic_load_explicit(&c->since, memory_order_relaxed) <= least)
                                shutdown(c->session.fd, SHUT_RDWR);
                pthread_mutex_unlock(&lock);
                sleep(1);
        }
        return argument;
}

void idle_start(void) {
        rival_thread(look, NULL);
}

struct connection *idle_add(int fd) {
        struct connection *connection = malloc(sizeof *connection);

        if (!connection)
                rival_fail("memory for a connection");
        session_init(&connection->session, fd);
        atomic_init(&connection->since, now_in_seconds());
        pthread_mutex_lock(&lock);
        connection->previous = NULL;
        connection->next = connections;
        if (connection->next)
                connection->next->previous = connection;
        connections = connection;
        pthread_mutex_unlock(&lock);
        return connection;
}

void idle_move(struct connection *connection) {
        /* relaxed: only a number */
        atomic_store_explicit(&connection->since, now_in_seconds(), memory_order_relaxed);
}

void idle_end(struct connection *connection) {
        pthread_mutex_lock(&lock);
        *(connection->previous ? &connection->previous->next : &connections) = connection->next;
        if (connection->next)
                connection->next->previous = connection->previous;
        pthread_mutex_unlock(&lock);
        close(connection->session.fd); /* and with it goes its place in the set */
        free(connection);
}
