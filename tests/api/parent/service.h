/* SPDX-License-Identifier: MIT */
#pragma once

/* A library that uses weir and does not show it. */

__attribute__((visibility("default"))) int service_run(void);
