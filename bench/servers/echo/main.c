/* SPDX-License-Identifier: MIT */

/*
 * echo: sends back whatever is sent to it. Read wait_and_hand_over() first, then pool.c.
 *
 * The main thread waits, and hands each connection that has an event to a pool of workers by a queue. A worker reads
 * and writes as much as it can, then arms the connection again or ends it, by its own handle to the registry and while
 * the main thread waits; nothing goes back to that one. The signals that end the server are a descriptor like others.
 *
 * At the end the waiter just stops. The workers are joined, each after the connection it is at; then the connections are
 * closed, and the poll goes last.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/start.h"
#include "pool.h"

/* How many events the waiter takes at once. */
#define BATCH 64

static const char usage[] = "Usage: echo [OPTION]...\n"
                            "Send back what is sent to a port of the loopback address, until SIGINT or SIGTERM.\n"
                            "\n"
                            "  --port=N      listen on port N (default 8082; 0 picks a free one)\n"
                            "  --workers=N   threads that read and write (default 4)\n"
                            "  --help        print this\n";

/* Tokens that are no pointers to connections. */
enum {
        TOKEN_LISTENER,
        TOKEN_SIGNALS,
};

struct echo {
        struct weir_poll *poll;
        struct weir_events *events;
        int signals;
        struct pool pool;
};

static void wait_and_hand_over(struct echo *echo) {
        struct weir_event event;

        for (;;) {
                /* Nothing but a signal can make it fail here; then there is no batch, and it waits again. */
                weir_poll_wait(echo->poll, echo->events, NULL);
                while (weir_events_next(echo->events, &event)) {
                        if (event.token == TOKEN_SIGNALS)
                                return;
                        if (event.token == TOKEN_LISTENER)
                                pool_admit(&echo->pool);
                        else
                                pool_queue(&echo->pool, weir_token_ptr(event.token));
                }
        }
}

/* Makes what the main thread needs. Even if it fails echo_close() must follow. */
static int echo_open(struct echo *echo) {
        int r;

        echo->signals = open_signals(); /* before there are threads, so that they have them blocked, too */
        if (echo->signals < 0)
                return echo->signals;
        r = weir_poll_create(&echo->poll);
        if (r < 0)
                return r;
        r = weir_events_create(BATCH, &echo->events);
        if (r < 0)
                return r;
        return weir_register(weir_poll_registry(echo->poll), echo->signals, TOKEN_SIGNALS, WEIR_READABLE);
}

static int echo_run(struct echo *echo, uint16_t port, unsigned workers) {
        int r;

        r = pool_open(&echo->pool, weir_poll_registry(echo->poll), TOKEN_LISTENER, &port, workers);
        if (r < 0)
                return r;
        printf("listening on 127.0.0.1:%u\n", port);
        fflush(stdout);
        wait_and_hand_over(echo);
        pool_close(&echo->pool);
        return 0;
}

static void echo_close(struct echo *echo) {
        weir_events_destroy(echo->events);
        weir_poll_destroy(echo->poll);
        if (echo->signals >= 0)
                close(echo->signals);
}

int main(int argc, char **argv) {
        unsigned long port = 8082, workers = 4;
        const struct number_option options[] = {
                { "port", 0, UINT16_MAX, &port },
                { "workers", 1, WORKERS_MAX, &workers },
                { .name = NULL },
        };
        struct echo echo = { .poll = NULL };
        int r;

        r = parse_number_options(argc, argv, usage, options);
        if (r > 0)
                return r - 1;
        r = echo_open(&echo);
        if (r >= 0)
                r = echo_run(&echo, (uint16_t)port, (unsigned)workers);
        if (r < 0)
                fprintf(stderr, "echo: cannot serve port %lu: %s\n", port, strerror(-r));
        echo_close(&echo);
        return r < 0 ? 1 : 0;
}
