/* SPDX-License-Identifier: MIT */

/*
 * What is done with one connection: read, answer, write, and wait for the next event. Read serve() first, then await().
 *
 *   One request costs a recv(2) and a send(2). A recv that returns less than it was asked for has drained the socket,
 *   and a send likewise has filled it; that is all weir_rearm() wants to know, so nothing is tried until -EAGAIN.
 *   But a recv ends at an urgent byte, too, which any client may send. So the connection asks for WEIR_PRIORITY as well;
 *   once an event has told it, that client is read until -EAGAIN.
 *
 *   It is registered when it has to wait for the first time. A request that came with it is answered before.
 *
 *   Responses to requests that came together go out together, as many as the output holds. While a client does not
 *   read, nothing more is read from it either: it holds one buffer of each kind, and waits for WEIR_WRITABLE alone.
 *
 *   After the last response the socket is shut for writing and read empty: close(2) on unread input would reset the
 *   connection, and the client might lose the response to the reset.
 */

#include "connection.h"

#include "common/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bits of the state. Neither: the connection waits. */
#define SERVED 1U /* some thread owns it */
#define CALLED 2U /* another one came by meanwhile */

/* How often a socket that always has more is read before the thread turns to others. */
#define ROUNDS 4

static const char page[] =
        "<!doctype html>\n"
        "<html lang=\"en\">\n"
        "<meta charset=\"utf-8\">\n"
        "<title>weir</title>\n"
        "<h1>Hello from weir</h1>\n"
        "<p>This page was served by a handful of threads that share one poll. Here is <a href=\"/stats\">what it\n"
        "counts</a>, and here is <a href=\"/plain\">the shortest page</a>.</p>\n"
        "</html>\n";

struct connection *connection_new(int fd, int64_t now) {
        struct connection *connection = malloc(sizeof *connection);

        if (!connection)
                return NULL;
        memset(connection, 0, offsetof(struct connection, input));
        atomic_init(&connection->state, SERVED);
        atomic_init(&connection->since, now);
        atomic_init(&connection->answered, 0);
        connection->fd = fd;
        return connection;
}

static void free_deferred(struct weir_deferred *node) {
        free((char *)node - offsetof(struct connection, deferred));
}

void connection_close(struct connection *connection, struct weir_registry *registry) {
        if (connection->registered)
                weir_deregister(registry, connection->fd);
        close(connection->fd);
        weir_defer(registry, &connection->deferred, free_deferred);
}

/* ---------------------------------------------------------------- ownership */

bool connection_claim(struct connection *connection, bool urgent) {
        /* relaxed: the step below decides */
        unsigned state = atomic_load_explicit(&connection->state, memory_order_relaxed);

        if (urgent)
                /* relaxed: the owner reads it after that step */
                atomic_store_explicit(&connection->urgent, true, memory_order_relaxed);
        /*
         * PAIR(owner): release() of the former owner, with all it did to the connection.
         * PAIR(called): release() of the present owner, who shall see why it was called.
         */
        while (!atomic_compare_exchange_weak_explicit(&connection->state, &state,
                                                      state & SERVED ? SERVED | CALLED : SERVED, memory_order_acq_rel,
                                                      memory_order_relaxed))
                ;
        return !(state & SERVED);
}

bool connection_try_claim(struct connection *connection) {
        unsigned state = 0;

        /* PAIR(owner): as above. */
        return atomic_compare_exchange_strong_explicit(&connection->state, &state, SERVED, memory_order_acquire,
                                                       memory_order_relaxed);
}

/* Lets the connection go. False: somebody came by, and the caller remains the owner, who must look again. */
static bool release(struct connection *connection) {
        unsigned state = SERVED;

        /* PAIR(owner): connection_claim() of the next owner. */
        if (atomic_compare_exchange_strong_explicit(&connection->state, &state, 0, memory_order_release,
                                                    memory_order_relaxed))
                return true;
        /* PAIR(called): connection_claim() */
        atomic_exchange_explicit(&connection->state, SERVED, memory_order_acquire);
        return false;
}

/* ---------------------------------------------------------------- time */

static void stamp(struct connection *connection, int64_t now) {
        /* relaxed: only a number, which the reaper compares */
        atomic_store_explicit(&connection->since, now, memory_order_relaxed);
}

