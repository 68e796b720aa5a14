/* SPDX-License-Identifier: MIT */
#pragma once

#include <weir/weir.h>

struct server;

struct server_options {
        uint16_t port;        /* 0: any free one */
        unsigned threads;     /* at least 1 */
        int64_t idle_timeout; /* nanoseconds, above 0 */
};

/* For the status line: connections of now, and counts since the start. */
struct server_figures {
        uint64_t connections;
        uint64_t requests;
        uint64_t stale;
        uint64_t wakes;
};

/* Listens on the loopback address. Errors: a negative errno, of bind(2) for instance; nothing is left. */
int server_create(const struct server_options *options, struct server **ret_server);

/* Ends what still runs, waits for it, and frees everything. NULL is fine. */
void server_destroy(struct server *server);

/* The port it listens on. */
uint16_t server_port(const struct server *server);

/* To be woken, from a signal handler for instance, when the server shall finish what is in flight and end. */
struct weir_waker *server_stopper(struct server *server);

/* Starts the threads. Errors: a negative errno; server_destroy() is all that may follow. */
int server_start(struct server *server);

/* Sleeps about so long, or less if something happens. Returns whether the server has come to its end. */
bool server_sleep(struct server *server, unsigned seconds);

void server_get_figures(struct server *server, struct server_figures *ret_figures);
