/* SPDX-License-Identifier: MIT */
#pragma once

/* The connections, and the workers that serve them, with the queue in between. */

#include <weir/weir.h>

#include <pthread.h>

#define WORKERS_MAX 256

struct connection;

struct pool {
        struct weir_registry *registry; /* borrowed; the workers have clones of it */
        int listener;                   /* registered edge-triggered, under this token */
        weir_token token;

        pthread_mutex_t lock; /* guards what follows, and the links of the connections */
        pthread_cond_t filled;
        struct connection *first, *last; /* the queue */
        struct connection *connections;  /* all there are */
        bool ended;                      /* nothing is taken from the queue any more */

        unsigned count; /* of workers */
        pthread_t workers[WORKERS_MAX];
};

/*
 * Listens on a port of the loopback address, 0 for a free one, which it writes back, and starts the workers. 0; or a
 * negative errno, and nothing is left.
 */
int pool_open(struct pool *pool, struct weir_registry *registry, weir_token token, uint16_t *port, unsigned workers);

/* Joins the workers and closes all connections. When nothing waits on the poll any more. */
void pool_close(struct pool *pool);

/* For the waiter, which got an event of the listener. */
void pool_admit(struct pool *pool);

/* Gives a connection to the workers. The caller owns it, by its event for instance, and from now on knows it no more. */
void pool_queue(struct pool *pool, struct connection *connection);
