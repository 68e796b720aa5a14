/* SPDX-License-Identifier: MIT */

/*
 * echo: sends back whatever is sent to it. Read serve() first, then on_event().
 *
 * A crew of threads calls on_event() for each event. A connection is registered one-shot, and that makes it belong to one thread
 * at a time, without a lock of its own:
 *
 *      armed  -------------------------- an event -------------------------->  on_event(), on some thread
 *        ^                                                                         |        |
 *        +------ weir_rearm(), it has to wait; weir_rearm_afresh(), it has more ---+        |
 *                                                                                           |
 *                                           weir_deregister(), close(), free()  <-----------+
 *
 *   - One event is handed out, and then none until the connection is armed. After that the thread does not touch it again:
 *     another one may have it already.
 *   - Who ends a connection is the only one that knows it. So it is closed and freed at once, without weir_defer(). Were it
 *     registered edge-triggered, or were it ended by who does not own it, that would be wrong: see broker, beside this one.
 *
 * Back-pressure: a connection holds one buffer. While the peer does not read, nothing is read from it either, and the
 * connection waits for WEIR_WRITABLE alone. A peer that never reads keeps its buffer, and occupies no thread.
 *
 * Idle limit: the deadline of the connection's registration, which each turn that moved something sets anew. When it passes, that
 * is an event like others, and comes to who owns the connection then.
 *
 * The signals that end the server are a descriptor like others. Their event stops the crew, whose threads leave, each after the
 * connection it is at; then the connections that are left are closed.
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/crew.h>

#include "common/start.h"

static const char usage[] =
        "Usage: echo [OPTION]...\n"
        "Send back what is sent to a port of the loopback address, until SIGINT or SIGTERM.\n"
        "\n"
        "  --port=N           listen on port N (default 8082; 0 picks a free one)\n"
        "  --workers=N        threads that read and write (default 4)\n"
        "  --idle-timeout=S   close connections over which nothing goes for S seconds (default 300)\n"
        "  --help             print this\n";

#define WORKERS_MAX 256
#define IDLE_MAX    1000000000
#define NS_PER_S    INT64_C(1000000000)

/* How long the listener rests when there are no descriptors. */
#define REST (NS_PER_S / 20)

/* How many buffers one connection echoes, and how many are admitted, before the others get their turn. */
#define ECHO_ROUNDS  8
#define ADMIT_ROUNDS 64

/* Tokens that are no pointers to connections. */
enum {
        TOKEN_LISTENER,
        TOKEN_SIGNALS,
};

struct connection {
        struct connection *previous, *next; /* under the lock */

        /* The owner's. */
        int fd;
        bool moved;        /* something went over it in the last turn */
        size_t begin, end; /* what is read and not yet written */
        char buffer[16384];
};

struct echo {
        struct weir_poll *poll;
        struct weir_crew *crew;
        struct weir_registry *registry;
        int listener, signals;
        weir_time idle_limit;
        pthread_mutex_t lock; /* guards the list */
        struct connection *connections;
};

/* ---------------------------------------------------------------- one connection */

/* What serve() found: the connection waits for one of the two, or for neither, or for nothing any more. */
#define HAS_MORE (WEIR_READABLE | WEIR_WRITABLE)
#define AT_END   0

/* Echoes what can be echoed without waiting. Returns what the connection waits for, HAS_MORE or AT_END. */
static weir_interest serve(struct connection *connection) {
        connection->moved = false;
        for (unsigned round = 0; round < ECHO_ROUNDS;) {
                ssize_t n;

                if (connection->begin < connection->end) {
                        n = send(connection->fd, connection->buffer + connection->begin,
                                 connection->end - connection->begin, MSG_NOSIGNAL);
                        if (n < 0 && errno != EINTR)
                                return errno == EAGAIN ? WEIR_WRITABLE : AT_END;
                        if (n > 0)
                                connection->begin += (size_t)n;
                        connection->moved |= n > 0;
                } else {
                        n = recv(connection->fd, connection->buffer, sizeof connection->buffer, 0);
                        if (n < 0 && errno != EINTR)
                                return errno == EAGAIN ? WEIR_READABLE : AT_END;
                        if (n == 0)
                                return AT_END; /* all that came before has been written */
                        connection->begin = 0;
                        connection->end = n > 0 ? (size_t)n : 0;
                        ++round;
                }
        }
        return HAS_MORE;
}

/* Only for the owner. */
static void end(struct echo *echo, struct connection *connection) {
        pthread_mutex_lock(&echo->lock);
        *(connection->previous ? &connection->previous->next : &echo->connections) = connection->next;
        if (connection->next)
                connection->next->previous = connection->previous;
        pthread_mutex_unlock(&echo->lock);
        weir_deregister(echo->registry, connection->fd);
        close(connection->fd);
        free(connection);
}

