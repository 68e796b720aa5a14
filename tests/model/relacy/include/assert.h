/* SPDX-License-Identifier: MIT */

/* An assertion that fails ends the execution, and Relacy says which. */

#include "../relacy.h"

#undef assert
#define assert(condition) relacy_assert(condition, #condition)
