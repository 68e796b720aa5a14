/* SPDX-License-Identifier: MIT */

/*
 * Who comes: connections, by listeners or from the program, and what the program watches beside. Whatever it is, it is registered
 * first, and counted then, unless the server stops by now: so a server that stops later has it among those that it triggers. Read
 * weir_server_add() first.
 */

#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/net.h>

#define ACCEPTS 64                /* of one turn, before others have theirs */
#define REST    INT64_C(50000000) /* ns of a listener, when there are no descriptors */

/*
 * Begins or ends a call that makes a connection. 0, or -ESHUTDOWN where none may begin. It is registered by then: so if the server
 * stops later, it is among those that are triggered.
 */
static int begin_adding(struct weir_connection *connection) {
        struct weir_server *server = connection->item.server;
        int r = -ESHUTDOWN;

        pthread_mutex_lock(&server->lock);
        if (!server->stops) {
                connection->id = ++server->last_id;
                ++server->open;
                ++server->adding;
                r = 0;
        }
        pthread_mutex_unlock(&server->lock);
        return r;
}

static void end_adding(struct weir_server *server) {
        pthread_mutex_lock(&server->lock);
        if (--server->adding == 0)
                pthread_cond_broadcast(&server->added);
        pthread_mutex_unlock(&server->lock);
}

static void link_connection(struct weir_connection *connection) {
        struct weir_server *server = connection->item.server;

        pthread_mutex_lock(&server->lock);
        connection->next = server->connections;
        if (connection->next)
                connection->next->previous = connection;
        server->connections = connection;
        pthread_mutex_unlock(&server->lock);
}

/* The first turn of a connection that counts. 0, or a negative errno: it is not wanted; then it has ended. */
static int open_connection(struct weir_connection *connection) {
        struct weir_server *server = connection->item.server;
        int r = server->config.opened ? server->config.opened(connection) : 0;

        if (r < 0) {
                weir_output_close(connection);
                weir_connection_close(connection);
                return r;
        }
        link_connection(connection);
        weir_connection_conclude(connection);
        return 0;
}

int weir_server_add(struct weir_server *server, int fd) {
        struct weir_connection *connection = NULL;
        int r = -EINVAL;

        if (server && fd >= 0) {
                connection = weir_connection_create(server, fd);
                r = connection ? weir_connection_register(connection) : -ENOMEM;
        }
        if (r == 0) {
                r = begin_adding(connection);
                if (r == 0) {
                        r = open_connection(connection);
                        end_adding(server);
                        return r;
                }
                weir_deregister(weir_server_registry(server), fd);
        }
        if (connection)
                weir_connection_free(connection);
        if (fd >= 0)
                close(fd);
        return r;
}

/* ---------------------------------------------------------------- listeners */

static void on_listener(struct server_item *item, const struct weir_event *event) {
        struct server_listener *listener = (struct server_listener *)item;
        struct weir_registry *registry = weir_server_registry(item->server);
        int fd = 0;

        (void)event;
        if (weir_server_stops(item->server)) {
                weir_deregister(registry, listener->fd);
                close(listener->fd);
                listener->fd = -1;
                weir_server_give_up(item->server);
                return;
        }
        for (unsigned i = 0; i < ACCEPTS && (fd >= 0 || fd == -ECONNABORTED); ++i) {
                fd = weir_stream_accept(listener->fd, NULL);
                if (fd >= 0)
                        weir_server_add(item->server, fd);
        }
        if (fd == -EAGAIN) {
                weir_rearm(registry, listener->fd, WEIR_READABLE);
        } else if (fd >= 0 || fd == -ECONNABORTED) {
                weir_rearm_afresh(registry, listener->fd, WEIR_READABLE);
        } else {
                weir_set_deadline(registry, listener->fd, weir_now() + REST);
                weir_rearm(registry, listener->fd, 0);
        }
}

static int socket_option(int fd, int option) {
        socklen_t size = sizeof(int);
        int value;

        return getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? -1 : value;
}

/* 0, or -EINVAL: it is not a socket of streams that listens, and not one to be accepted from for ever. */
static int prepare_listener(int fd) {
        int on = 1;

        if (socket_option(fd, SO_ACCEPTCONN) != 1 || socket_option(fd, SO_TYPE) != SOCK_STREAM)
                return -EINVAL;
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* of other protocols it is none */
        return 0;
}

/* Registers it, and holds it. 0 or a negative errno. */
static int register_listener(struct server_listener *listener) {
        struct weir_registry *registry = weir_server_registry(listener->item.server);
        int r = prepare_listener(listener->fd);

        if (r == 0)
                r = weir_register(registry, listener->fd, weir_ptr_token(&listener->item),
                                  WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD);
        if (r < 0)
                return r;
        /* This takes memory, here and not when there are no descriptors. */
        r = weir_set_deadline(registry, listener->fd, WEIR_NEVER - 1);
        if (r < 0)
                weir_deregister(registry, listener->fd);
        return r;
}

