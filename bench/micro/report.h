/* SPDX-License-Identifier: MIT */
#pragma once

#include "run.h"

#include <stdio.h>

/* A table for people. */
void report_table(FILE *file, const struct result *results, size_t n);

/* The same as one JSON object, each result on a line of its own; report_json.c. */
void report_json(FILE *file, const struct result *results, size_t n);

/* What is to be known about how this was built: empty, or a warning. */
const char *report_warning(void);

/* The ratio to reach, or 0. */
double report_target(const struct result *result);

/*
 * The result of the same case with the fewest descriptors, if results[i] is the one with the most: growth is what a case costs
 * there over what it costs here, as a ratio to the same growth of raw epoll. NULL where that says nothing.
 */
const struct result *report_smallest(const struct result *results, size_t n, size_t i);
