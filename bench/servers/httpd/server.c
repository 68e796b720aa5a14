/* SPDX-License-Identifier: MIT */

/*
 * The server: a function that a crew calls for each event. Read on_event() first, then stop(). A connection's life is in
 * connection.c.
 *
 * All are one-shot, the listener, too: whoever has an event of one owns it until it is given back. So nobody keeps a list of the
 * connections. To end the server is to say so in a flag and to call weir_trigger_all(): each connection gets an event, now or when
 * its owner gives it back, and is closed by whoever gets that. The last one stops the crew.
 *
 * When there are no descriptors left, the listener is armed for nothing, and has a deadline: then it is tried again.
 */

#include "server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/start.h"

#define NS_PER_S INT64_C(1000000000)

/* How many clients are accepted before other events get their turn. */
#define ACCEPT_ROUND 64

/* How long the listener rests for want of descriptors, and how long what is in flight may take when the server ends. */
#define REST  (NS_PER_S / 20)
#define GRACE (5 * NS_PER_S)

/* Tokens that are no pointers to connections. */
enum {
        TOKEN_LISTENER,
        TOKEN_SIGNALS,
        TOKEN_STATUS,
        TOKEN_GRACE,
};

/* ---------------------------------------------------------------- clients */

static void take_away_one(struct server *server) {
        /* relaxed: a count; what others did is of no concern to who stops the crew */
        if (atomic_fetch_sub_explicit(&server->present, 1, memory_order_relaxed) == 1)
                weir_crew_stop(server->crew);
}

static void drop(struct server *server, struct connection *connection) {
        connection_close(connection, &server->service);
        take_away_one(server);
}

static void serve(struct server *server, struct connection *connection, const struct weir_event *event) {
        if (!connection_serve(connection, &server->service, event))
                drop(server, connection);
}

static void take_in(struct server *server, int fd) {
        struct connection *connection = connection_new(fd);

        if (!connection) {
                close(fd);
                return;
        }
        /* relaxed: the listener is present, too */
        atomic_fetch_add_explicit(&server->present, 1, memory_order_relaxed);
        if (!connection_begin(connection, &server->service))
                drop(server, connection);
}

/* Accepts who has come, and gives the listener back. */
static void accept_clients(struct server *server) {
        struct weir_registry *registry = server->service.registry;
        int r;

        for (unsigned i = 0; i < ACCEPT_ROUND; ++i) {
                int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd >= 0) {
                        take_in(server, fd);
                } else if (errno == EAGAIN) {
                        weir_rearm(registry, server->listener, WEIR_READABLE);
                        return;
                } else if (errno != EINTR && errno != ECONNABORTED) {
                        r = weir_set_deadline(registry, server->listener, weir_now() + REST);
                        weir_rearm(registry, server->listener, r < 0 ? WEIR_READABLE : 0);
                        return;
                }
        }
        /* An event comes for whoever waits to be accepted already, and its turn comes after the others'. */
        weir_rearm_afresh(registry, server->listener, WEIR_READABLE);
}

static void end_listener(struct server *server) {
        weir_deregister(server->service.registry, server->listener);
        close(server->listener);
        server->listener = -1;
        take_away_one(server);
}

/* ---------------------------------------------------------------- the end */

static enum stage stage_of(struct server *server) {
        /* relaxed: as in connection.c */
        return atomic_load_explicit(&server->service.stage, memory_order_relaxed);
}

static void go_on_to(struct server *server, enum stage stage) {
        /* relaxed: the triggers carry it */
        atomic_store_explicit(&server->service.stage, stage, memory_order_relaxed);
        weir_trigger_all(server->service.registry);
}

/* Accepts no more, answers what has arrived, closes what is idle. */
static void stop(struct server *server) {
        int r;

        if (stage_of(server) != RUNNING)
                return;
        r = weir_waker_set_deadline(server->grace, weir_now() + GRACE);
        go_on_to(server, r < 0 ? ENDING : STOPPING);
}

/* ---------------------------------------------------------------- the status line */

static uint64_t count_answered(struct server *server) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < SHARDS; ++i)
                /* relaxed: a number */
                sum += atomic_load_explicit(&server->service.answered[i].count, memory_order_relaxed);
        return sum;
}

static void show_status(struct server *server) {
        /* relaxed: a number */
        uint64_t present = atomic_load_explicit(&server->present, memory_order_relaxed);
        uint64_t answered = count_answered(server);
        struct weir_stats stats;

        weir_registry_stats(server->service.registry, &stats);
        printf("\r%" PRIu64 " connections, %" PRIu64 " requests/s, %" PRIu64 " stale events dropped, %" PRIu64
               " wakes\033[K",
               present - (stage_of(server) == RUNNING), answered - server->told, stats.stale, stats.wakes);
        fflush(stdout);
        server->told = answered;
        weir_waker_set_deadline(server->status, weir_now() + NS_PER_S);
}

/* ---------------------------------------------------------------- the crew */

static void on_event(struct weir_crew *crew, const struct weir_event *event, void *data) {
        struct server *server = data;

        (void)crew;
        switch (event->token) {
        case TOKEN_LISTENER:
                if (stage_of(server) == RUNNING)
                        accept_clients(server);
                else
                        end_listener(server);
                break;
        case TOKEN_SIGNALS:
                stop(server);
                break;
        case TOKEN_STATUS:
                show_status(server);
                break;
        case TOKEN_GRACE:
                go_on_to(server, ENDING);
                break;
        default:
                serve(server, weir_token_ptr(event->token), event);
        }
}

int server_run(struct server *server, unsigned threads, bool show) {
        int r;

        if (show) {
                r = weir_waker_set_deadline(server->status, weir_now());
                if (r < 0)
                        return r;
        }
        r = weir_crew_run(server->crew, threads);
        if (show)
                printf("\n");
        return r;
}

int server_open(struct server *server, uint16_t *port, int64_t idle_timeout) {
        struct weir_registry *registry;
        int r;

        *server = (struct server){ .listener = -1, .signals = -1, .present = 1 };
        r = server->signals = open_signals(); /* before there are threads, so that they have them blocked, too */
        if (r >= 0)
                r = server->listener = listen_on_loopback(port);
        if (r >= 0)
                r = weir_poll_create(&server->poll);
        if (r >= 0)
                r = weir_crew_create(server->poll, on_event, server, &server->crew);
        if (r < 0)
                return r;
        registry = weir_crew_registry(server->crew);
        server->service.registry = registry;
        server->service.idle_timeout = idle_timeout;
        r = weir_waker_create(registry, TOKEN_STATUS, &server->status);
        if (r >= 0)
                r = weir_waker_create(registry, TOKEN_GRACE, &server->grace);
        if (r >= 0)
                r = weir_register(registry, server->signals, TOKEN_SIGNALS, WEIR_READABLE);
        if (r >= 0)
                r = weir_register(registry, server->listener, TOKEN_LISTENER, WEIR_READABLE | WEIR_ONESHOT);
        return r;
}

void server_close(struct server *server) {
        weir_crew_destroy(server->crew);
        weir_waker_destroy(server->status);
        weir_waker_destroy(server->grace);
        weir_poll_destroy(server->poll);
        if (server->listener >= 0)
                close(server->listener);
        if (server->signals >= 0)
                close(server->signals);
}