/* Puts it where the end finds it. 0, or -ESHUTDOWN. It is registered by then, as begin_adding() has it. */
static int link_listener(struct server_listener *listener) {
        struct weir_server *server = listener->item.server;
        int r = -ESHUTDOWN;

        pthread_mutex_lock(&server->lock);
        if (!server->stops) {
                listener->next = server->listeners;
                server->listeners = listener;
                ++server->open;
                r = 0;
        }
        pthread_mutex_unlock(&server->lock);
        return r;
}

int weir_server_listen(struct weir_server *server, int fd) {
        struct server_listener *listener = NULL;
        int r = -EINVAL;

        if (fd < 0)
                return server ? fd : -EINVAL;
        if (server) {
                listener = calloc(1, sizeof *listener);
                r = listener ? 0 : -ENOMEM;
        }
        if (r == 0) {
                *listener = (struct server_listener){ .item = { on_listener, server }, .fd = fd };
                r = register_listener(listener);
        }
        if (r == 0) {
                r = link_listener(listener);
                if (r == 0) /* it does not fail: the direction is that of the registration */
                        return weir_rearm(weir_server_registry(server), fd, WEIR_READABLE);
                weir_deregister(weir_server_registry(server), fd);
        }
        free(listener);
        close(fd);
        return r;
}

/* ---------------------------------------------------------------- what the program watches */

static void link_watch(struct server_watch *watch) {
        struct weir_server *server = watch->item.server;

        pthread_mutex_lock(&server->lock);
        watch->next = server->watches;
        server->watches = watch;
        pthread_mutex_unlock(&server->lock);
}

static void unlink_watch(struct server_watch *watch) {
        struct weir_server *server = watch->item.server;
        struct server_watch **link = &server->watches;

        pthread_mutex_lock(&server->lock);
        while (*link != watch)
                link = &(*link)->next;
        *link = watch->next;
        pthread_mutex_unlock(&server->lock);
}

/* For ThreadSanitizer: a call comes after the one before. That is so by the rearm, of which it does not know. */
static void order_calls(struct weir_server *server) {
        pthread_mutex_lock(&server->lock);
        pthread_mutex_unlock(&server->lock);
}

/* A trigger alone says that the server stops, and is nothing to the program, which might read what is not there. */
static void on_watch(struct server_item *item, const struct weir_event *event) {
        struct server_watch *watch = (struct server_watch *)item;
        struct weir_registry *registry = weir_server_registry(item->server);
        bool ready = weir_event_is_readable(event) || weir_event_is_writable(event) || weir_event_is_hung_up(event) ||
                     weir_event_is_error(event);
        bool goes_on;

        order_calls(item->server);
        goes_on = !ready || watch->fn(item->server, watch->fd, watch->data);
        order_calls(item->server);
        if (goes_on) {
                weir_rearm_afresh(registry, watch->fd, watch->interest);
                return;
        }
        weir_deregister_if(registry, watch->fd, event); /* and nothing else, where it was closed by now */
        unlink_watch(watch);
        free(watch);
}

int weir_server_watch(struct weir_server *server, int fd, weir_interest interest,
                      bool (*fn)(struct weir_server *server, int fd, void *data), void *data) {
        struct server_watch *watch;
        int r;

        if (!server || !fn || interest & ~(WEIR_READABLE | WEIR_PRIORITY | WEIR_WRITABLE))
                return -EINVAL;
        watch = calloc(1, sizeof *watch);
        if (!watch)
                return -ENOMEM;
        *watch = (struct server_watch){
                .item = { on_watch, server }, .fd = fd, .interest = interest, .fn = fn, .data = data
        };
        r = weir_register(weir_server_registry(server), fd, weir_ptr_token(&watch->item),
                          interest | WEIR_ONESHOT | WEIR_HELD);
        if (r < 0) {
                free(watch);
                return r;
        }
        link_watch(watch);
        return weir_rearm(weir_server_registry(server), fd, interest);
}

/* ---------------------------------------------------------------- signals that stop it */

static bool on_signals(struct weir_server *server, int fd, void *data) {
        struct signalfd_siginfo info;

        (void)fd;
        (void)data;
        while (weir_signals_read(&server->signals, &info) == 0)
                weir_server_stop(server);
        return true;
}

/* 0, or -EINVAL. */
static int make_set(const int *signals, unsigned count, sigset_t *ret_set) {
        static const int usual[] = { SIGINT, SIGTERM };

        sigemptyset(ret_set);
        if (!signals) {
                signals = usual;
                count = 2;
        }
        for (unsigned i = 0; i < count; ++i)
                if (sigaddset(ret_set, signals[i]) < 0)
                        return -EINVAL;
        return 0;
}

int weir_server_stop_on(struct weir_server *server, const int *signals, unsigned count) {
        sigset_t set, before;
        int r;

        if (!server || !signals != !count || make_set(signals, count, &set) < 0)
                return -EINVAL;
        if (server->has_signals)
                return -EEXIST;
        r = weir_signals_init(&set, &server->signals);
        if (r < 0)
                return r;
        pthread_sigmask(SIG_BLOCK, &set, &before);
        r = weir_server_watch(server, server->signals.fd, WEIR_READABLE, on_signals, NULL);
        if (r < 0) {
                pthread_sigmask(SIG_SETMASK, &before, NULL);
                weir_signals_deinit(&server->signals);
                return r;
        }
        server->has_signals = true;
        return 0;
}
