/* SPDX-License-Identifier: MIT */

/*
 * Read serve() first, then work().
 *
 * A connection is registered one-shot, and that makes it belong to one thread at a time, without a lock of its own:
 *
 *      armed  --- an event --->  the waiter  ---   pool_queue() --->    queued  --- take() --->  a worker
 *        ^                                                                ^                         |
 *        |                                                                +---- it has more --------+
 *        +--------------------------- weir_rearm(), it has to wait ---------------------------------+
 *                                                                                                   |
 *                                                          weir_deregister(), close(), free() <-----+
 *
 *   - One event is handed out, and then none until weir_rearm(). So a connection is in the queue at most once, and the
 *     queue needs no memory but a link in each of them.
 *   - After weir_rearm() the worker does not touch it again: another one may have it already.
 *   - Who ends a connection is the only one that knows it. The event that brought it has been taken out of its batch,
 *     and there is no second one; so it is closed and freed at once, without weir_defer(). Were it registered
 *     edge-triggered, or were it ended by who does not own it, that would be wrong: see bench/servers/chat.
 *
 * What the workers do becomes visible to each other by weir_rearm() and the event after it, and by the queue's lock.
 *
 * Back-pressure: a connection holds one buffer. While the peer does not read, nothing is read from it either, and the
 * connection waits for WEIR_WRITABLE alone. A peer that never reads keeps its buffer, and occupies no worker.
 */

#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/start.h"

/* How many buffers one connection echoes, and how many are admitted, before the others get their turn. */
#define ECHO_ROUNDS  8
#define ADMIT_ROUNDS 64

/* What serve() found: the connection waits for one of the two, or for neither, or for nothing any more. */
#define HAS_MORE (WEIR_READABLE | WEIR_WRITABLE)
#define AT_END   0

struct connection {
        /* Under the pool's lock. */
        struct connection *previous, *next; /* in the list of all */
        struct connection *next_queued;

        /* The owner's. */
        int fd;
        size_t begin, end; /* what is read and not yet written */
        char buffer[16384];
};

/* ---------------------------------------------------------------- the queue and the list */

void pool_queue(struct pool *pool, struct connection *connection) {
        pthread_mutex_lock(&pool->lock);
        connection->next_queued = NULL;
        if (pool->first)
                pool->last->next_queued = connection;
        else
                pool->first = connection;
        pool->last = connection;
        pthread_mutex_unlock(&pool->lock);
        pthread_cond_signal(&pool->filled);
}

/* Sleeps until there is a connection. NULL when all is over. */
static struct connection *take(struct pool *pool) {
        struct connection *connection = NULL;

        pthread_mutex_lock(&pool->lock);
        while (!pool->first && !pool->ended)
                pthread_cond_wait(&pool->filled, &pool->lock);
        if (!pool->ended) {
                connection = pool->first;
                pool->first = connection->next_queued;
        }
        pthread_mutex_unlock(&pool->lock);
        return connection;
}

static void enlist(struct pool *pool, struct connection *connection) {
        pthread_mutex_lock(&pool->lock);
        connection->next = pool->connections;
        if (connection->next)
                connection->next->previous = connection;
        pool->connections = connection;
        pthread_mutex_unlock(&pool->lock);
}

static void strike_off(struct pool *pool, struct connection *connection) {
        pthread_mutex_lock(&pool->lock);
        *(connection->previous ? &connection->previous->next : &pool->connections) = connection->next;
        if (connection->next)
                connection->next->previous = connection->previous;
        pthread_mutex_unlock(&pool->lock);
}

/* ---------------------------------------------------------------- the workers */

/* Echoes what can be echoed without waiting. Returns what the connection waits for, HAS_MORE or AT_END. */
static weir_interest serve(struct connection *connection) {
        for (unsigned round = 0; round < ECHO_ROUNDS;) {
                ssize_t n;

                if (connection->begin < connection->end) {
                        n = send(connection->fd, connection->buffer + connection->begin,
                                 connection->end - connection->begin, MSG_NOSIGNAL);
                        if (n < 0 && errno != EINTR)
                                return errno == EAGAIN ? WEIR_WRITABLE : AT_END;
                        if (n > 0)
                                connection->begin += (size_t)n;
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

/* Has the waiter look whether somebody waits to be accepted, who may have done so for long. */
static void look_afresh(struct pool *pool, struct weir_registry *registry) {
        weir_reregister(registry, pool->listener, pool->token, WEIR_READABLE);
}

/* Only for the owner. */
static void end(struct pool *pool, struct connection *connection, struct weir_registry *registry) {
        strike_off(pool, connection);
        weir_deregister(registry, connection->fd);
        close(connection->fd);
        free(connection);
        look_afresh(pool, registry); /* somebody may wait for the descriptor that is free now */
}

static void *work(void *argument) {
        struct pool *pool = argument;
        struct weir_registry *registry = weir_registry_clone(pool->registry);
        struct connection *connection;

        while ((connection = take(pool))) {
                weir_interest interest = serve(connection);

                if (interest == HAS_MORE)
                        pool_queue(pool, connection);
                else if (interest == AT_END || weir_rearm(registry, connection->fd, interest) < 0)
                        end(pool, connection, registry);
        }
        weir_registry_release(registry);
        return NULL;
}

/* ---------------------------------------------------------------- for the waiter */

static void admit(struct pool *pool, int fd) {
        struct connection *connection = calloc(1, sizeof *connection);

        if (!connection) {
                close(fd);
                return;
        }
        connection->fd = fd;
        enlist(pool, connection);
        if (weir_register(pool->registry, fd, weir_ptr_token(connection), WEIR_READABLE | WEIR_ONESHOT) < 0)
                end(pool, connection, pool->registry);
}

void pool_admit(struct pool *pool) {
        for (unsigned round = 0; round < ADMIT_ROUNDS; ++round) {
                int fd = accept4(pool->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd >= 0)
                        admit(pool, fd);
                else if (errno != EINTR && errno != ECONNABORTED)
                        return; /* all are in; or there are no descriptors, and end() has another look */
        }
        look_afresh(pool, pool->registry);
}

/* ---------------------------------------------------------------- begin and end */

static void join(struct pool *pool) {
        pthread_mutex_lock(&pool->lock);
        pool->ended = true;
        pthread_mutex_unlock(&pool->lock);
        pthread_cond_broadcast(&pool->filled);
        while (pool->count)
                pthread_join(pool->workers[--pool->count], NULL);
}

int pool_open(struct pool *pool, struct weir_registry *registry, weir_token token, uint16_t *port, unsigned workers) {
        int r;

        *pool = (struct pool){ .registry = registry, .token = token };
        pthread_mutex_init(&pool->lock, NULL);
        pthread_cond_init(&pool->filled, NULL);
        pool->listener = listen_on_loopback(port);
        r = pool->listener < 0 ? pool->listener : weir_register(registry, pool->listener, token, WEIR_READABLE);
        for (; r == 0 && pool->count < workers; ++pool->count) {
                r = -pthread_create(&pool->workers[pool->count], NULL, work, pool);
                if (r < 0)
                        break;
        }
        if (r < 0)
                pool_close(pool);
        return r;
}

void pool_close(struct pool *pool) {
        join(pool);
        if (pool->listener >= 0)
                weir_deregister(pool->registry, pool->listener);
        while (pool->connections) /* queued or armed: with no other thread left, they are the caller's */
                end(pool, pool->connections, pool->registry);
        if (pool->listener >= 0)
                close(pool->listener);
        pthread_cond_destroy(&pool->filled);
        pthread_mutex_destroy(&pool->lock);
}
