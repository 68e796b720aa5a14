/* SPDX-License-Identifier: MIT */

/*
 * libevent: a base per thread, and each connection stays with the base it was given to, in turn. The first base accepts for all
 * and adds events to the others' bases, which is allowed when libevent was told to use threads. Level-triggered and
 * persistent, the way it is used most; no connection is ever served by a second thread, whoever is idle. The idle limit is the
 * timeout of the event, which libevent moves each time that comes; it is the same for all, of which libevent is told, for that
 * spares it the heap. Read accept_one() first, then on_ready().
 */

#include "rival.h"

#include <event2/event.h>
#include <event2/listener.h>
#include <event2/thread.h>
#include <stdlib.h>
#include <unistd.h>

struct connection {
        struct session session;
        struct event *event;
        short what; /* EV_READ or EV_WRITE: what the event is for */
};

/* Written before there are threads, but for next, which is the first thread's. */
static struct event_base **bases;
static unsigned n_bases, next;
static const struct timeval *idle_limit; /* of each base: it was the first that each was told of */

static void on_ready(evutil_socket_t fd, short what, void *argument);

static void await(struct connection *connection, struct event_base *base, short what) {
        connection->event = event_new(base, connection->session.fd, what | EV_PERSIST, on_ready, connection);
        connection->what = what;
        if (!connection->event)
                rival_fail("event_new");
        /* The last that this thread does to it, if the base is another's. */
        if (event_add(connection->event, idle_limit) < 0)
                rival_fail("event_add");
}

static void on_ready(evutil_socket_t fd, short ready, void *argument) {
        struct connection *connection = argument;
        enum need need = ready & EV_TIMEOUT ? NEED_NOTHING : session_serve(&connection->session);
        short what = need == NEED_ROOM ? EV_WRITE : EV_READ;

        if (need == NEED_NOTHING) {
                event_free(connection->event);
                close(fd);
                free(connection);
        } else if (what != connection->what) {
                struct event_base *base = event_get_base(connection->event);

                event_free(connection->event);
                await(connection, base, what);
        }
}

static void accept_one(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int length,
                       void *argument) {
        struct connection *connection = malloc(sizeof *connection);

        (void)listener, (void)address, (void)length, (void)argument;
        if (!connection)
                rival_fail("memory for a connection");
        session_init(&connection->session, fd);
        await(connection, bases[next++ % n_bases], EV_READ);
}

static void *work(void *base) {
        event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
        rival_fail("event_base_loop");
}

const char *rival_name(void) {
        static char name[64];

        evutil_snprintf(name, sizeof name, "libevent %s", event_get_version());
        return name;
}

void rival_start(int listener, unsigned threads) {
        const struct timeval limit = { .tv_sec = (time_t)rival_idle_limit };

        if (evthread_use_pthreads() < 0)
                rival_fail("evthread_use_pthreads");
        n_bases = threads;
        bases = calloc(threads, sizeof(struct event_base *));
        if (!bases)
                rival_fail("memory for the bases");
        for (unsigned i = 0; i < threads; ++i) {
                bases[i] = event_base_new();
                if (!bases[i])
                        rival_fail("event_base_new");
                idle_limit = event_base_init_common_timeout(bases[i], &limit);
                if (!idle_limit)
                        rival_fail("event_base_init_common_timeout");
        }
        if (!evconnlistener_new(bases[0], accept_one, NULL, LEV_OPT_CLOSE_ON_EXEC, 0, listener))
                rival_fail("evconnlistener_new");
        for (unsigned i = 0; i < threads; ++i)
                rival_thread(work, bases[i]);
}
