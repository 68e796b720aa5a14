/* SPDX-License-Identifier: MIT */

/* As reregister_sleep.c, with one-shot registrations. */

#define MODE WEIR_ONESHOT

#include "reregister_sleep.c"
