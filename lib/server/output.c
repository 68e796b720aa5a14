/* SPDX-License-Identifier: MIT */

/*
 * What a connection sends. Any thread appends to `queue`, under the lock. Who has the turn takes the whole queue in exchange for
 * the empty `sending`, under the lock, and writes from there without it. The limit counts both.
 *
 * Who appends sees to it that there is a turn: `turn` says whether one goes on, which looks once more before it ends, or will
 * come anyway. So for a peer that is slow no event is made for each of the bytes. Read queue_bytes() and weir_output_flush().
 */

#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BYTES_LEAST  512
#define BYTES_KEPT   4096 /* of a buffer that is empty */
#define WRITES       8    /* of one turn, before others have theirs */
#define OUTPUT_LIMIT 65536

static size_t bytes_size(const struct server_bytes *bytes) {
        return bytes->end - bytes->begin;
}

/* False: out of memory, and nothing has changed. */
static bool bytes_append(struct server_bytes *bytes, const void *from, size_t size) {
        size_t capacity = bytes->capacity ? bytes->capacity : BYTES_LEAST;
        char *at = bytes->at;

        if (size == 0)
                return true;
        while (capacity - bytes->end < size && capacity <= SIZE_MAX / 2)
                capacity *= 2;
        if (capacity - bytes->end < size)
                return false;
        if (capacity > bytes->capacity) {
                at = realloc(bytes->at, capacity);
                if (!at)
                        return false;
                bytes->at = at;
                bytes->capacity = capacity;
        }
        memcpy(at + bytes->end, from, size);
        bytes->end += size;
        return true;
}

/* Of bytes that are all sent: large ones are given back. */
static void bytes_clear(struct server_bytes *bytes, size_t kept) {
        bytes->begin = bytes->end = 0;
        if (bytes->capacity <= kept)
                return;
        free(bytes->at);
        *bytes = (struct server_bytes){ 0 };
}

static size_t output_limit(const struct weir_connection *connection) {
        size_t limit = weir_server_settings(connection->item.server)->output_limit;

        return limit ? limit : OUTPUT_LIMIT;
}

static size_t output_waiting(const struct weir_connection *connection) {
        return bytes_size(&connection->queue) + connection->unsent;
}

bool weir_output_is_full(const struct weir_connection *connection) {
        return output_waiting(connection) > output_limit(connection) / 2;
}

bool weir_output_has_room_again(const struct weir_connection *connection) {
        return output_waiting(connection) < connection->refused && !weir_output_is_full(connection);
}

/* Unless one goes on, which will look. It cannot fail: the descriptor is registered until the connection is closed. */
void weir_output_make_turn(struct weir_connection *connection) {
        if (connection->turn == TURN_ON)
                return;
        connection->turn = TURN_DUE;
        weir_trigger(weir_server_registry(connection->item.server), connection->fd);
}

/* Under the lock. 0 or a negative errno. */
static int queue_bytes(struct weir_connection *connection, const void *bytes, size_t size) {
        size_t limit = output_limit(connection), waiting = output_waiting(connection);

        if (connection->finished || connection->cut)
                return -ESHUTDOWN;
        if (waiting > limit || size > limit - waiting) {
                if (waiting > connection->refused && weir_server_settings(connection->item.server)->writable)
                        connection->refused = waiting;
                return -ENOBUFS;
        }
        if (!bytes_append(&connection->queue, bytes, size))
                return -ENOMEM;
        if (connection->turn == TURN_NONE && size > 0)
                weir_output_make_turn(connection);
        return 0;
}

int weir_connection_send(struct weir_connection *connection, const void *bytes, size_t size) {
        int r;

        if (!connection || (!bytes && size > 0))
                return -EINVAL;
        pthread_mutex_lock(&connection->lock);
        r = queue_bytes(connection, bytes, size);
        pthread_mutex_unlock(&connection->lock);
        return r;
}

int weir_connection_finish(struct weir_connection *connection, const void *bytes, size_t size) {
        int r = -ESHUTDOWN;

        if (!connection || (!bytes && size > 0))
                return -EINVAL;
        pthread_mutex_lock(&connection->lock);
        if (!connection->finished && !connection->cut) {
                r = bytes_append(&connection->queue, bytes, size) ? 0 : -ENOMEM;
                connection->finished = true;
                weir_output_make_turn(connection);
        }
        pthread_mutex_unlock(&connection->lock);
        return r;
}

void weir_connection_cut(struct weir_connection *connection, int reason) {
        if (!connection)
                return;
        pthread_mutex_lock(&connection->lock);
        if (!connection->cut) {
                connection->cut = true;
                connection->reason = reason < 0 ? reason : -ECANCELED;
                weir_output_make_turn(connection);
        }
        pthread_mutex_unlock(&connection->lock);
}

/* ---------------------------------------------------------------- the turn's */

static ssize_t socket_write(struct weir_connection *connection, const void *bytes, size_t size,
                            weir_interest *ret_wanted) {
        ssize_t n;

        (void)ret_wanted;
        do
                n = send(connection->fd, bytes, size, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

/* Whether there is something to send. What is queued takes the place of what was sent. */
static bool take_queue(struct weir_connection *connection) {
        struct server_bytes sent = connection->sending;

        if (bytes_size(&sent) > 0)
                return true;
        bytes_clear(&sent, BYTES_KEPT);
        pthread_mutex_lock(&connection->lock);
        connection->sending = connection->queue;
        connection->queue = sent;
        connection->unsent = bytes_size(&connection->sending);
        pthread_mutex_unlock(&connection->lock);
        return bytes_size(&connection->sending) > 0;
}

int weir_output_flush(struct weir_connection *connection) {
        const struct weir_transport *transport = weir_server_settings(connection->item.server)->transport;
        struct server_bytes *sending = &connection->sending;

        connection->writes = 0;
        for (unsigned round = 0; take_queue(connection); ++round) {
                weir_interest wanted = WEIR_WRITABLE;
                ssize_t n;

                if (round == WRITES)
                        return 1;
                n = (transport ? transport->write : socket_write)(connection, sending->at + sending->begin,
                                                                  bytes_size(sending), &wanted);
                if (n == -EAGAIN)
                        connection->writes = wanted;
                if (n <= 0)
                        return n < 0 ? (int)n : -EIO;
                sending->begin += (size_t)n;
                pthread_mutex_lock(&connection->lock);
                connection->unsent -= (size_t)n;
                pthread_mutex_unlock(&connection->lock);
        }
        return 0;
}

void weir_output_close(struct weir_connection *connection) {
        pthread_mutex_lock(&connection->lock);
        connection->finished = true;
        connection->turn = TURN_ON; /* for ever: nobody triggers a descriptor that is about to be closed */
        connection->unsent = 0;
        bytes_clear(&connection->queue, 0);
        bytes_clear(&connection->sending, 0);
        pthread_mutex_unlock(&connection->lock);
}
