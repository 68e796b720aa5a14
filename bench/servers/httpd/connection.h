/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A connection belongs to one thread at a time: it is registered one-shot, and an event, be it of data, of its deadline or of
 * weir_trigger_all(), comes to one thread, and then none until that one gives it back. So nothing here is locked.
 */

#include <weir/weir.h>

#include <stdatomic.h>

#include "http.h"

/* Room for a whole head, and for a few responses: what a client that does not read can make the server keep. */
#define CONNECTION_INPUT  HTTP_HEAD_MAX
#define CONNECTION_OUTPUT 8192

struct connection {
        int fd;
        bool registered;
        bool urgent;  /* urgent data has come: a short count does not say any more that all was read */
        bool partial; /* a request has begun to arrive */
        bool ending;  /* the last response is written or on its way; what still comes in is thrown away */
        bool ended;   /* the client has been told so */
        bool moved;   /* it is new, a request has begun or ended, or output has gone: its deadline is to be set anew */
        unsigned input_begin, input_end;
        unsigned output_begin, output_end;
        char input[CONNECTION_INPUT];
        char output[CONNECTION_OUTPUT];
};

/* How far the server is. */
enum stage {
        RUNNING,
        STOPPING, /* what is in flight is finished; what is idle is closed */
        ENDING,   /* all is closed */
};

/* Counters of requests, by descriptor, so that threads do not write to one place. */
#define SHARDS 16

/* What all connections share. */
struct service {
        struct weir_registry *registry;
        int64_t idle_timeout;      /* nanoseconds, or WEIR_NEVER */
        _Atomic(enum stage) stage; /* who changes it calls weir_trigger_all() then */
        struct {
                _Alignas(64) _Atomic(uint64_t) count;
        } answered[SHARDS];
};

/* A connection of an accepted socket, which it takes over. The caller owns it. NULL when out of memory. */
struct connection *connection_new(int fd);

/* Closes the socket, and frees the connection. Only for the owner, who is the only one that knows it. */
void connection_close(struct connection *connection, struct service *service);

/* Has a new connection wait for its first event. Returns as connection_serve(). */
bool connection_begin(struct connection *connection, struct service *service);

/*
 * Reads, answers, writes: all that can be done without waiting.
 *   event  by which the caller owns it
 * True: the connection waits for its next event, and is no longer the caller's. False: it is at its end; the caller still owns it
 * and must close it.
 */
bool connection_serve(struct connection *connection, struct service *service, const struct weir_event *event);
