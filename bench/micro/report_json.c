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
 * says. What is not there is null. Read report_json() first, then result().
 */

#include "json.h"
#include "report.h"

static void result(struct json *json, const struct result *value, const struct result *small) {
        const struct bench_case *what = value->what;
        double target = report_target(value);

        json_open_object(json, NULL);
        json_text(json, "name", what->name);
        if (what->kind == BENCH_NOTHING)
                json_null(json, "n");
        else
                json_number(json, "n", (double)value->n);
        json_number(json, "threads", what->threads);
        json_number(json, "repetitions", value->repetitions);
        json_text(json, "baseline", what->baseline);
        json_text(json, "unit", what->bytes ? "bytes" : "ratio");
        json_summary(json, what->bytes ? "raw_bytes" : "raw_ns", &value->raw);
        json_summary(json, "weir", &value->ratio[WEIR]);
        if (target > 0)
                json_number(json, "target", target);
        else
                json_null(json, "target");
        if (small)
                json_number(json, "growth", value->ratio[WEIR].median / small->ratio[WEIR].median);
        else
                json_null(json, "growth");
        json_open_object(json, "peers");
        for (size_t i = 0; peers[i]; ++i)
                if (value->there[FIRST_PEER + i])
                        json_summary(json, peers[i]->name, &value->ratio[FIRST_PEER + i]);
                else
                        json_null(json, peers[i]->name);
        json_close_object(json);
        json_close_object(json);
}

void report_json(FILE *file, const struct result *results, size_t n) {
        struct json json = { .file = file };

        json_open_object(&json, NULL);
        json_machine(&json);
        fputc('\n', file);
        json_build(&json);
        fputc('\n', file);
        json_open_object(&json, "peers");
        for (size_t i = 0; peers[i]; ++i) {
                json_open_object(&json, peers[i]->name);
                json_text(&json, "version", peers[i]->version());
                json_text(&json, "note", peers[i]->note);
                json_close_object(&json);
        }
        json_close_object(&json);
        fputc('\n', file);
        json_name(&json, "cases");
        fputs("[\n", file);
        for (size_t i = 0; i < n; ++i) {
                json.first = true;
                result(&json, &results[i], report_smallest(results, n, i));
                fputs(i + 1 < n ? ",\n" : "\n", file);
        }
        fputs("]}\n", file);
}
