/* SPDX-License-Identifier: MIT */

/* Quartiles, and the two ends. */

#include "summary.h"

#include <stdlib.h>

static int compare_double(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

/* Of sorted values, between the two nearest. */
static double quantile(const double *sorted, size_t n, double q) {
        double position = q * (double)(n - 1);
        size_t below = (size_t)position;
        double rest = position - (double)below;

        return below + 1 < n ? sorted[below] + rest * (sorted[below + 1] - sorted[below]) : sorted[below];
}

struct summary summarize(double *values, size_t n) {
        qsort(values, n, sizeof *values, compare_double);
        return (struct summary){
                .median = quantile(values, n, 0.5),
                .q1 = quantile(values, n, 0.25),
                .q3 = quantile(values, n, 0.75),
                .min = values[0],
                .max = values[n - 1],
        };
}
