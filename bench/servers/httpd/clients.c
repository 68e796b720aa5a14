/* SPDX-License-Identifier: MIT */

/*
 * Connections come and go. Read clients_accept() first, then clients_reap() and clients_stop().
 *
 *   lock      Guards the list and the counts. Taken when a connection comes, goes or is looked at by the reaper,
 *             never for a request. No other lock is taken under it.
 *   owner     Of a connection: who claimed it, connection.h. The reaper has no batch open, so weir_defer() does not
 *             wait for it; but a connection leaves the list, under the lock, before its owner closes it.
 *   listener  One-shot like the connections. When there are no descriptors left it is not rearmed: the kernel keeps the
 *             clients waiting, and whoever closes a connection rearms it, or else the reaper.
 */

#include "clients.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/start.h"

#define NS_PER_S INT64_C(1000000000)

/* How many clients are accepted before other events get their turn. */
#define ACCEPT_ROUND 64

/* How long what is in flight may take after clients_stop(). */
#define GRACE (5 * NS_PER_S)

void clients_init(struct clients *clients) {
        pthread_condattr_t attributes;

        *clients = (struct clients){ .listener = -1 };
        pthread_mutex_init(&clients->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&clients->news, &attributes);
        pthread_condattr_destroy(&attributes);
}

void clients_deinit(struct clients *clients, struct weir_registry *registry) {
        struct connection *next;

        for (struct connection *c = clients->connections; c; c = next) {
                next = c->next;
                connection_close(c, registry);
        }
        if (clients->listener >= 0)
                close(clients->listener);
        pthread_cond_destroy(&clients->news);
        pthread_mutex_destroy(&clients->lock);
}

int clients_listen(struct clients *clients, struct weir_registry *registry, weir_token token, uint16_t *port) {
        clients->token = token;
        clients->listener = listen_on_loopback(port);
        if (clients->listener < 0)
                return clients->listener;
        return weir_register(registry, clients->listener, token, WEIR_READABLE | WEIR_ONESHOT);
}

/* ---------------------------------------------------------------- the list */

static bool is_stopping(struct clients *clients) {
        /* relaxed: under the lock */
        return atomic_load_explicit(&clients->stopping, memory_order_relaxed);
}

/* With the lock held. */
static void end_if_over(struct clients *clients) {
        if (!is_stopping(clients) || clients->count || clients->accepting)
                return;
        clients->over = true;
        pthread_cond_broadcast(&clients->news);
        weir_crew_stop(clients->crew);
}

void clients_end(struct clients *clients) {
        pthread_mutex_lock(&clients->lock);
        /* relaxed: under the lock */
        atomic_store_explicit(&clients->stopping, true, memory_order_relaxed);
        clients->over = true;
        pthread_cond_broadcast(&clients->news);
        pthread_mutex_unlock(&clients->lock);
}

static void add(struct clients *clients, struct connection *connection) {
        pthread_mutex_lock(&clients->lock);
        connection->next = clients->connections;
        if (connection->next)
                connection->next->previous = connection;
        clients->connections = connection;
        ++clients->count;
        pthread_mutex_unlock(&clients->lock);
}

static void take_out(struct clients *clients, struct connection *connection) {
        pthread_mutex_lock(&clients->lock);
        if (connection->previous)
                connection->previous->next = connection->next;
        else
                clients->connections = connection->next;
        if (connection->next)
                connection->next->previous = connection->previous;
        --clients->count;
        clients->answered += connection_answered(connection);
        end_if_over(clients);
        pthread_mutex_unlock(&clients->lock);
}

/* Whether the listener rests for want of descriptors. If so the caller is to arm it: there may be some now. */
static bool end_rest(struct clients *clients) {
        /* PAIR(full): either this finds the flag that accept_round() set, or accept_round() finds the descriptor. */
        return atomic_load_explicit(&clients->full, memory_order_seq_cst) &&
               atomic_exchange_explicit(&clients->full, false, memory_order_seq_cst);
}

/* An event comes for whoever waits to be accepted already. */
static void look_afresh(struct clients *clients, struct service *service) {
        weir_reregister(service->registry, clients->listener, clients->token, WEIR_READABLE | WEIR_ONESHOT);
}

static void close_client(struct clients *clients, struct connection *connection, struct service *service) {
        take_out(clients, connection);
        connection_close(connection, service->registry);
        if (end_rest(clients))
                look_afresh(clients, service);
}

void clients_serve(struct clients *clients, struct connection *connection, struct service *service) {
        if (!connection_serve(connection, service))
                close_client(clients, connection, service);
}

/* ---------------------------------------------------------------- accepting */

