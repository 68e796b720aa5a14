/* SPDX-License-Identifier: MIT */

/* As register_sleep.c, with one-shot registrations: their events pass through the word of the slot. */

#define MODE WEIR_ONESHOT

#include "register_sleep.c"
