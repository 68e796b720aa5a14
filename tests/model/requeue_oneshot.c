/* SPDX-License-Identifier: MIT */

/* As requeue.c, with one-shot registrations: their events pass through the word of the slot. */

#define MODE WEIR_ONESHOT

#include "requeue.c"
