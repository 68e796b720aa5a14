/* SPDX-License-Identifier: MIT */

/* As register_sleep.c, with a level-triggered registration: the kernel tells what comes while the slot is locked again. */

#define MODE WEIR_LEVEL

#include "register_sleep.c"
