/* SPDX-License-Identifier: MIT */

/*
 * Each member begins with a comma but for the first of its object, which json_open_object() tells. The words about the build
 * come from meson.build.
 */

#include "json.h"

#include "bench.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifdef __OPTIMIZE__
static const bool optimised = true;
#else
static const bool optimised = false;
#endif

void json_name(struct json *json, const char *text) {
        fprintf(json->file, "%s\"%s\": ", json->first ? "" : ", ", text);
        json->first = false;
}

void json_open_object(struct json *json, const char *text) {
        if (text)
                json_name(json, text);
        fputc('{', json->file);
        json->first = true;
}

void json_close_object(struct json *json) {
        fputc('}', json->file);
        json->first = false;
}

void json_text(struct json *json, const char *member, const char *value) {
        json_name(json, member);
        fputc('"', json->file);
        for (; *value; ++value) {
                if (*value == '"' || *value == '\\')
                        fputc('\\', json->file);
                if ((unsigned char)*value >= ' ')
                        fputc(*value, json->file);
        }
        fputc('"', json->file);
}

void json_number(struct json *json, const char *member, double value) {
        json_name(json, member);
        fprintf(json->file, "%.6g", value);
}

void json_boolean(struct json *json, const char *member, bool value) {
        json_name(json, member);
        fputs(value ? "true" : "false", json->file);
}

void json_null(struct json *json, const char *member) {
        json_name(json, member);
        fputs("null", json->file);
}

void json_summary(struct json *json, const char *member, const struct summary *value) {
        json_open_object(json, member);
        json_number(json, "median", value->median);
        json_number(json, "q1", value->q1);
        json_number(json, "q3", value->q3);
        json_number(json, "min", value->min);
        json_number(json, "max", value->max);
        json_close_object(json);
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

void json_machine(struct json *json) {
        struct utsname kernel;
        char cpu[256];

        cpu_model(cpu, sizeof cpu);
        require(uname(&kernel) == 0, "uname");
        json_open_object(json, "machine");
        json_text(json, "cpu", cpu);
        json_number(json, "cpus", (double)sysconf(_SC_NPROCESSORS_ONLN));
        json_text(json, "kernel", kernel.release);
        json_text(json, "architecture", kernel.machine);
        json_close_object(json);
}

void json_build(struct json *json) {
        json_open_object(json, "build");
        json_text(json, "weir", BENCH_VERSION);
        json_text(json, "compiler", BENCH_COMPILER);
        json_text(json, "options", BENCH_OPTIONS);
        json_boolean(json, "optimised", optimised);
        json_close_object(json);
}
