/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_FUZZ_BODY_H
#define WEIR_TESTS_FUZZ_BODY_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads the bytes as operations, makes each of them on the library and on the model, and aborts at the first
 * difference, with the operations so far on stderr. SIGPIPE must be ignored. Returns how many operations were made.
 */
unsigned fuzz_body(const uint8_t *data, size_t size);

#endif
