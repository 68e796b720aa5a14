/* SPDX-License-Identifier: MIT */

/*
 * Results as a table and as JSON, with the machine they come from. A figure that is not there is a dash, or null. Growth is
 * what a case costs with the most descriptors over what it costs with the fewest, as a ratio to the same growth of raw epoll.
 */

#include "report.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

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

/* The result of the same case with the fewest descriptors, if this is the one with the most. */
static const struct result *smallest(const struct result *results, size_t n, size_t i) {
        size_t first = i;

        if (i + 1 < n && results[i + 1].what == results[i].what)
                return NULL;
        while (first > 0 && results[first - 1].what == results[i].what)
                --first;
        return first < i ? &results[first] : NULL;
}

/* ---------------------------------------------------------------- the machine */

/* The value of a line of /proc/cpuinfo. */
static void cpu_model(char *buffer, size_t size) {
        FILE *file = fopen("/proc/cpuinfo", "re");
        char line[256];

        snprintf(buffer, size, "unknown");
        while (file && fgets(line, sizeof line, file)) {
                char *colon = strchr(line, ':');

                if (strncmp(line, "model name", 10) != 0 || !colon)
                        continue;
                line[strcspn(line, "\n")] = '\0';
                snprintf(buffer, size, "%s", colon + 1 + strspn(colon + 1, " "));
                break;
        }
        if (file)
                fclose(file);
}

/* ---------------------------------------------------------------- table */

static void size_of(const struct result *result, char *buffer, size_t size) {
        if (result->what->kind == BENCH_NOTHING)
                snprintf(buffer, size, "-");
        else
                snprintf(buffer, size, "%zu", result->n);
}

static void number(FILE *file, int width, double value) {
        if (value > 0)
                fprintf(file, " %*.*f", width, value < 0.1 ? 3 : 2, value);
        else
                fprintf(file, " %*s", width, "-");
}

static void table_row(FILE *file, const struct result *result) {
        const struct summary *weir = &result->ratio[WEIR];
        char size[24];

        size_of(result, size, sizeof size);
        fprintf(file, "%-18s %6s %9.1f", result->what->name, size, result->ns.median);
        number(file, 7, weir->median);
        number(file, 7, weir->q1);
        number(file, 7, weir->q3);
        number(file, 7, report_target(result));
        for (size_t i = 0; peers[i]; ++i)
                number(file, 9, result->there[FIRST_PEER + i] ? result->ratio[FIRST_PEER + i].median : 0);
        fprintf(file, "\n");
}

static void table_growth(FILE *file, const struct result *small, const struct result *large) {
        char what[48];

        snprintf(what, sizeof what, "%s, growth", large->what->name);
        fprintf(file, "%-25s %9.2f", what, large->ns.median / small->ns.median);
        number(file, 7, large->ratio[WEIR].median / small->ratio[WEIR].median);
        fprintf(file, " %7s %7s", "", "");
        number(file, 7, TARGET_GROWTH);
        for (size_t i = FIRST_PEER; peers[i - FIRST_PEER]; ++i)
                number(file, 9, large->there[i] ? large->ratio[i].median / small->ratio[i].median : 0);
        fprintf(file, "\n");
}

void report_table(FILE *file, const struct result *results, size_t n) {
        fprintf(file, "\nRatios to raw epoll, which is 1.00: medians, and between which two the middle half lies.\n\n");
        fprintf(file, "%-18s %6s %9s %7s %7s %7s %7s", "case", "n", "raw, ns", "weir", "from", "to", "target");
        for (size_t i = 0; peers[i]; ++i)
                fprintf(file, " %9s", peers[i]->name);
        fprintf(file, "\n");
        for (size_t i = 0; i < n; ++i) {
                const struct result *small = smallest(results, n, i);

                table_row(file, &results[i]);
                if (small)
                        table_growth(file, small, &results[i]);
        }
        if (*report_warning())
                fprintf(file, "\nwarning: %s\n", report_warning());
}

/* ---------------------------------------------------------------- JSON */

static void json_text(FILE *file, const char *name, const char *text) {
        fprintf(file, "\"%s\": \"", name);
        for (; *text; ++text) {
                if (*text == '"' || *text == '\\')
                        fputc('\\', file);
                if ((unsigned char)*text >= ' ')
                        fputc(*text, file);
        }
        fprintf(file, "\"");
}

static void json_number(FILE *file, const char *name, double value) {
        if (value > 0)
                fprintf(file, ", \"%s\": %.6g", name, value);
        else
                fprintf(file, ", \"%s\": null", name);
}

static void json_summary(FILE *file, const char *name, const struct summary *summary, bool there) {
        fprintf(file, ", \"%s\": ", name);
        if (!there) {
                fprintf(file, "null");
                return;
        }
        fprintf(file, "{\"median\": %.6g, \"q1\": %.6g, \"q3\": %.6g, \"min\": %.6g, \"max\": %.6g}", summary->median,
                summary->q1, summary->q3, summary->min, summary->max);
}

static void json_machine(FILE *file) {
        struct utsname system;
        char cpu[256];

        cpu_model(cpu, sizeof cpu);
        require(uname(&system) == 0, "uname");
        fprintf(file, "\"machine\": {");
        json_text(file, "cpu", cpu);
        fprintf(file, ", \"cpus\": %ld, ", sysconf(_SC_NPROCESSORS_ONLN));
        json_text(file, "kernel", system.release);
        fprintf(file, ", ");
        json_text(file, "architecture", system.machine);
        fprintf(file, "},\n\"build\": {");
        json_text(file, "compiler", BENCH_COMPILER);
        fprintf(file, ", ");
        json_text(file, "options", BENCH_OPTIONS);
        fprintf(file, ", \"optimised\": %s},\n\"peers\": {", *report_warning() ? "false" : "true");
        for (size_t i = 0; peers[i]; ++i) {
                fprintf(file, "%s", i ? ", " : "");
                json_text(file, peers[i]->name, peers[i]->version());
        }
        fprintf(file, "}");
}

void report_json(FILE *file, const struct result *results, size_t n) {
        fprintf(file, "{\n");
        json_machine(file);
        fprintf(file, ",\n\"cases\": [\n");
        for (size_t i = 0; i < n; ++i) {
                const struct result *result = &results[i], *small = smallest(results, n, i);

                fprintf(file, "{");
                json_text(file, "name", result->what->name);
                json_number(file, "n", result->what->kind == BENCH_NOTHING ? 0 : (double)result->n);
                fprintf(file, ", \"threads\": %u, \"repetitions\": %u, ", result->what->threads, result->repetitions);
                json_text(file, "baseline", result->what->baseline);
                json_summary(file, "raw_ns", &result->ns, true);
                json_summary(file, "ratio", &result->ratio[WEIR], true);
                json_number(file, "target", report_target(result));
                json_number(file, "growth", small ? result->ratio[WEIR].median / small->ratio[WEIR].median : 0);
                fprintf(file, ", \"peers\": {");
                for (size_t p = 0; peers[p]; ++p) {
                        /* the comma belongs to the member before */
                        char name[64];

                        snprintf(name, sizeof name, "%s", peers[p]->name);
                        if (p)
                                fprintf(file, ", ");
                        fprintf(file, "\"%s\": ", name);
                        if (result->there[FIRST_PEER + p])
                                fprintf(file, "{\"median\": %.6g}", result->ratio[FIRST_PEER + p].median);
                        else
                                fprintf(file, "null");
                }
                fprintf(file, "}}%s\n", i + 1 < n ? "," : "");
        }
        fprintf(file, "]\n}\n");
}
