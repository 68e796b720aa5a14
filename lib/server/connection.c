/* SPDX-License-Identifier: MIT */

/*
 * The turn of a connection. Its descriptor is a one-shot, so the thread that takes an event owns it until the rearm. A turn is: the
 * program's functions; then weir_connection_conclude(), which sends, goes on with the end, and rearms. Read on_turn() and those two.
 *
 *      OPEN ── finished ──> LEAVING ── all is sent, and the end of it ──> LEFT ── the peer's end ──> over
 *        \___________________________ cut, an error, a limit ________________________________________/
 *
 * A rearm says of each direction that it names that it is drained. So `more` is kept: it is set when an event tells that a read may
 * find something, and taken back when one meets -EAGAIN. While it is set, reading is not named; another turn is made by a trigger,
 * which comes after the events of others, or by the room to write that is waited for. A transport that keeps what it has read is
 * served by this, too: of that the kernel would not tell.
 */

#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS  16 /* of one turn, before others have theirs */
#define LINGER INT64_C(3000000000)

static struct weir_registry *registry_of(const struct weir_connection *connection) {
        return weir_server_registry(connection->item.server);
}

static const struct weir_server_config *config_of(const struct weir_connection *connection) {
        return weir_server_settings(connection->item.server);
}

/* ---------------------------------------------------------------- limits of time */

static void set_limit(struct weir_connection *connection, weir_time limit) {
        weir_time now = weir_now();

        /* It does not fail: the first one was set by weir_connection_register(). */
        weir_set_deadline(registry_of(connection), connection->fd, limit < WEIR_NEVER - now ? now + limit : WEIR_NEVER);
}

/* From now on the idle limit counts. */
static void begin_idling(struct weir_connection *connection) {
        set_limit(connection, connection->idle_limit ? connection->idle_limit : WEIR_NEVER);
}

/* ---------------------------------------------------------------- reading */

