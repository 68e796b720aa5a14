/* SPDX-License-Identifier: MIT */

/* What the fake kernel asks of GenMC, asked of Relacy, which cannot leave an execution: another thread runs first. */

#include "../relacy.h"

#define __VERIFIER_assume(condition) relacy_give_way(condition)
