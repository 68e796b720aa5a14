/* SPDX-License-Identifier: MIT */
#pragma once

/* Writes JSON, member after member. */

#include "summary.h"

#include <stdbool.h>
#include <stdio.h>

struct json {
        FILE *file;
        bool first; /* of its object is the member that comes next */
};

/* Each begins with the name of the member. An object need not have one: then that is NULL. */
void json_name(struct json *json, const char *text);
void json_open_object(struct json *json, const char *text);
void json_close_object(struct json *json);
void json_text(struct json *json, const char *member, const char *value);
void json_number(struct json *json, const char *member, double value);
void json_boolean(struct json *json, const char *member, bool value);
void json_null(struct json *json, const char *member);
void json_summary(struct json *json, const char *member, const struct summary *value);

/* "machine": {"cpu", "cpus", "kernel", "architecture"} */
void json_machine(struct json *json);
/* "build": {"weir", "compiler", "options", "optimised"} */
void json_build(struct json *json);
