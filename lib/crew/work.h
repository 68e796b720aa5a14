/* SPDX-License-Identifier: MIT */
#pragma once

#include "crew.h"

/* What a member does until the crew ends. */
void weir_crew_loop(struct weir_crew *crew, struct weir_member *me);
