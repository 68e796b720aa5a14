/* SPDX-License-Identifier: MIT */
#pragma once

/* What every server here begins with, and what weir has no part in. */

#include <stdbool.h>
#include <stdint.h>

/* A decimal number up to max, and nothing else. */
bool parse_number(const char *text, unsigned long max, unsigned long *ret_number);

/*
 * Listens on a port of the loopback address, 0 for a free one, which it writes back. Accepted sockets inherit
 * TCP_NODELAY. Returns a non-blocking descriptor, or a negative errno.
 */
int listen_on_loopback(uint16_t *port);
