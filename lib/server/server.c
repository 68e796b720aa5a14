/* SPDX-License-Identifier: MIT */

/*
 * The server, its begin and its end. Each thread of the crew comes to on_event(), and from there to what the token points to.
 *
 * The end: on_bell() says that the server stops, and triggers all. Each listener and each connection comes to its end in its own
 * turn, and gives up its part of `open`, as on_bell() does its own. Who gives up the last part stops the crew. Read these, then
 * weir_server_run().
 */

#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

const struct weir_server_config *weir_server_settings(const struct weir_server *server) {
        return &server->config;
}

bool weir_server_stops(struct weir_server *server) {
        bool stops;

        pthread_mutex_lock(&server->lock);
        stops = server->stops;
        pthread_mutex_unlock(&server->lock);
        return stops;
}

void *weir_server_data(struct weir_server *server) {
        return server ? server->config.data : NULL;
}

struct weir_registry *weir_server_registry(struct weir_server *server) {
        return server ? weir_crew_registry(server->crew) : NULL;
}

void weir_server_give_up(struct weir_server *server) {
        bool last;

        pthread_mutex_lock(&server->lock);
        last = --server->open == 0;
        pthread_mutex_unlock(&server->lock);
        if (last)
                weir_crew_stop(server->crew);
}

/* ---------------------------------------------------------------- begin and end */

static void on_event(struct weir_crew *crew, const struct weir_event *event, void *data) {
        struct server_item *item = weir_token_ptr(event->token);

        (void)crew;
        (void)data;
        item->on_event(item, event);
}

/* It was rung, or the stop limit has passed, or both. */
static void on_bell(struct server_item *item, const struct weir_event *event) {
        struct weir_server *server = item->server;
        weir_time now = weir_now(), limit = server->config.stop_limit;
        bool again;

        (void)event;
        pthread_mutex_lock(&server->lock);
        again = server->stops;
        server->stops = true;
        pthread_mutex_unlock(&server->lock);
        if (again) {
                weir_crew_stop(server->crew);
                return;
        }
        if (limit > 0) /* it does not fail: create_parts() has set the first one */
                weir_waker_set_deadline(server->bell, limit < WEIR_NEVER - now ? now + limit : WEIR_NEVER);
        weir_trigger_all(weir_server_registry(server));
        weir_server_give_up(server);
}

/* Makes what the server is made of. Even if it fails weir_server_destroy() must follow. */
static int create_parts(struct weir_server *server) {
        int r = weir_poll_create(&server->poll);

        if (r == 0)
                r = weir_crew_create(server->poll, on_event, NULL, &server->crew);
        if (r == 0)
                r = weir_waker_create(weir_poll_registry(server->poll), weir_ptr_token(&server->bell_item),
                                      &server->bell);
        if (r == 0 && server->config.stop_limit > 0)
                r = weir_waker_set_deadline(server->bell, WEIR_NEVER - 1);
        return r;
}

static bool is_whole(const struct weir_server_config *config) {
        const struct weir_transport *transport = config->transport;

        return config->readable && config->idle_limit >= 0 && config->linger_limit >= 0 && config->stop_limit >= 0 &&
               (!transport || (transport->read && transport->write));
}

int weir_server_create(const struct weir_server_config *config, struct weir_server **ret_server) {
        struct weir_server *server;
        int r;

        if (!config || !ret_server || !is_whole(config))
                return -EINVAL;
        server = calloc(1, sizeof *server);
        if (!server)
                return -ENOMEM;
        server->bell_item = (struct server_item){ on_bell, server };
        server->config = *config;
        server->open = 1;
        server->pid = getpid();
        /* With default attributes these allocate nothing and cannot fail. */
        pthread_mutex_init(&server->lock, NULL);
        pthread_cond_init(&server->added, NULL);
        r = create_parts(server);
        if (r < 0) {
                weir_server_destroy(server);
                return r;
        }
        *ret_server = server;
        return 0;
}

static void close_listeners(struct weir_server *server) {
        for (struct server_listener *listener = server->listeners; listener; listener = listener->next) {
                if (listener->fd < 0)
                        continue;
                weir_deregister(weir_server_registry(server), listener->fd);
                close(listener->fd);
                listener->fd = -1;
        }
}

/* No thread has a turn, and none is made: all that is open is the caller's. */
static void end_all(struct weir_server *server) {
        struct weir_connection *connection = NULL;

        pthread_mutex_lock(&server->lock);
        server->stops = true;
        while (server->adding > 0)
                pthread_cond_wait(&server->added, &server->lock);
        pthread_mutex_unlock(&server->lock);
        while ((connection = weir_server_go_on(server, connection, true)))
                weir_connection_end(connection, -ECANCELED);
        close_listeners(server);
}

/* Whether the caller is the one that runs the server; else *ret_result is what to return. */
static bool claim_run(struct weir_server *server, int *ret_result) {
        bool may;

        pthread_mutex_lock(&server->lock);
        may = server->run == RUN_NOT;
        *ret_result = server->run == RUN_NOW ? -EBUSY : 0;
        if (may)
                server->run = RUN_NOW;
        pthread_mutex_unlock(&server->lock);
        return may;
}

int weir_server_run(struct weir_server *server, unsigned threads) {
        int r;

        if (!server)
                return -EINVAL;
        if (server->pid != getpid())
                return -ECHILD;
        if (!claim_run(server, &r))
                return r;
        r = weir_crew_run(server->crew, threads);
        if (r == 0)
                end_all(server);
        pthread_mutex_lock(&server->lock);
        server->run = r == 0 ? RUN_OVER : RUN_NOT;
        pthread_mutex_unlock(&server->lock);
        return r;
}

void weir_server_stop(struct weir_server *server) {
        if (server)
                weir_waker_wake(server->bell);
}

static void end_locks(struct weir_server *server) {
        pthread_cond_destroy(&server->added);
        pthread_mutex_destroy(&server->lock);
}

/* In a forked child: the connections are the parent's, and so are those that hold locks. */
static void abandon_all(struct weir_server *server) {
        struct weir_connection *connection;

        while ((connection = server->connections)) {
                server->connections = connection->next;
                weir_connection_abandon(connection);
        }
        close_listeners(server);
}

void weir_server_destroy(struct weir_server *server) {
        struct server_listener *listener;
        struct server_watch *watch;

        if (!server)
                return;
        if (server->pid == getpid()) {
                end_all(server);
                end_locks(server);
        } else {
                abandon_all(server);
        }
        while ((listener = server->listeners)) {
                server->listeners = listener->next;
                free(listener);
        }
        while ((watch = server->watches)) {
                server->watches = watch->next;
                free(watch);
        }
        if (server->has_signals)
                weir_signals_deinit(&server->signals);
        weir_waker_destroy(server->bell);
        weir_crew_destroy(server->crew);
        weir_poll_destroy(server->poll);
        free(server);
}
