/* SPDX-License-Identifier: MIT */

/* As trigger_all.c, with one registration, of a number whose slot is there, for another number was registered before. */

#define ONE
#define BEFORE 2

#include "trigger_all.c"
