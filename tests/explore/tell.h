/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_EXPLORE_TELL_H
#define WEIR_TESTS_EXPLORE_TELL_H

/* How it came to what is wrong, for people. */

#include <stdbool.h>

/* While this is set, each turn of a thread, call and system call is written as it is made. */
extern bool tell_on;

__attribute__((format(printf, 1, 2))) void tell_line(const char *format, ...);

#define TELL(...)                                 \
        do {                                      \
                if (__builtin_expect(tell_on, 0)) \
                        tell_line(__VA_ARGS__);   \
        } while (0)

struct call;
void tell_call(const char *what, const struct call *call);

#endif