bool connection_is_older(struct connection *connection, int64_t moment) {
        /* relaxed: as above */
        return atomic_load_explicit(&connection->since, memory_order_relaxed) < moment;
}

/* ---------------------------------------------------------------- answers */

uint64_t connection_answered(struct connection *connection) {
        /* relaxed: a number */
        return atomic_load_explicit(&connection->answered, memory_order_relaxed);
}

static void append(struct connection *connection, const struct http_response *response) {
        connection->output_end += (unsigned)http_format(response, connection->output + connection->output_end);
        connection->ending = response->close;
}

static void append_stats(struct connection *connection, struct http_response *response, struct service *service) {
        struct weir_stats stats;
        char json[1024];
        int length;

        weir_registry_stats(service->registry, &stats);
        length = snprintf(json, sizeof json,
                          "{\"registered\":%ju,\"wakers\":%ju,\"batches\":%ju,\"capacity\":%ju,\"waits\":%ju,"
                          "\"events\":%ju,\"stale\":%ju,\"wakes\":%ju,\"eventfd_writes\":%ju,\"requeued\":%ju,"
                          "\"rebuilds\":%ju}\n",
                          (uintmax_t)stats.registered, (uintmax_t)stats.wakers, (uintmax_t)stats.batches,
                          (uintmax_t)stats.capacity, (uintmax_t)stats.waits, (uintmax_t)stats.events,
                          (uintmax_t)stats.stale, (uintmax_t)stats.wakes, (uintmax_t)stats.eventfd_writes,
                          (uintmax_t)stats.requeued, (uintmax_t)stats.rebuilds);
        response->type = "application/json";
        response->body = json;
        response->length = (size_t)length;
        append(connection, response);
}

static bool is_path(const struct http_request *request, const char *path) {
        return request->path_length == strlen(path) && memcmp(request->path, path, request->path_length) == 0;
}

static void answer_request(struct connection *connection, const struct http_request *request, struct service *service,
                           bool last) {
        struct http_response response = { .status = 200 };

        load_bear();
        if (request->method == HTTP_OTHER)
                response = http_plain_status(405);
        else if (request->has_body)
                response = http_plain_status(400);
        else if (is_path(request, "/"))
                response = http_page("text/html", page);
        else if (is_path(request, "/plain"))
                response = http_page("text/plain", "Hello, weir\n");
        else if (!is_path(request, "/stats"))
                response = http_plain_status(404);

        response.without_body = request->method == HTTP_HEAD;
        response.close = last || !request->keep_alive || request->has_body;
        response.keep_alive = request->minor == 0;
        if (response.body)
                append(connection, &response);
        else
                append_stats(connection, &response, service);
}

/*
 * Answers all requests that are complete and for whose responses there is room. drained: nothing more has arrived, so
 * when the server stops, the last one here is the last one.
 */
static void answer(struct connection *connection, struct service *service, bool drained) {
        /* relaxed: it is seen by the time its setter calls, PAIR(called), or claims the connection */
        bool stopping = atomic_load_explicit(service->stopping, memory_order_relaxed);
        uint64_t count = 0;

        while (!connection->ending && connection->input_begin < connection->input_end &&
               CONNECTION_OUTPUT - connection->output_end >= HTTP_RESPONSE_MAX) {
                struct http_response refusal;
                struct http_request request;
                int r = http_parse(connection->input + connection->input_begin,
                                   connection->input_end - connection->input_begin, &request);

                if (r == 0)
                        break;
                ++count;
                if (r < 0) {
                        refusal = http_plain_status((unsigned)-r);
                        refusal.close = true;
                        append(connection, &refusal);
                        break;
                }
                connection->input_begin += (unsigned)r;
                answer_request(connection, &request, service,
                               stopping && drained && connection->input_begin == connection->input_end);
        }
        if (connection->ending || connection->input_begin == connection->input_end)
                connection->input_begin = connection->input_end = 0;
        if (count) {
                connection->partial = false;
                stamp(connection, service->now);
                /* relaxed: one writer; readers want the number alone */
                atomic_store_explicit(&connection->answered, connection_answered(connection) + count,
                                      memory_order_relaxed);
        }
}

/* ---------------------------------------------------------------- input and output */

