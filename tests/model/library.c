/* SPDX-License-Identifier: MIT */

/* The library and the kernel of all scenarios of the stress build that ask for no other: see library.h. */

#include "library.h"
