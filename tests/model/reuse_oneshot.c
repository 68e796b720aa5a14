/* SPDX-License-Identifier: MIT */

/* As reuse.c, with one-shot registrations: their events pass through the word of the slot. */

#define MODE WEIR_ONESHOT

#include "reuse.c"
