/* SPDX-License-Identifier: MIT */

/* As reregister_same.c, with one-shot registrations: their events pass through the word of the slot. */

#define MODE WEIR_ONESHOT

#include "reregister_same.c"
