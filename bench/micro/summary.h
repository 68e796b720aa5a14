/* SPDX-License-Identifier: MIT */
#pragma once

/* What repetitions come to. */

#include <stddef.h>

struct summary {
        double median, q1, q3, min, max;
};

/* Sorts the values. */
struct summary summarize(double *values, size_t n);
