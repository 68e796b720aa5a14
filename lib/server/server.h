/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The server itself: server.c begins and ends it, accept.c lets in who comes, set.c keeps the connections that are there.
 *
 * The lock guards the set, the references and the counts. Nothing of the program's runs under it. The lock of a
 * connection may be taken under it, and not the other way round.
 */

#include "connection.h"

#include <weir/sources.h>

struct server_listener {
        struct server_item item;
        struct server_listener *next; /* under the lock */
        int fd;                       /* the turn's; -1 when it is closed */
};

struct server_watch {
        struct server_item item;
        struct server_watch *next; /* under the lock */
        int fd;
        weir_interest interest;
        bool (*fn)(struct weir_server *, int, void *);
        void *data;
};

struct weir_server {
        struct server_item bell_item;
        struct weir_server_config config;
        struct weir_poll *poll;
        struct weir_crew *crew;
        struct weir_waker *bell; /* rings for the stop, and for its limit */
        pid_t pid; /* that made it; in a forked child nobody else is left, and others' locks may be held for ever */

        struct weir_signals signals; /* of weir_server_stop_on() */
        bool has_signals;

        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t added; /* nobody adds a connection any more */
        struct weir_connection *connections;
        struct server_listener *listeners;
        struct server_watch *watches;
        uint64_t last_id;
        unsigned open;   /* connections, listeners, and the bell until it has rung */
        unsigned adding; /* calls that make a connection */
        enum { RUN_NOT, RUN_NOW, RUN_OVER } run;
        bool stops; /* no connection and no listener comes any more */
};

/* Gives up one part of `open`. */
void weir_server_give_up(struct weir_server *server);

/*
 * The next connection that is not over, with a reference, in exchange for that to this one; or the first one. NULL: there is none.
 * Those that were finished are left out, unless all is set.
 */
struct weir_connection *weir_server_go_on(struct weir_server *server, struct weir_connection *connection, bool all);
