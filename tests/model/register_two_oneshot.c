/* SPDX-License-Identifier: MIT */

/* As register_two.c, with one-shot registrations: their events pass through the word of the slot. */

#define MODE WEIR_ONESHOT

#include "register_two.c"
