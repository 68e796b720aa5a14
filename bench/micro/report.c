/* SPDX-License-Identifier: MIT */

/* Results as a table. A figure that is not there is a dash. Read report_table() first. */

#include "report.h"

/* Above that many descriptors target_many holds. */
#define MANY 1000

/* What growth may be. */
#define TARGET_GROWTH 1.05

const char *report_warning(void) {
#ifdef __OPTIMIZE__
        return "";
#else
        return "weir was compiled without optimisation: these figures say nothing about it";
#endif
}

double report_target(const struct result *result) {
        const struct bench_case *what = result->what;

        return result->n > MANY && what->target_many > 0 ? what->target_many : what->target;
}

const struct result *report_smallest(const struct result *results, size_t n, size_t i) {
        size_t first = i;

        if (results[i].what->bytes || (i + 1 < n && results[i + 1].what == results[i].what))
                return NULL;
        while (first > 0 && results[first - 1].what == results[i].what)
                --first;
        return first < i ? &results[first] : NULL;
}

/* What is not there. */
#define NONE (-1.0)

static void number(FILE *file, int width, double value) {
        if (value >= 0)
                fprintf(file, " %*.*f", width, value < 0.1 ? 3 : 2, value);
        else
                fprintf(file, " %*s", width, "-");
}

static void row(FILE *file, const struct result *result) {
        const struct summary *weir = &result->ratio[WEIR];
        char size[24] = "-";

        if (result->what->kind != BENCH_NOTHING)
                snprintf(size, sizeof size, "%zu", result->n);
        fprintf(file, "%-18s %6s %9.1f", result->what->name, size, result->raw.median);
        number(file, 7, weir->median);
        number(file, 7, weir->q1);
        number(file, 7, weir->q3);
        number(file, 7, report_target(result) > 0 ? report_target(result) : NONE);
        for (size_t i = FIRST_PEER; peers[i - FIRST_PEER]; ++i)
                number(file, 9, result->there[i] ? result->ratio[i].median : NONE);
        fprintf(file, "\n");
}

static void growth(FILE *file, const struct result *small, const struct result *large) {
        char what[48];

        snprintf(what, sizeof what, "  %zu over %zu", large->n, small->n);
        fprintf(file, "%-25s %8.2fx", what, large->raw.median / small->raw.median);
        number(file, 7, large->ratio[WEIR].median / small->ratio[WEIR].median);
        fprintf(file, " %7s %7s", "", "");
        number(file, 7, TARGET_GROWTH);
        for (size_t i = FIRST_PEER; peers[i - FIRST_PEER]; ++i)
                number(file, 9, large->there[i] ? large->ratio[i].median / small->ratio[i].median : NONE);
        fprintf(file, "\n");
}

void report_table(FILE *file, const struct result *results, size_t n) {
        fprintf(file,
                "\nRatios to raw epoll: the median, and between which two the middle half lies. A line \"many over "
                "few\"\n"
                "is the growth from few descriptors to many, as a ratio to that of raw epoll. Memory is in bytes.\n\n");
        fprintf(file, "%-18s %6s %9s %7s %7s %7s %7s", "case", "n", "raw, ns", "weir", "from", "to", "target");
        for (size_t i = 0; peers[i]; ++i)
                fprintf(file, " %9s", peers[i]->name);
        fprintf(file, "\n");
        for (size_t i = 0; i < n; ++i) {
                const struct result *small = report_smallest(results, n, i);

                row(file, &results[i]);
                if (small)
                        growth(file, small, &results[i]);
        }
        if (peers[0])
                fprintf(file, "\nA dash: the library cannot do that, or not from another thread.\n");
        for (size_t i = 0; peers[i]; ++i)
                fprintf(file, "  %s %s: %s\n", peers[i]->name, peers[i]->version(), peers[i]->note);
        if (*report_warning())
                fprintf(file, "\nwarning: %s\n", report_warning());
}
