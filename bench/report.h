/* SPDX-License-Identifier: MIT */
#pragma once

#include "run.h"

#include <stdio.h>

/* A table for people. */
void report_table(FILE *file, const struct result *results, size_t n);
/* One JSON object; each result on a line of its own. */
void report_json(FILE *file, const struct result *results, size_t n);

/* What is to be known about how this was built: empty, or a warning. */
const char *report_warning(void);

/* The ratio to reach, or 0. */
double report_target(const struct result *result);
