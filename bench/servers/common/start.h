/* SPDX-License-Identifier: MIT */
#pragma once

/* What every server here begins with, and what weir has no part in. */

#include <stdbool.h>
#include <stdint.h>

/* A decimal number up to max, and nothing else. */
bool parse_number(const char *text, unsigned long max, unsigned long *ret_number);

/* An option --NAME=N. A name of NULL ends a list of them. */
struct number_option {
        const char *name;
        unsigned long min, max;
        unsigned long *number; /* where it goes */
};

/*
 * Reads a command line of such options, and --help. Returns 0; or, when there is nothing more to do than to exit, after
 * it has printed why, the exit code plus one.
 */
int parse_number_options(int argc, char **argv, const char *usage, const struct number_option *options);

/*
 * Listens on a port of the loopback address, 0 for a free one, which it writes back. Accepted sockets inherit
 * TCP_NODELAY. Returns a non-blocking descriptor, or a negative errno.
 */
int listen_on_loopback(uint16_t *port);

/*
 * Blocks SIGINT and SIGTERM for the calling thread and those it starts from now on. Returns a signalfd(2) that is
 * readable when one of them has come, or a negative errno.
 */
int open_signals(void);
