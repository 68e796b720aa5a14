/* SPDX-License-Identifier: MIT */
#pragma once

#include "bench.h"

/* Raises the limit of descriptors as far as it goes. Returns it. */
size_t descriptors_limit(void);

/* How many descriptors n of a kind take, with what a lap itself needs. */
size_t descriptors_needed(enum bench_kind kind, size_t n);

/* Opens n of a kind, shuffled with a fixed seed. */
void descriptors_open(struct bench_descriptors *on, enum bench_kind kind, size_t n);
void descriptors_close(struct bench_descriptors *on);
