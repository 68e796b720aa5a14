/* SPDX-License-Identifier: MIT */

/*
 * A thread that walks the program's own list of connections, while others put connections on it and take them off:
 * weir_guard_enter(), weir_guard_leave().
 *
 * It takes no events, so it has no batch that would keep what it meets from being freed. A guard is that for it. No lock is
 * held while it walks, and nobody who ends a connection waits for it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/net.h>
#include <weir/weir.h>

struct connection {
        struct weir_deferred deferred;
        _Atomic(struct connection *) next; /* stays what it is when the connection is taken off: who is at it goes on */
        int fd, peer;
        atomic_uint bytes;
};

static struct weir_registry *registry;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of those who change the list */
static _Atomic(struct connection *) connections;
static atomic_uint freed;

static struct connection *add(unsigned bytes) {
        struct connection *connection = calloc(1, sizeof *connection);
        int ends[2];

        if (!connection || weir_stream_pair(ends) < 0)
                abort();
        connection->fd = ends[0];
        connection->peer = ends[1];
        connection->bytes = bytes;
        if (weir_register(registry, connection->fd, weir_ptr_token(connection), WEIR_READABLE) < 0)
                abort();
        pthread_mutex_lock(&lock);
        atomic_store_explicit(&connection->next, connections, memory_order_relaxed);
        atomic_store_explicit(&connections, connection, memory_order_release);
        pthread_mutex_unlock(&lock);
        return connection;
}

static void connection_free(struct weir_deferred *node) {
        struct connection *connection = (void *)((char *)node - offsetof(struct connection, deferred));

        close(connection->fd);
        close(connection->peer);
        free(connection);
        ++freed;
}

/* Off the list, deregistered, and freed when the last one who may have met it is gone. */
static void end(struct connection *connection) {
        _Atomic(struct connection *) *link = &connections;

        pthread_mutex_lock(&lock);
        while (*link != connection)
                link = &(*link)->next;
        atomic_store_explicit(link, connection->next, memory_order_release);
        pthread_mutex_unlock(&lock);
        weir_deregister(registry, connection->fd);
        weir_defer(registry, &connection->deferred, connection_free);
}

/* What the thread that writes figures does each minute. It makes one guard for all its life. */
static void report(struct weir_guard *guard) {
        unsigned count = 0, bytes = 0;

        if (weir_guard_enter(guard) < 0)
                return;
        for (struct connection *one = atomic_load_explicit(&connections, memory_order_acquire); one;
             one = atomic_load_explicit(&one->next, memory_order_acquire)) {
                ++count;
                bytes += one->bytes;
        }
        weir_guard_leave(guard);
        printf("%u connections, %u bytes\n", count, bytes);
}

/* Another thread ends one while this one stands at it. */
static void *end_one(void *argument) {
        end(argument);
        return NULL;
}

int main(void) {
        struct connection *first, *second;
        struct weir_poll *poll;
        struct weir_guard *guard;
        pthread_t thread;

        if (weir_poll_create(&poll) < 0)
                return 1;
        registry = weir_poll_registry(poll);
        if (weir_guard_create(registry, &guard) < 0)
                return 1;
        first = add(100);
        second = add(20);
        add(3);
        report(guard);

        weir_guard_enter(guard);
        if (pthread_create(&thread, NULL, end_one, second) != 0)
                return 1;
        pthread_join(thread, NULL);
        printf("ended, and still there: %u bytes, %u freed\n", second->bytes, freed);
        weir_guard_leave(guard);
        printf("after the guard: %u freed\n", freed);
        report(guard);

        end(first);
        end(connections);
        weir_guard_destroy(guard);
        weir_poll_destroy(poll);
}

/*
 * It prints:
 * 3 connections, 123 bytes
 * ended, and still there: 20 bytes, 0 freed
 * after the guard: 1 freed
 * 2 connections, 103 bytes
 */
