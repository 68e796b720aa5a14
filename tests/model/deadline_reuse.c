/* SPDX-License-Identifier: MIT */

/* As deadline_deregister.c, of a number that is closed and reused without a deregister. */

#define REUSED

#include "deadline_deregister.c"
