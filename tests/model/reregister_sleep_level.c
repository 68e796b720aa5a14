/* SPDX-License-Identifier: MIT */

/* As reregister_sleep.c, with level-triggered registrations. */

#define MODE WEIR_LEVEL

#include "reregister_sleep.c"
