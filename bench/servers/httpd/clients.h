/* SPDX-License-Identifier: MIT */
#pragma once

/* The connections of a server, and the listening socket by which they come: accepting, reaping, and the end. */

#include <pthread.h>
#include <weir/crew.h>

#include "connection.h"

struct clients {
        pthread_mutex_t lock; /* guards all down to over */
        pthread_cond_t news;  /* stopping, or over */
        struct connection *connections;
        uint64_t count;     /* of connections */
        uint64_t answered;  /* requests, on connections that are no more */
        unsigned accepting; /* threads inside clients_accept() */
        int64_t stopped_at;
        bool over; /* stopping, and neither connections nor accepting threads are left */

        atomic_bool stopping; /* written under the lock, read anywhere */
        atomic_bool full;     /* out of descriptors: the listener is not armed */

        int listener;
        weir_token token;       /* of the listener */
        struct weir_crew *crew; /* is stopped when over */
};

void clients_init(struct clients *clients);

/* When no other thread can be inside: closes the listener and the connections there still are. */
void clients_deinit(struct clients *clients, struct weir_registry *registry);

/* Listens on a port of the loopback address, 0 for a free one, which it writes back. 0 or a negative errno. */
int clients_listen(struct clients *clients, struct weir_registry *registry, weir_token token, uint16_t *port);

/* Accepts who has come. To be called for an event of the listener. */
void clients_accept(struct clients *clients, struct service *service);

/* Serves a connection that the caller has claimed, and closes it at its end. */
void clients_serve(struct clients *clients, struct connection *connection, struct service *service);

/* Closes the connections that have waited since before a moment, with 408 if a request has begun to arrive. */
void clients_reap(struct clients *clients, int64_t moment, struct service *service);

/* Accepts no more, answers what has arrived, closes what is idle. What is in flight goes on until over. */
void clients_stop(struct clients *clients, struct service *service);

/* All is over at once, whatever is in flight. */
void clients_end(struct clients *clients);

/* Sleeps for a time in nanoseconds, or less when there is news. Returns whether all is over. */
bool clients_sleep(struct clients *clients, int64_t ns);

/* How many connections there are, and how many requests have been answered so far. */
void clients_count(struct clients *clients, uint64_t *ret_count, uint64_t *ret_answered);
