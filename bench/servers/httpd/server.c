/* SPDX-License-Identifier: MIT */

/*
 * The server: threads that take turns at waiting and serve what they get, and a reaper. Read work() first; it is the
 * loop of a program that uses weir with threads. The turn is in turn.h, a connection's life in connection.c, and how
 * connections come and go in clients.c.
 */

#include "server.h"

#include <errno.h>
#include <stdlib.h>

#include "clients.h"
#include "turn.h"

#define NS_PER_S INT64_C(1000000000)

/* How many events a thread takes at once. */
#define BATCH 64

/* Tokens that are no pointers. */
enum {
        TOKEN_LISTENER,
        TOKEN_STOPPER,
};

struct worker {
        struct server *server;
        struct weir_events *events;
        struct service service;
        pthread_t thread;
        bool running;
};

struct server {
        struct weir_poll *poll;
        struct weir_waker *stopper;
        struct turn turn;
        struct clients clients;
        uint16_t port;
        int64_t idle_timeout;
        unsigned threads;
        struct worker workers[]; /* as many as threads, and the reaper */
};

static int64_t coarse_now(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* ---------------------------------------------------------------- the threads */

static void handle(struct worker *worker, const struct weir_event *event) {
        struct server *server = worker->server;
        struct connection *connection;

        switch (event->token) {
        case TOKEN_LISTENER:
                clients_accept(&server->clients, &worker->service);
                break;
        case TOKEN_STOPPER: /* woken by a signal, and again when the last connection is closed */
                clients_stop(&server->clients, &worker->service);
                if (clients_are_over(&server->clients))
                        turn_end(&server->turn);
                break;
        default:
                connection = weir_token_ptr(event->token);
                if (connection_claim(connection, weir_event_is_priority(event)))
                        clients_serve(&server->clients, connection, &worker->service);
        }
}

static void *work(void *argument) {
        struct worker *worker = argument;
        struct server *server = worker->server;
        struct weir_event event;

        while (turn_take(&server->turn)) {
                int n = weir_poll_wait(server->poll, worker->events, NULL);

                turn_pass(&server->turn, n == BATCH);
                worker->service.now = coarse_now();
                while (weir_events_next(worker->events, &event))
                        handle(worker, &event);
                weir_events_clear(worker->events); /* it may be long until the next turn, and what is deferred waits */
        }
        return NULL;
}

static void *reap(void *argument) {
        struct worker *worker = argument;
        struct server *server = worker->server;
        int64_t period = server->idle_timeout / 4 < NS_PER_S ? server->idle_timeout / 4 : NS_PER_S;

        while (!clients_sleep(&server->clients, period)) {
                worker->service.now = coarse_now();
                clients_reap(&server->clients, worker->service.now - server->idle_timeout, &worker->service);
        }
        return NULL;
}

int server_start(struct server *server) {
        for (unsigned i = 0; i <= server->threads; ++i) {
                struct worker *worker = &server->workers[i];
                int r = pthread_create(&worker->thread, NULL, i < server->threads ? work : reap, worker);

                if (r > 0)
                        return -r;
                worker->running = true;
        }
        return 0;
}

/* ---------------------------------------------------------------- making and end */

static int fill(struct server *server, const struct server_options *options) {
        struct weir_registry *registry;
        int r;

        r = weir_poll_create(&server->poll);
        if (r < 0)
                return r;
        registry = weir_poll_registry(server->poll);
        r = weir_waker_create(registry, TOKEN_STOPPER, &server->stopper);
        if (r < 0)
                return r;
        server->clients.on_over = server->stopper;
        for (unsigned i = 0; i <= server->threads; ++i) {
                struct worker *worker = &server->workers[i];

                worker->server = server;
                worker->service.registry = weir_registry_clone(registry);
                worker->service.stopping = &server->clients.stopping;
                r = weir_events_create(BATCH, &worker->events);
                if (r < 0)
                        return r;
        }
        server->port = options->port;
        return clients_listen(&server->clients, registry, TOKEN_LISTENER, &server->port);
}

int server_create(const struct server_options *options, struct server **ret_server) {
        struct server *server;
        int r;

        server = calloc(1, sizeof *server + (options->threads + 1) * sizeof *server->workers);
        if (!server)
                return -ENOMEM;
        server->idle_timeout = options->idle_timeout;
        server->threads = options->threads;
        turn_init(&server->turn);
        clients_init(&server->clients);
        r = fill(server, options);
        if (r < 0) {
                server_destroy(server);
                return r;
        }
        *ret_server = server;
        return 0;
}

void server_destroy(struct server *server) {
        if (!server)
                return;
        clients_end(&server->clients);
        turn_end(&server->turn);
        weir_waker_wake(server->stopper);
        for (unsigned i = 0; i <= server->threads; ++i)
                if (server->workers[i].running)
                        pthread_join(server->workers[i].thread, NULL);

        clients_deinit(&server->clients, weir_poll_registry(server->poll));
        for (unsigned i = 0; i <= server->threads; ++i) {
                weir_events_destroy(server->workers[i].events);
                weir_registry_release(server->workers[i].service.registry);
        }
        weir_waker_destroy(server->stopper);
        weir_poll_destroy(server->poll);
        turn_deinit(&server->turn);
        free(server);
}

/* ---------------------------------------------------------------- for main */

uint16_t server_port(const struct server *server) {
        return server->port;
}

struct weir_waker *server_stopper(struct server *server) {
        return server->stopper;
}

bool server_sleep(struct server *server, unsigned seconds) {
        return clients_sleep(&server->clients, seconds * NS_PER_S);
}

void server_get_figures(struct server *server, struct server_figures *ret_figures) {
        struct weir_stats stats;

        weir_registry_stats(weir_poll_registry(server->poll), &stats);
        *ret_figures = (struct server_figures){
                .connections = clients_count(&server->clients),
                .stale = stats.stale,
                .wakes = stats.wakes,
        };
        for (unsigned i = 0; i <= server->threads; ++i)
                /* relaxed: a number */
                ret_figures->requests +=
                        atomic_load_explicit(&server->workers[i].service.requests, memory_order_relaxed);
}