/* Sends what there is. 0 if all of it went, -EAGAIN if the socket is full, another negative errno if it is broken. */
static int write_output(struct connection *connection, int64_t now) {
        while (connection->output_begin < connection->output_end) {
                size_t size = connection->output_end - connection->output_begin;
                ssize_t n = send(connection->fd, connection->output + connection->output_begin, size, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                stamp(connection, now);
                connection->output_begin += (unsigned)n;
                if ((size_t)n < size)
                        return -EAGAIN;
        }
        connection->output_begin = connection->output_end = 0;
        return 0;
}

/* Reads once. 1 if there may be more, 0 if the socket is drained, -EPIPE at the end of the stream, or another errno. */
static int read_input(struct connection *connection) {
        size_t room;
        ssize_t n;

        memmove(connection->input, connection->input + connection->input_begin,
                connection->input_end - connection->input_begin);
        connection->input_end -= connection->input_begin;
        connection->input_begin = 0;
        room = CONNECTION_INPUT - connection->input_end;
        do
                n = recv(connection->fd, connection->input + connection->input_end, room, 0);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == EAGAIN ? 0 : -errno;
        if (n == 0)
                return -EPIPE;
        connection->input_end += (unsigned)n;
        /* relaxed: see connection_claim() */
        return (size_t)n == room || atomic_load_explicit(&connection->urgent, memory_order_relaxed);
}

/* Serves once. Returns what the connection waits for, WEIR_READABLE or WEIR_WRITABLE or both, or 0 at its end. */
static weir_interest serve(struct connection *connection, struct service *service) {
        bool drained = false;

        for (unsigned round = 0; round < ROUNDS; ++round) {
                int r;

                /* Output first: what waited for room in it stands in the input already. */
                do {
                        r = write_output(connection, service->now);
                        if (r < 0)
                                return r == -EAGAIN ? WEIR_WRITABLE : 0;
                        answer(connection, service, drained);
                } while (connection->output_end > 0);

                if (connection->ending && !connection->ended) {
                        connection->ended = true;
                        shutdown(connection->fd, SHUT_WR);
                }
                if (drained) {
                        bool partial = connection->input_end > 0;

                        /* relaxed: as in answer() */
                        if (!partial && atomic_load_explicit(service->stopping, memory_order_relaxed))
                                return 0;
                        if (partial && !connection->partial)
                                stamp(connection, service->now);
                        connection->partial = partial;
                        return WEIR_READABLE;
                }
                r = read_input(connection);
                if (r < 0)
                        return 0;
                drained = r == 0;
        }
        return WEIR_READABLE | WEIR_WRITABLE;
}

static int await(struct connection *connection, struct weir_registry *registry, weir_interest interest) {
        bool drained = interest != (WEIR_READABLE | WEIR_WRITABLE);
        int r;

        if (interest & WEIR_READABLE)
                interest |= WEIR_PRIORITY;
        if (!connection->registered) {
                r = weir_register(registry, connection->fd, weir_ptr_token(connection), interest | WEIR_ONESHOT);
                connection->registered = r >= 0;
                return r;
        }
        if (!drained)
                /* A fresh look finds it writable at once, and its turn comes after the others'. */
                return weir_reregister(registry, connection->fd, weir_ptr_token(connection), interest | WEIR_ONESHOT);
        return weir_rearm(registry, connection->fd, interest);
}

/* Lets the connection wait for what serve() said, until release() finds nothing more to do. As connection_serve(). */
static bool let_go(struct connection *connection, struct service *service, weir_interest interest) {
        for (;; interest = serve(connection, service)) {
                if (!interest || await(connection, service->registry, interest) < 0)
                        return false;
                if (release(connection))
                        return true;
        }
}

bool connection_serve(struct connection *connection, struct service *service) {
        return let_go(connection, service, serve(connection, service));
}

bool connection_expire(struct connection *connection, int64_t moment, struct service *service) {
        struct http_response timeout = http_plain_status(408);
        weir_interest interest = serve(connection, service);

        /* Something had come, or gone, after all. */
        if (!interest || !connection_is_older(connection, moment))
                return let_go(connection, service, interest);
        if (!connection->partial || connection->output_end > 0 || connection->ending)
                return false;
        timeout.close = true;
        append(connection, &timeout);
        stamp(connection, service->now);
        return connection_serve(connection, service);
}
