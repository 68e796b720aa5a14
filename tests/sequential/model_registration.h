/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_SEQUENTIAL_MODEL_REGISTRATION_H
#define WEIR_TESTS_SEQUENTIAL_MODEL_REGISTRATION_H

/* For the files of the model: a registration and its file. */

#include "model.h"

#include <errno.h>
#include <sys/epoll.h>

#define DIRECTIONS (WEIR_READABLE | WEIR_WRITABLE | WEIR_PRIORITY)
#define ALWAYS     (EPOLLERR | EPOLLHUP)
#define TIMEOUT    (UINT32_C(1) << 16) /* as events have them */
#define TRIGGERED  (UINT32_C(1) << 17)

/* What the kernel is asked to report. */
static inline uint32_t asked(const struct model_registration *reg) {
        return (reg->interest & DIRECTIONS) | ALWAYS;
}

/* Whether the number is still the file that was registered, and the kernel knows. */
static inline bool stands(const struct model *model, const struct model_registration *reg, int number) {
        return reg->registered && reg->alive && model->file_at[number] == reg->file;
}

/* Whether it may hand out anything now: what has an owner waits for the rearm. */
static inline bool speaks(const struct model_registration *reg) {
        return reg->registered && (reg->armed || !(reg->interest & WEIR_ONESHOT));
}

static inline bool is_due(const struct model *model, const struct model_own *own) {
        return own->has_deadline && own->moment <= model->now;
}

static inline int missing(const struct model *model, int number) {
        return number >= 0 && number < NUMBERS && model->file_at[number] ? -ENOENT : -EBADF;
}

static inline struct model_registration *find(struct model *model, unsigned side, int number) {
        if (number < 0 || number >= NUMBERS || !model->sides[side].registrations[number].registered)
                return NULL;
        return &model->sides[side].registrations[number];
}

#endif
