/* SPDX-License-Identifier: MIT */

/*
 * Results as JSON:
 *
 *         {"machine": {"cpu", "cpus", "kernel", "architecture"},
 *          "build": {"weir", "compiler", "options", "optimised"},
 *          "peers": {NAME: {"version", "note"}},
 *          "cases": [{"name", "n", "threads", "repetitions", "baseline", "unit", "raw_ns" or "raw_bytes", "weir", "target",
 *                     "growth", "peers": {NAME: }}]}
 *
 * Each figure is {"median", "q1", "q3", "min", "max"}; that of weir and of a peer is a ratio to raw epoll, or in bytes, as unit
 * says. What is not there is null. Each member begins with a comma but for the first of its object, which open_object() tells.
 * Read report_json() first, then result().
 */

#include "report.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct json {
        FILE *file;
        bool first;
};

static void name(struct json *json, const char *text) {
        fprintf(json->file, "%s\"%s\": ", json->first ? "" : ", ", text);
        json->first = false;
}

static void open_object(struct json *json, const char *text) {
        if (text)
                name(json, text);
        fputc('{', json->file);
        json->first = true;
}

static void close_object(struct json *json) {
        fputc('}', json->file);
        json->first = false;
}

static void text(struct json *json, const char *member, const char *value) {
        name(json, member);
        fputc('"', json->file);
        for (; *value; ++value) {
                if (*value == '"' || *value == '\\')
                        fputc('\\', json->file);
                if ((unsigned char)*value >= ' ')
                        fputc(*value, json->file);
        }
        fputc('"', json->file);
}

static void number(struct json *json, const char *member, double value) {
        name(json, member);
        fprintf(json->file, "%.6g", value);
}

static void boolean(struct json *json, const char *member, bool value) {
        name(json, member);
        fputs(value ? "true" : "false", json->file);
}

static void null(struct json *json, const char *member) {
        name(json, member);
        fputs("null", json->file);
}

static void summary(struct json *json, const char *member, const struct summary *value) {
        open_object(json, member);
        number(json, "median", value->median);
        number(json, "q1", value->q1);
        number(json, "q3", value->q3);
        number(json, "min", value->min);
        number(json, "max", value->max);
        close_object(json);
}

/* ---------------------------------------------------------------- the machine */

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

static void machine(struct json *json) {
        struct utsname kernel;
        char cpu[256];

        cpu_model(cpu, sizeof cpu);
        require(uname(&kernel) == 0, "uname");
        open_object(json, "machine");
        text(json, "cpu", cpu);
        number(json, "cpus", (double)sysconf(_SC_NPROCESSORS_ONLN));
        text(json, "kernel", kernel.release);
        text(json, "architecture", kernel.machine);
        close_object(json);
}

static void build(struct json *json) {
        open_object(json, "build");
        text(json, "weir", BENCH_VERSION);
        text(json, "compiler", BENCH_COMPILER);
        text(json, "options", BENCH_OPTIONS);
        boolean(json, "optimised", !*report_warning());
        close_object(json);
}

/* ---------------------------------------------------------------- results */

static void result(struct json *json, const struct result *value, const struct result *small) {
        const struct bench_case *what = value->what;
        double target = report_target(value);

        open_object(json, NULL);
        text(json, "name", what->name);
        if (what->kind == BENCH_NOTHING)
                null(json, "n");
        else
                number(json, "n", (double)value->n);
        number(json, "threads", what->threads);
        number(json, "repetitions", value->repetitions);
        text(json, "baseline", what->baseline);
        text(json, "unit", what->bytes ? "bytes" : "ratio");
        summary(json, what->bytes ? "raw_bytes" : "raw_ns", &value->raw);
        summary(json, "weir", &value->ratio[WEIR]);
        if (target > 0)
                number(json, "target", target);
        else
                null(json, "target");
        if (small)
                number(json, "growth", value->ratio[WEIR].median / small->ratio[WEIR].median);
        else
                null(json, "growth");
        open_object(json, "peers");
        for (size_t i = 0; peers[i]; ++i)
                if (value->there[FIRST_PEER + i])
                        summary(json, peers[i]->name, &value->ratio[FIRST_PEER + i]);
                else
                        null(json, peers[i]->name);
        close_object(json);
        close_object(json);
}

void report_json(FILE *file, const struct result *results, size_t n) {
        struct json json = { .file = file };

        open_object(&json, NULL);
        machine(&json);
        fputc('\n', file);
        build(&json);
        fputc('\n', file);
        open_object(&json, "peers");
        for (size_t i = 0; peers[i]; ++i) {
                open_object(&json, peers[i]->name);
                text(&json, "version", peers[i]->version());
                text(&json, "note", peers[i]->note);
                close_object(&json);
        }
        close_object(&json);
        fputc('\n', file);
        name(&json, "cases");
        fputs("[\n", file);
        for (size_t i = 0; i < n; ++i) {
                json.first = true;
                result(&json, &results[i], report_smallest(results, n, i));
                fputs(i + 1 < n ? ",\n" : "\n", file);
        }
        fputs("]}\n", file);
}
