/* SPDX-License-Identifier: MIT */

/* As deadline_reregister.c, with one-shot registrations: their events pass through the word of the slot. */

#define MODE WEIR_ONESHOT

#include "deadline_reregister.c"
