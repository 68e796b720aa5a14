/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A connection is served by one thread at a time. Its state says whether one does:
 *
 *                   connection_claim(): an event, the reaper, the end of the server
 *      WAITING ---------------------------------------------------------------> SERVED
 *   armed, nobody's  <-------------------------------------------------------  the claimer's
 *                   connection_serve(), when nothing more can be done
 *
 * Who comes second leaves a note, CALLED, and goes: the owner then looks once more before it lets go. So the one-shot's
 * event, which comes only once, is not lost when the reaper looks at the same moment, and neither waits for the other.
 */

#include <weir/weir.h>

#include <stdatomic.h>

#include "http.h"

/* Room for a whole head, and for a few responses: what a client that does not read can make the server keep. */
#define CONNECTION_INPUT  HTTP_HEAD_MAX
#define CONNECTION_OUTPUT 8192

struct connection {
        /* Read and written by any thread. */
        _Atomic(unsigned) state;
        atomic_bool urgent;         /* urgent data has come: a short count does not say any more that all was read */
        _Atomic(int64_t) since;     /* when the connection fell idle, its request began, or its output last moved */
        _Atomic(uint64_t) answered; /* requests; written by the owner */

        /* The server's, under its lock; see server.c. */
        struct connection *previous, *next;

        /* The owner's. */
        struct connection *next_claimed;
        struct weir_deferred deferred;
        int fd;
        bool registered;
        bool partial; /* a request has begun to arrive */
        bool ending;  /* the last response is written or on its way; what still comes in is thrown away */
        bool ended;   /* the client has been told so */
        unsigned input_begin, input_end;
        unsigned output_begin, output_end;
        char input[CONNECTION_INPUT];
        char output[CONNECTION_OUTPUT];
};

/* What a thread brings along to serve connections. */
struct service {
        struct weir_registry *registry;
        int64_t now;                 /* coarse */
        const atomic_bool *stopping; /* finish what is in flight, then end */
};

/* A connection of an accepted socket, which it takes over. The caller owns it: SERVED. NULL when out of memory. */
struct connection *connection_new(int fd, int64_t now);

/* Closes the socket, and frees the connection once no open batch can name it. Only for the owner. */
void connection_close(struct connection *connection, struct weir_registry *registry);

/*
 * Makes the caller the owner, or leaves a note to the one there is and returns false.
 *   urgent  the caller got an event that tells of urgent data
 */
bool connection_claim(struct connection *connection, bool urgent);

/* As connection_claim(), but without a note. */
bool connection_try_claim(struct connection *connection);

/*
 * Reads, answers, writes: all that can be done without waiting. True: the connection waits for its next event, and is
 * no longer the caller's. False: it is at its end; the caller still owns it and must close it.
 */
bool connection_serve(struct connection *connection, struct service *service);

/* How many requests have been answered. Any thread may ask. */
uint64_t connection_answered(struct connection *connection);

/* Whether it has been waiting since before a moment. Any thread may ask. */
bool connection_is_older(struct connection *connection, int64_t moment);

/*
 * Serves a connection that has been waiting since before a moment, and if that changes nothing, answers 408 if a
 * request has begun to arrive. As connection_serve(); false also if there is nothing to say.
 */
bool connection_expire(struct connection *connection, int64_t moment, struct service *service);
