/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_SEQUENTIAL_MODEL_REGISTRATION_H
#define WEIR_TESTS_SEQUENTIAL_MODEL_REGISTRATION_H

/* For the files of the model: a registration and its file. */

#include "model.h"

#include <sys/epoll.h>

#define DIRECTIONS (WEIR_READABLE | WEIR_WRITABLE | WEIR_PRIORITY)
#define ALWAYS     (EPOLLERR | EPOLLHUP)

/* What the kernel is asked to report. */
static inline uint32_t asked(const struct model_registration *reg) {
        return (reg->interest & DIRECTIONS) | ALWAYS;
}

/* Whether the number is still the file that was registered, and the kernel knows. */
static inline bool stands(const struct model *model, const struct model_registration *reg, int number) {
        return reg->registered && reg->alive && model->file_at[number] == reg->file;
}

#endif
