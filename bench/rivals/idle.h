/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The idle limit of servers on bare epoll: a thread of its own looks through all connections, once a second. What has been idle
 * for too long it shuts down, which makes an event for whoever gets it. It holds a lock meanwhile, without which no connection
 * is closed.
 */

#include "rival.h"

#include <stdatomic.h>
#include <time.h>

struct connection {
        struct session session;
        _Atomic(time_t) since;              /* when the last request came; written by the owner */
        struct connection *previous, *next; /* under the lock */
        struct connection *next_ready;      /* the owner's */
};

/* Starts that thread. */
void idle_start(void);

/* A connection of an accepted socket. */
struct connection *idle_add(int fd);

/* It is idle from now on. */
void idle_move(struct connection *connection);

/* Closes and frees it. */
void idle_end(struct connection *connection);