/* For an event of the connection, which may be that its deadline has passed. */
static void serve_and_await(struct echo *echo, struct connection *connection, bool late) {
        weir_interest interest = serve(connection);
        int r = 0;

        if (late && !connection->moved)
                interest = AT_END;
        if (connection->moved)
                r = weir_set_deadline(echo->registry, connection->fd,
                                      weir_registry_moment(echo->registry) + echo->idle_limit);
        if (r < 0)
                interest = AT_END;
        if (interest == HAS_MORE)
                /* Not drained: a fresh look makes an event, in turn with those of others. */
                r = weir_rearm_afresh(echo->registry, connection->fd, HAS_MORE);
        else if (interest != AT_END)
                r = weir_rearm(echo->registry, connection->fd, interest);
        if (interest == AT_END || r < 0)
                end(echo, connection);
}

/* ---------------------------------------------------------------- who comes */

static void admit_one(struct echo *echo, int fd) {
        struct connection *connection = calloc(1, sizeof *connection);

        if (!connection) {
                close(fd);
                return;
        }
        connection->fd = fd;
        pthread_mutex_lock(&echo->lock);
        connection->next = echo->connections;
        if (connection->next)
                connection->next->previous = connection;
        echo->connections = connection;
        pthread_mutex_unlock(&echo->lock);
        /* Held until it has its deadline: once it is armed, it may be another thread's. */
        if (weir_register(echo->registry, fd, weir_ptr_token(connection), WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD) <
                    0 ||
            weir_set_deadline(echo->registry, fd, weir_registry_moment(echo->registry) + echo->idle_limit) < 0 ||
            weir_rearm(echo->registry, fd, WEIR_READABLE) < 0)
                end(echo, connection);
}

static void admit(struct echo *echo) {
        for (unsigned round = 0; round < ADMIT_ROUNDS; ++round) {
                int fd = accept4(echo->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd >= 0) {
                        admit_one(echo, fd);
                } else if (errno == EAGAIN) {
                        return;
                } else if (errno != EINTR && errno != ECONNABORTED) {
                        /* No descriptors. Who waits has made his edge, so a deadline has another look. */
                        weir_set_deadline(echo->registry, echo->listener, weir_now() + REST);
                        return;
                }
        }
        /* Somebody may wait who has made his edge already. */
        weir_reregister(echo->registry, echo->listener, TOKEN_LISTENER, WEIR_READABLE);
}

static void on_event(struct weir_crew *crew, const struct weir_event *event, void *data) {
        if (event->token == TOKEN_SIGNALS)
                weir_crew_stop(crew);
        else if (event->token == TOKEN_LISTENER)
                admit(data);
        else
                serve_and_await(data, weir_token_ptr(event->token), weir_event_is_timeout(event));
}

/* ---------------------------------------------------------------- begin and end */

/* Makes all there is. Even if it fails echo_close() must follow. */
static int echo_open(struct echo *echo, uint16_t *port) {
        int r;

        echo->signals = open_signals(); /* before there are threads, so that they have them blocked, too */
        if (echo->signals < 0)
                return echo->signals;
        echo->listener = listen_on_loopback(port);
        if (echo->listener < 0)
                return echo->listener;
        r = weir_poll_create(&echo->poll);
        if (r < 0)
                return r;
        r = weir_crew_create(echo->poll, on_event, echo, &echo->crew);
        if (r < 0)
                return r;
        echo->registry = weir_crew_registry(echo->crew);
        r = weir_register(echo->registry, echo->signals, TOKEN_SIGNALS, WEIR_READABLE);
        if (r < 0)
                return r;
        r = weir_register(echo->registry, echo->listener, TOKEN_LISTENER, WEIR_READABLE);
        if (r < 0)
                return r;
        /* A first deadline needs memory. This one is had now, so that admit() can rely on it later. */
        return weir_set_deadline(echo->registry, echo->listener, weir_now());
}

static void echo_close(struct echo *echo) {
        while (echo->connections) /* with no other thread left, they are the caller's */
                end(echo, echo->connections);
        weir_crew_destroy(echo->crew);
        weir_poll_destroy(echo->poll);
        if (echo->listener >= 0)
                close(echo->listener);
        if (echo->signals >= 0)
                close(echo->signals);
}

int main(int argc, char **argv) {
        unsigned long number = 8082, workers = 4, idle_timeout = 300;
        const struct number_option options[] = {
                { "port", 0, UINT16_MAX, &number },
                { "workers", 1, WORKERS_MAX, &workers },
                { "idle-timeout", 1, IDLE_MAX, &idle_timeout },
                { .name = NULL },
        };
        struct echo echo = { .lock = PTHREAD_MUTEX_INITIALIZER, .listener = -1, .signals = -1 };
        uint16_t port;
        int r;

        r = parse_number_options(argc, argv, usage, options);
        if (r > 0)
                return r - 1;
        port = (uint16_t)number;
        echo.idle_limit = (weir_time)idle_timeout * NS_PER_S;
        r = echo_open(&echo, &port);
        if (r == 0) {
                printf("listening on 127.0.0.1:%u\n", port);
                fflush(stdout);
                r = weir_crew_run(echo.crew, (unsigned)workers);
        }
        if (r < 0)
                fprintf(stderr, "echo: cannot serve port %lu: %s\n", number, strerror(-r));
        echo_close(&echo);
        return r < 0 ? 1 : 0;
}