static ssize_t socket_read(struct weir_connection *connection, void *buffer, size_t size, weir_interest *ret_wanted) {
        ssize_t n;

        (void)ret_wanted;
        do
                n = recv(connection->fd, buffer, size, 0);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

/* Reads by the transport, or below it. Keeps what the result says of the next one. */
static ssize_t read_some(struct weir_connection *connection, void *buffer, size_t size, bool below) {
        const struct weir_transport *transport = config_of(connection)->transport;
        weir_interest wanted = WEIR_READABLE;
        ssize_t n;

        n = (transport && !below ? transport->read : socket_read)(connection, buffer, size, &wanted);
        connection->more = n > 0;
        connection->reads = n == -EAGAIN ? wanted : 0;
        return n;
}

bool weir_connection_is_open(struct weir_connection *connection) {
        bool is;

        if (!connection)
                return false;
        pthread_mutex_lock(&connection->lock);
        is = !connection->finished && !connection->cut;
        pthread_mutex_unlock(&connection->lock);
        return is;
}

/* Under the lock. */
static bool may_be_read(const struct weir_connection *connection) {
        return !connection->paused && !weir_output_is_full(connection);
}

/* Whether the program is to know that there is room. It is told once. */
static bool may_write(struct weir_connection *connection) {
        bool may;

        pthread_mutex_lock(&connection->lock);
        may = weir_output_has_room_again(connection) && !connection->finished && !connection->cut;
        if (may)
                connection->refused = 0;
        pthread_mutex_unlock(&connection->lock);
        return may;
}

/* Whether the program is to read more. */
static bool may_read(struct weir_connection *connection) {
        bool may;

        pthread_mutex_lock(&connection->lock);
        may = may_be_read(connection);
        pthread_mutex_unlock(&connection->lock);
        return may && connection->more && connection->rounds > 0;
}

ssize_t weir_connection_read(struct weir_connection *connection, void *buffer, size_t size) {
        ssize_t n;

        if (!connection || !buffer || size == 0)
                return -EINVAL;
        if (connection->error < 0)
                return connection->error;
        if (!weir_connection_is_open(connection))
                return -ESHUTDOWN;
        if (connection->ended)
                return 0;
        if (!may_read(connection))
                return -EAGAIN;
        --connection->rounds;
        n = read_some(connection, buffer, size, false);
        if (n > 0)
                connection->heard = true;
        else if (n == 0)
                connection->ended = true;
        else if (n != -EAGAIN)
                connection->error = (int)n;
        return n;
}

int weir_connection_set_idle_limit(struct weir_connection *connection, weir_time limit) {
        if (!connection || limit < 0)
                return -EINVAL;
        connection->idle_limit = limit;
        if (connection->phase == PHASE_OPEN)
                begin_idling(connection);
        return 0;
}

static void set_paused(struct weir_connection *connection, bool paused) {
        if (!connection)
                return;
        pthread_mutex_lock(&connection->lock);
        if (connection->paused != paused) {
                connection->paused = paused;
                connection->stirred = true;
                if (!paused)
                        weir_output_make_turn(connection);
        }
        pthread_mutex_unlock(&connection->lock);
}

void weir_connection_pause(struct weir_connection *connection) {
        set_paused(connection, true);
}

void weir_connection_resume(struct weir_connection *connection) {
        set_paused(connection, false);
}

/* Throws away what the peer sends after the connection was finished: below the transport, once that has ended. 0 or an error. */
static int discard(struct weir_connection *connection) {
        bool below = connection->phase == PHASE_LEFT;
        char bytes[4096];

        if (connection->ended && !below)
                connection->more = false;
        while (connection->more && connection->rounds > 0) {
                ssize_t n = read_some(connection, bytes, sizeof bytes, below);

                --connection->rounds;
                if (n < 0 && n != -EAGAIN)
                        return (int)n;
                connection->ended |= n == 0;
                if (n == 0 && below)
                        connection->phase = PHASE_OVER;
        }
        return 0;
}

/* ---------------------------------------------------------------- the end of a turn */

/* All is sent. 0; -EAGAIN: the transport has not said so yet; or another negative errno. */
static int say_end(struct weir_connection *connection) {
        const struct weir_transport *transport = config_of(connection)->transport;
        weir_interest wanted = WEIR_WRITABLE;
        int r;

        r = transport && transport->end ? transport->end(connection, &wanted) : 0;
        if (r == -EAGAIN)
                connection->writes = wanted;
        if (r < 0)
                return r;
        shutdown(connection->fd, SHUT_WR); /* if it fails, reading tells why */
        connection->phase = PHASE_LEFT;
        connection->more = true;
        return 0;
}

/* Whether it is to end now: *ret_reason is that of a cut, or 0. */
static bool is_to_end(struct weir_connection *connection, int *ret_reason) {
        bool is;

        if (connection->ended)
                weir_connection_finish(connection, NULL, 0); /* unless it was */
        pthread_mutex_lock(&connection->lock);
        *ret_reason = connection->cut ? connection->reason : 0;
        is = connection->cut || connection->finished;
        pthread_mutex_unlock(&connection->lock);
        return is;
}

/*
 * Sends, and goes on with the end. 0; 1: it is to go on at once; or a negative errno, by which the connection ends. Above the
 * transport it reads before it writes, as the program does: so what a write waits for is not taken away by a read.
 */
static int go_on(struct weir_connection *connection) {
        weir_time linger = config_of(connection)->linger_limit;
        int sent, reason, r = 0;
        bool ends;

        if (connection->error < 0)
                return connection->error;
        ends = is_to_end(connection, &reason);
        if (reason < 0)
                return reason;
        if (connection->phase == PHASE_OPEN && ends) {
                connection->phase = PHASE_LEAVING;
                set_limit(connection, linger ? linger : LINGER);
        }
        if (connection->phase == PHASE_LEAVING)
                r = discard(connection);
        if (r < 0)
                return r;
        sent = weir_output_flush(connection);
        if (sent == 0 && connection->phase == PHASE_LEAVING)
                r = say_end(connection);
        if ((sent < 0 && sent != -EAGAIN) || (r < 0 && r != -EAGAIN))
                return sent < 0 ? sent : r;
        r = connection->phase == PHASE_LEFT ? discard(connection) : 0;
        return r < 0 ? r : sent > 0;
}

/*
 * Lets go of what is sent: from here on others see to a turn, if what is known does not. *ret_again: one is to be made. Returns the
 * reason for which the connection was cut, or 0.
 */
static int release_output(struct weir_connection *connection, bool *ret_again) {
        bool discards = connection->phase != PHASE_OPEN;
        int reason;

        pthread_mutex_lock(&connection->lock);
        reason = connection->cut ? connection->reason : 0;
        *ret_again |= connection->writes == 0 && connection->queue.end > 0;
        *ret_again |= connection->more && (discards || may_be_read(connection));
        *ret_again |=
                connection->phase == PHASE_OPEN && (connection->finished || weir_output_has_room_again(connection));
        if (reason == 0)
                connection->turn = *ret_again || connection->writes ? TURN_DUE : TURN_NONE;
        pthread_mutex_unlock(&connection->lock);
        return reason;
}

void weir_connection_conclude(struct weir_connection *connection) {
        int reason, r = go_on(connection);
        bool again = r > 0;

        if (r < 0 || connection->phase == PHASE_OVER) {
                weir_connection_end(connection, r < 0 ? r : 0);
                return;
        }
        reason = release_output(connection, &again);
        if (reason == 0 && again) /* others have their turn before */
                reason = weir_trigger(registry_of(connection), connection->fd);
        if (reason == 0)
                reason = weir_rearm(registry_of(connection), connection->fd,
                                    (connection->more ? 0 : connection->reads) | connection->writes);
        if (reason < 0)
                weir_connection_end(connection, reason);
}

/* ---------------------------------------------------------------- the turn */

/* Whether the event may be what somebody waits for who waits for this. */
static bool event_tells(const struct weir_event *event, weir_interest interest) {
        if (weir_event_is_error(event) || weir_event_is_hung_up(event))
                return true;
        return (interest & WEIR_READABLE && (weir_event_is_readable(event) || weir_event_is_read_closed(event))) ||
               (interest & WEIR_WRITABLE && weir_event_is_writable(event));
}

/* Returns whether the idle limit does not count now: the program does not want to read, or did not until now. */
static bool begin_turn(struct weir_connection *connection) {
        bool busy;

        pthread_mutex_lock(&connection->lock);
        connection->turn = TURN_ON;
        busy = connection->paused || connection->stirred;
        connection->stirred = false;
        pthread_mutex_unlock(&connection->lock);
        return busy;
}

/* The program's functions. */
static void serve(struct weir_connection *connection, bool late, bool busy, bool stops) {
        const struct weir_server_config *config = config_of(connection);

        if (may_write(connection))
                config->writable(connection);
        if (weir_connection_is_open(connection) && may_read(connection))
                config->readable(connection);
        busy |= connection->heard || connection->ended || connection->error < 0;
        if (late && !busy && weir_connection_is_open(connection)) {
                if (config->expired)
                        config->expired(connection);
                else
                        weir_connection_finish(connection, NULL, 0);
        }
        if (stops && !connection->told && weir_connection_is_open(connection)) {
                connection->told = true;
                if (config->stopping)
                        config->stopping(connection);
                else
                        weir_connection_finish(connection, NULL, 0);
        }
        if (late || (busy && connection->idle_limit))
                begin_idling(connection);
}

static void on_turn(struct server_item *item, const struct weir_event *event) {
        struct weir_connection *connection = (struct weir_connection *)item;
        bool late = weir_event_is_timeout(event), stops, busy;

        /* First: by the server's lock ThreadSanitizer knows that the connection was made before, its own lock with it. */
        stops = weir_server_stops(item->server);
        busy = begin_turn(connection);
        connection->more |= event_tells(event, connection->reads);
        connection->heard = false;
        connection->rounds = READS;
        if (connection->phase == PHASE_OPEN)
                serve(connection, late, busy, stops);
        else if (late)
                weir_connection_cut(connection, -ETIMEDOUT);
        weir_connection_conclude(connection);
}

/* ---------------------------------------------------------------- begin and end */

struct weir_connection *weir_connection_create(struct weir_server *server, int fd) {
        size_t size = weir_server_settings(server)->connection_size;
        struct weir_connection *connection;

        if (size > SIZE_MAX - sizeof *connection)
                return NULL;
        connection = calloc(1, sizeof *connection + size);
        if (!connection)
                return NULL;
        connection->item = (struct server_item){ on_turn, server };
        connection->fd = fd;
        connection->refs = 1;
        connection->turn = TURN_ON;
        connection->reads = WEIR_READABLE;
        connection->idle_limit = weir_server_settings(server)->idle_limit;
        connection->rounds = READS;
        pthread_mutex_init(&connection->lock, NULL); /* cannot fail with default attributes */
        return connection;
}

void weir_connection_free(struct weir_connection *connection) {
        pthread_mutex_destroy(&connection->lock);
        free(connection);
}

void weir_connection_abandon(struct weir_connection *connection) {
        if (!connection->over)
                close(connection->fd);
        free(connection->queue.at);
        free(connection->sending.at);
        free(connection);
}

int weir_connection_register(struct weir_connection *connection) {
        int r;

        r = weir_register(registry_of(connection), connection->fd, weir_ptr_token(&connection->item),
                          WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD);
        if (r < 0)
                return r;
        /* This takes memory, here and not when the connection is to end. */
        r = weir_set_deadline(registry_of(connection), connection->fd, WEIR_NEVER - 1);
        if (r < 0)
                weir_deregister(registry_of(connection), connection->fd);
        else
                begin_idling(connection);
        return r;
}

void weir_connection_close(struct weir_connection *connection) {
        weir_deregister(registry_of(connection), connection->fd);
        close(connection->fd);
        weir_server_part(connection);
}

void weir_connection_end(struct weir_connection *connection, int reason) {
        const struct weir_server_config *config = config_of(connection);

        weir_output_close(connection);
        if (config->closed)
                config->closed(connection, reason);
        weir_connection_close(connection);
}

void *weir_connection_data(struct weir_connection *connection) {
        return connection ? connection->data : NULL;
}

int weir_connection_fd(struct weir_connection *connection) {
        return connection ? connection->fd : -EINVAL;
}

uint64_t weir_connection_id(struct weir_connection *connection) {
        return connection ? connection->id : 0;
}

struct weir_server *weir_connection_server(struct weir_connection *connection) {
        return connection ? connection->item.server : NULL;
}
