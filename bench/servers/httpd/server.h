/* SPDX-License-Identifier: MIT */
#pragma once

#include <weir/crew.h>

#include "connection.h"

struct server {
        struct weir_poll *poll;
        struct weir_crew *crew;
        struct weir_waker *status; /* its deadline is when the status line is due */
        struct weir_waker *grace;  /* and that of this one, when all ends that is in flight */
        int listener, signals;
        _Atomic(uint64_t) present; /* connections, and the listener; who takes the last one away stops the crew */
        uint64_t told;             /* requests that the last status line counted */
        struct service service;
};

/* Listens on a port of the loopback address. Even if it fails server_close() must follow. 0 or a negative errno. */
int server_open(struct server *server, uint16_t *port, int64_t idle_timeout);

/* Serves with so many threads, the caller one of them, until SIGINT or SIGTERM has ended it. 0 or a negative errno. */
int server_run(struct server *server, unsigned threads, bool show_status);

void server_close(struct server *server);
