/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The frame of a scenario: set_up and tear_down on the main thread, and between them each of its threads once.
 *
 * Under the model checker (WEIR_MODEL_CHECK) main() does that once, and the checker explores every execution. Otherwise
 * it does it again and again for WEIR_MODEL_SECONDS, 1 if unset, with threads that start together, and with the yield
 * points of the library.
 */

#ifdef WEIR_MODEL_CHECK

/* The threads get their numbers here: in which order the library would give them out makes no difference, but executions. */
#define MODEL_MAIN(set_up, tear_down, ...)                                       \
        static void *(*const model_runs[])(void *) = { __VA_ARGS__ };            \
        static void *model_run(void *number) {                                   \
                weir_thread = 2 + (uintptr_t)number;                             \
                return model_runs[(uintptr_t)number](NULL);                      \
        }                                                                        \
        int main(void) {                                                         \
                pthread_t threads[sizeof model_runs / sizeof model_runs[0]];     \
                                                                                 \
                weir_thread = 1;                                                 \
                set_up();                                                        \
                for (uintptr_t i = 0; i < sizeof threads / sizeof *threads; ++i) \
                        pthread_create(&threads[i], NULL, model_run, (void *)i); \
                for (unsigned i = 0; i < sizeof threads / sizeof *threads; ++i)  \
                        pthread_join(threads[i], NULL);                          \
                tear_down();                                                     \
                return 0;                                                        \
        }

#else

#include <stdatomic.h>
#include <stdbool.h>

/* A thread falls asleep, or ends in its sleep; it wakes up; whether one is left that could wake it. */
void model_falls_asleep(void);
void model_wakes_up(void);
bool model_others_run(void);

int model_stress(void (*set_up)(void), void (*tear_down)(void), void *(*const *runs)(void *), unsigned count);

#define MODEL_MAIN(set_up, tear_down, ...)                                                                    \
        static void *(*const model_runs[])(void *) = { __VA_ARGS__ };                                         \
        int main(void) {                                                                                      \
                return model_stress(set_up, tear_down, model_runs, sizeof model_runs / sizeof model_runs[0]); \
        }

#endif
