/* SPDX-License-Identifier: MIT */

/*
 * The server: a function that a crew calls for each event, and a reaper. Read on_event() first. A connection's life is in
 * connection.c, and how connections come and go in clients.c.
 */

#include "server.h"

#include <errno.h>
#include <stdlib.h>

#include "clients.h"

#define NS_PER_S INT64_C(1000000000)

/* Tokens that are no pointers. */
enum {
        TOKEN_LISTENER,
        TOKEN_STOPPER,
};

struct server {
        struct weir_poll *poll;
        struct weir_crew *crew;
        struct weir_waker *stopper;
        struct clients clients;
        uint16_t port;
        int64_t idle_timeout;
        unsigned threads;
        pthread_t reaper;
        bool reaping; /* there is a reaper */
};

static int64_t coarse_now(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static struct service service_of(struct server *server) {
        return (struct service){
                .registry = weir_crew_registry(server->crew),
                .now = coarse_now(),
                .stopping = &server->clients.stopping,
        };
}

/* ---------------------------------------------------------------- the threads */

static void on_event(struct weir_crew *crew, const struct weir_event *event, void *data) {
        struct server *server = data;
        struct service service = service_of(server);
        struct connection *connection;

        (void)crew;
        switch (event->token) {
        case TOKEN_LISTENER:
                clients_accept(&server->clients, &service);
                break;
        case TOKEN_STOPPER: /* woken by a signal */
                clients_stop(&server->clients, &service);
                break;
        default:
                connection = weir_token_ptr(event->token);
                if (connection_claim(connection, weir_event_is_priority(event)))
                        clients_serve(&server->clients, connection, &service);
        }
}

static void *reap(void *argument) {
        struct server *server = argument;
        int64_t period = server->idle_timeout / 4 < NS_PER_S ? server->idle_timeout / 4 : NS_PER_S;

        while (!clients_sleep(&server->clients, period)) {
                struct service service = service_of(server);

                clients_reap(&server->clients, service.now - server->idle_timeout, &service);
        }
        return NULL;
}

int server_start(struct server *server) {
        int r = -pthread_create(&server->reaper, NULL, reap, server);

        if (r < 0)
                return r;
        server->reaping = true;
        return weir_crew_start(server->crew, server->threads);
}

/* ---------------------------------------------------------------- making and end */

static int fill(struct server *server, const struct server_options *options) {
        struct weir_registry *registry;
        int r;

        r = weir_poll_create(&server->poll);
        if (r < 0)
                return r;
        r = weir_crew_create(server->poll, on_event, server, &server->crew);
        if (r < 0)
                return r;
        registry = weir_crew_registry(server->crew);
        r = weir_waker_create(registry, TOKEN_STOPPER, &server->stopper);
        if (r < 0)
                return r;
        server->clients.crew = server->crew;
        server->port = options->port;
        return clients_listen(&server->clients, registry, TOKEN_LISTENER, &server->port);
}

int server_create(const struct server_options *options, struct server **ret_server) {
        struct server *server;
        int r;

        server = calloc(1, sizeof *server);
        if (!server)
                return -ENOMEM;
        server->idle_timeout = options->idle_timeout;
        server->threads = options->threads;
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
        if (server->reaping)
                pthread_join(server->reaper, NULL);
        weir_crew_destroy(server->crew);
        clients_deinit(&server->clients, weir_poll_registry(server->poll));
        weir_waker_destroy(server->stopper);
        weir_poll_destroy(server->poll);
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
        *ret_figures = (struct server_figures){ .stale = stats.stale, .wakes = stats.wakes };
        clients_count(&server->clients, &ret_figures->connections, &ret_figures->requests);
}
