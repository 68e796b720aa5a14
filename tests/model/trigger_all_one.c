/* SPDX-License-Identifier: MIT */

/* As trigger_all.c, with one registration. */

#define ONE

#include "trigger_all.c"
