/* SPDX-License-Identifier: MIT */

/*
 * What is done with one connection: read, answer, write, and wait for the next event. Read serve() first, then await().
 *
 *   One request costs a recv(2) and a send(2). A recv that returns less than it was asked for has drained the socket,
 *   and a send likewise has filled it; that is all weir_rearm() wants to know, so nothing is tried until -EAGAIN.
 *   But a recv ends at an urgent byte, too, which any client may send. So the connection asks for WEIR_PRIORITY as well;
 *   once an event has told it, that client is read until -EAGAIN.
 *
 *   It is registered when it is accepted, before anything is read. So a request that came with it is answered by whoever gets
 *   the event: when many clients come at once, all threads answer them, and not the one alone that accepts.
 *
 *   Its idle limit is the deadline of its registration. What moves it is noted, so that await() sets it once for all that
 *   was done, which costs a store. When it passes, the event comes to one thread, like any other: so does the word that the
 *   server is about to end.
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

struct connection *connection_new(int fd) {
        struct connection *connection = malloc(sizeof *connection);

        if (!connection)
                return NULL;
        memset(connection, 0, offsetof(struct connection, input));
        connection->fd = fd;
        connection->moved = true;
        return connection;
}

void connection_close(struct connection *connection, struct service *service) {
        if (connection->registered)
                weir_deregister(service->registry, connection->fd);
        close(connection->fd);
        free(connection);
}

static enum stage stage_of(struct service *service) {
        /* relaxed: it is seen by who registers after it was written, or gets the trigger that came then */
        return atomic_load_explicit(&service->stage, memory_order_relaxed);
}

/* ---------------------------------------------------------------- answers */

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
        bool stopping = stage_of(service) != RUNNING;
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
                connection->moved = true;
                /* relaxed: a number */
                atomic_fetch_add_explicit(&service->answered[(unsigned)connection->fd % SHARDS].count, count,
                                          memory_order_relaxed);
        }
}

/* ---------------------------------------------------------------- input and output */

/* Sends what there is. 0 if all of it went, -EAGAIN if the socket is full, another negative errno if it is broken. */
static int write_output(struct connection *connection) {
        while (connection->output_begin < connection->output_end) {
                size_t size = connection->output_end - connection->output_begin;
                ssize_t n = send(connection->fd, connection->output + connection->output_begin, size, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                connection->moved = true;
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
        return (size_t)n == room || connection->urgent;
}

/* Serves once. Returns what the connection waits for, WEIR_READABLE or WEIR_WRITABLE or both, or 0 at its end. */
static weir_interest serve(struct connection *connection, struct service *service) {
        bool drained = false;

        for (unsigned round = 0; round < ROUNDS && stage_of(service) != ENDING; ++round) {
                int r;

                /* Output first: what waited for room in it stands in the input already. */
                do {
                        r = write_output(connection);
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

                        if (!partial && stage_of(service) != RUNNING)
                                return 0;
                        if (partial && !connection->partial)
                                connection->moved = true;
                        connection->partial = partial;
                        return WEIR_READABLE;
                }
                r = read_input(connection);
                if (r < 0)
                        return 0;
                drained = r == 0;
        }
        return stage_of(service) == ENDING ? 0 : WEIR_READABLE | WEIR_WRITABLE;
}

/*
 * Sets the deadline if it is to move, then gives the connection back: to whoever gets its next event. 0 or a negative errno; or 1, and the caller
 * still owns it and is to look once more.
 */
static int await(struct connection *connection, struct service *service, weir_interest interest) {
        struct weir_registry *registry = service->registry;
        bool first = !connection->registered, drained = interest != (WEIR_READABLE | WEIR_WRITABLE);
        enum stage stage = stage_of(service);
        int r;

        if (interest & WEIR_READABLE)
                interest |= WEIR_PRIORITY;
        if (first) {
                r = weir_register(registry, connection->fd, weir_ptr_token(connection),
                                  interest | WEIR_ONESHOT | WEIR_HELD);
                if (r < 0)
                        return r;
                connection->registered = true;
                /* weir_trigger_all() finds a registration, or who has made it sees here why it was called. */
                if (stage_of(service) != stage)
                        return 1;
        }
        if (connection->moved && service->idle_timeout != WEIR_NEVER) {
                r = weir_set_deadline(registry, connection->fd, weir_registry_moment(registry) + service->idle_timeout);
                if (r < 0)
                        return r;
        }
        connection->moved = false;
        if (!drained)
                /* A fresh look finds it writable at once, and its turn comes after the others'. */
                return weir_rearm_afresh(registry, connection->fd, interest);
        return weir_rearm(registry, connection->fd, interest);
}

/* Nothing has come or gone for too long. Returns what the connection waits for now, as serve(). */
static weir_interest expire(struct connection *connection, struct service *service) {
        struct http_response timeout = http_plain_status(408);

        if (!connection->partial || connection->output_end > 0 || connection->ending)
                return 0;
        timeout.close = true;
        append(connection, &timeout);
        connection->moved = true;
        return serve(connection, service);
}

/* Gives the connection back, or serves it until that can be done. Returns as connection_serve(). */
static bool give_back(struct connection *connection, struct service *service, weir_interest interest) {
        while (interest) {
                int r = await(connection, service, interest);

                if (r <= 0)
                        return r == 0;
                interest = serve(connection, service);
        }
        return false;
}

bool connection_begin(struct connection *connection, struct service *service) {
        return give_back(connection, service, WEIR_READABLE);
}

bool connection_serve(struct connection *connection, struct service *service, const struct weir_event *event) {
        weir_interest interest;

        if (weir_event_is_priority(event))
                connection->urgent = true;
        interest = serve(connection, service);
        if (interest && weir_event_is_timeout(event) && !connection->moved)
                interest = expire(connection, service);
        return give_back(connection, service, interest);
}
