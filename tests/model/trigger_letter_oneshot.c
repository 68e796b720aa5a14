/* SPDX-License-Identifier: MIT */

/* As trigger_letter.c, with one-shot registrations: their events pass through the word of the slot. */

#define MODE WEIR_ONESHOT

#include "trigger_letter.c"