static void take_in(struct clients *clients, int fd, struct service *service) {
        struct connection *connection = connection_new(fd, service->now);

        if (!connection) {
                close(fd);
                return;
        }
        add(clients, connection);
        clients_serve(clients, connection, service); /* the request may be there already */
}

/* Returns what the listener needs: 1 to be rearmed, for it is drained; 0 a fresh look; -1 a rest. */
static int accept_round(struct clients *clients, struct service *service) {
        for (unsigned i = 0; i < ACCEPT_ROUND; ++i) {
                int fd = accept4(clients->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd >= 0) {
                        take_in(clients, fd, service);
                        continue;
                }
                if (errno == EAGAIN)
                        return 1;
                if (errno == EINTR || errno == ECONNABORTED)
                        continue;
                /* PAIR(full): end_rest() may have found nothing to do just before; so try once more after saying it. */
                if (atomic_exchange_explicit(&clients->full, true, memory_order_seq_cst))
                        return -1;
        }
        return 0;
}

static bool begin_accepting(struct clients *clients) {
        bool allowed;

        pthread_mutex_lock(&clients->lock);
        allowed = !is_stopping(clients);
        clients->accepting += allowed;
        pthread_mutex_unlock(&clients->lock);
        return allowed;
}

static void end_accepting(struct clients *clients) {
        pthread_mutex_lock(&clients->lock);
        --clients->accepting;
        end_if_over(clients);
        pthread_mutex_unlock(&clients->lock);
}

void clients_accept(struct clients *clients, struct service *service) {
        int r;

        if (!begin_accepting(clients))
                return;
        r = accept_round(clients, service);
        if (r >= 0)
                /* relaxed: at worst somebody looks afresh once too often */
                atomic_store_explicit(&clients->full, false, memory_order_relaxed);
        if (r > 0)
                weir_rearm(service->registry, clients->listener, WEIR_READABLE);
        else if (r == 0)
                look_afresh(clients, service);
        end_accepting(clients);
}

/* ---------------------------------------------------------------- reaping */

void clients_reap(struct clients *clients, int64_t moment, struct service *service) {
        struct connection *claimed = NULL, *c;
        bool all;

        pthread_mutex_lock(&clients->lock);
        all = is_stopping(clients) && service->now - clients->stopped_at > GRACE;
        for (c = clients->connections; c; c = c->next)
                if ((all || connection_is_older(c, moment)) && connection_try_claim(c)) {
                        c->next_claimed = claimed;
                        claimed = c;
                }
        pthread_mutex_unlock(&clients->lock);

        while ((c = claimed)) {
                claimed = c->next_claimed;
                if (all || !connection_expire(c, moment, service))
                        close_client(clients, c, service);
        }
        /* Descriptors may have come from elsewhere. */
        if (end_rest(clients))
                look_afresh(clients, service);
}

/* ---------------------------------------------------------------- the end */

void clients_stop(struct clients *clients, struct service *service) {
        struct connection *claimed = NULL, *c;

        pthread_mutex_lock(&clients->lock);
        if (is_stopping(clients)) {
                pthread_mutex_unlock(&clients->lock);
                return;
        }
        /* relaxed: the lock carries it, and so do the claims, PAIR(called) */
        atomic_store_explicit(&clients->stopping, true, memory_order_relaxed);
        clients->stopped_at = service->now;
        for (c = clients->connections; c; c = c->next)
                if (connection_claim(c, false)) {
                        c->next_claimed = claimed;
                        claimed = c;
                }
        end_if_over(clients);
        pthread_cond_broadcast(&clients->news);
        pthread_mutex_unlock(&clients->lock);

        weir_deregister(service->registry, clients->listener);
        shutdown(clients->listener, SHUT_RDWR); /* closed when no thread can be inside accept4(2) any more */
        while ((c = claimed)) {
                claimed = c->next_claimed;
                clients_serve(clients, c, service);
        }
}

bool clients_sleep(struct clients *clients, int64_t ns) {
        struct timespec until;
        bool over;

        clock_gettime(CLOCK_MONOTONIC, &until);
        ns += until.tv_nsec;
        until.tv_sec += ns / NS_PER_S;
        until.tv_nsec = ns % NS_PER_S;
        pthread_mutex_lock(&clients->lock);
        if (!clients->over)
                pthread_cond_timedwait(&clients->news, &clients->lock, &until);
        over = clients->over;
        pthread_mutex_unlock(&clients->lock);
        return over;
}

void clients_count(struct clients *clients, uint64_t *ret_count, uint64_t *ret_answered) {
        pthread_mutex_lock(&clients->lock);
        *ret_count = clients->count;
        *ret_answered = clients->answered;
        for (struct connection *c = clients->connections; c; c = c->next)
                *ret_answered += connection_answered(c);
        pthread_mutex_unlock(&clients->lock);
}
