/* SPDX-License-Identifier: MIT */

/*
 * The set of connections, and references to them. A connection stays in the set until its last reference is gone, the turn's own
 * among them: so who walks the set with a reference to where he is finds the way on, and needs no lock meanwhile. Read drop() and
 * weir_server_go_on().
 */

#include "server.h"

/* Under the lock. Returns the connection if it is to be freed, after that. */
static struct weir_connection *drop(struct weir_connection *connection) {
        struct weir_server *server = connection->item.server;

        if (--connection->refs > 0)
                return NULL;
        if (connection->next)
                connection->next->previous = connection->previous;
        if (connection->previous)
                connection->previous->next = connection->next;
        else if (server->connections == connection)
                server->connections = connection->next;
        return connection;
}

struct weir_connection *weir_connection_ref(struct weir_connection *connection) {
        if (!connection)
                return NULL;
        pthread_mutex_lock(&connection->item.server->lock);
        ++connection->refs;
        pthread_mutex_unlock(&connection->item.server->lock);
        return connection;
}

void weir_connection_unref(struct weir_connection *connection) {
        struct weir_server *server;

        if (!connection)
                return;
        server = connection->item.server;
        pthread_mutex_lock(&server->lock);
        connection = drop(connection);
        pthread_mutex_unlock(&server->lock);
        if (connection)
                weir_connection_free(connection);
}

void weir_server_part(struct weir_connection *connection) {
        struct weir_server *server = connection->item.server;

        pthread_mutex_lock(&server->lock);
        connection->over = true;
        connection = drop(connection);
        pthread_mutex_unlock(&server->lock);
        if (connection)
                weir_connection_free(connection);
        weir_server_give_up(server);
}

/* Under the lock: a reference to the first one, from this one on, or NULL. */
static struct weir_connection *find(struct weir_connection *connection, bool all) {
        while (connection && (connection->over || !(all || weir_connection_is_open(connection))))
                connection = connection->next;
        if (connection)
                ++connection->refs;
        return connection;
}

struct weir_connection *weir_server_go_on(struct weir_server *server, struct weir_connection *connection, bool all) {
        struct weir_connection *next;

        pthread_mutex_lock(&server->lock);
        next = find(connection ? connection->next : server->connections, all);
        if (connection)
                connection = drop(connection);
        pthread_mutex_unlock(&server->lock);
        if (connection)
                weir_connection_free(connection);
        return next;
}

void weir_server_for_each(struct weir_server *server, void (*fn)(struct weir_connection *connection, void *data),
                          void *data) {
        struct weir_connection *connection = NULL;

        if (!server || !fn)
                return;
        while ((connection = weir_server_go_on(server, connection, false)))
                fn(connection, data);
}

struct weir_connection *weir_server_find(struct weir_server *server, uint64_t id) {
        struct weir_connection *connection = NULL;

        if (!server)
                return NULL;
        do
                connection = weir_server_go_on(server, connection, false);
        while (connection && connection->id != id);
        return connection;
}
