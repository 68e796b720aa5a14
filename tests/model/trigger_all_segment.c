/* SPDX-License-Identifier: MIT */

/* As trigger_all.c, with one registration, of a number below another one: its segment is made meanwhile. */

#define ONE
#define BEFORE 3

#include "trigger_all.c"
