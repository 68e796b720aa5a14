/* SPDX-License-Identifier: MIT */

/* As deadline_reregister.c, against retoken. */

#define CHANGE weir_retoken(registry, 0, NEWER)

#include "deadline_reregister.c"
