/* SPDX-License-Identifier: MIT */
/*
 * The body of the fuzzer under libFuzzer, which chooses the bytes by what they reach. Built with clang, by hand:
 *
 *   clang -std=c11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude -Ilib/reactor -Itests \
 *         -Itests/sequential $(find lib -name '*.c' ! -path lib/reactor/sys.c) tests/fault.c tests/fuzz/libfuzzer.c \
 *         tests/fuzz/body.c tests/fuzz/world.c tests/fuzz/descriptors.c tests/fuzz/batches.c tests/fuzz/deferred.c \
 *         tests/sequential/model.c tests/sequential/model_event.c tests/sequential/model_own.c -pthread -o fuzz
 *   ./fuzz -max_len=1500 -timeout=10 corpus/
 *
 * A crash file is repeated by ./fuzz <file> and made smaller by ./fuzz -minimize_crash=1 <file>; the operations that
 * lead to the difference are printed. What is found becomes a file in tests/regress.
 */
#include "body.h"

#include <signal.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
        (void)argc;
        (void)argv;
        signal(SIGPIPE, SIG_IGN);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        fuzz_body(data, size);
        return 0;
}
