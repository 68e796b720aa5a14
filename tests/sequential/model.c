/* SPDX-License-Identifier: MIT */
/*
 * The model: see model.h. Here are the world and the calls; events are in model_event.c. Read model_event() there first, which
 * says what may be handed out, then model_sample() here and due() there, which say what must be.
 *
 * Where the contract leaves room, the model does: readiness may be spurious, as long as the file has shown it since the
 * registration began; an undrained edge may come again; a descriptor that was closed without being deregistered may
 * still speak under its own token, for a duplicate, but need not.
 */
#include "model_registration.h"

#include <string.h>

void model_init(struct model *model) {
        memset(model, 0, sizeof(*model));
        for (unsigned i = 0; i < BATCHES + GUARDS; i++)
                model->batch_of[i] = -1;
}

/* ---------------------------------------------------------------- the world */

void model_open(struct model *model, unsigned number, bool pollable) {
        model->file_at[number] = ++model->files_made;
        model->files[model->files_made] = (struct model_file){ .pollable = pollable };
}

void model_dup(struct model *model, unsigned number, unsigned from) {
        model->file_at[number] = model->file_at[from];
}

void model_close(struct model *model, unsigned number) {
        model->file_at[number] = 0;
}

/* A registration ends, or another one takes its number. */
static void end(struct model *model, unsigned side, int number) {
        struct model_registration *reg = &model->sides[side].registrations[number];

        if (reg->registered && reg->alive)
                model->sides[side].ghosts[number][reg->file] = true;
        /* What can be removed by number is. */
        model->sides[side].ghosts[number][model->file_at[number]] = false;
        memset(reg, 0, sizeof(*reg));
}

void model_sample(struct model *model, unsigned file, uint32_t readiness) {
        uint32_t rising = readiness & ~model->files[file].now;

        model->files[file].now = readiness;
        for (unsigned s = 0; s < SIDES; s++)
                for (int n = 0; n < NUMBERS; n++) {
                        struct model_registration *reg = &model->sides[s].registrations[n];

                        if (!reg->registered || reg->file != file)
                                continue;
                        reg->ever |= readiness;
                        /* What went away before it was handed out has nothing to tell any more. */
                        reg->must = stands(model, reg, n) ? (reg->must | (rising & asked(reg))) & readiness : 0;
                }
}

/* ---------------------------------------------------------------- calls */

void model_create(struct model *model, unsigned side) {
        memset(&model->sides[side], 0, sizeof(model->sides[side]));
        model->sides[side].exists = true;
}

static bool is_valid(weir_interest interest) {
        if (interest & ~(DIRECTIONS | WEIR_LEVEL | WEIR_ONESHOT | WEIR_EXCLUSIVE | WEIR_HELD))
                return false;
        if (interest & WEIR_LEVEL && interest & WEIR_ONESHOT)
                return false;
        if (interest & WEIR_HELD && !(interest & WEIR_ONESHOT))
                return false;
        return !(interest & WEIR_EXCLUSIVE) || (interest & DIRECTIONS && !(interest & (WEIR_ONESHOT | WEIR_PRIORITY)));
}

/* What the kernel says to a change of what is registered. */
static int change(const struct model *model, const struct model_registration *reg, int number) {
        if (!model->file_at[number])
                return -EBADF;
        if (!model->files[model->file_at[number]].pollable)
                return -EPERM;
        return stands(model, reg, number) ? 0 : -ENOENT;
}

static void begin(struct model *model, struct model_registration *reg, int number, weir_token token,
                  weir_interest interest) {
        struct model_file *file = &model->files[model->file_at[number]];

        reg->registered = reg->alive = true;
        reg->file = model->file_at[number];
        reg->token = token;
        reg->interest = interest;
        reg->promised = false;
        reg->name = 0;
        reg->begun = ++model->begun;
        reg->armed = interest & WEIR_ONESHOT && !(interest & WEIR_HELD);
        reg->fires = interest & DIRECTIONS;
        reg->ever = file->now;
        reg->must = file->now & asked(reg);
        file->exclusives += !!(interest & WEIR_EXCLUSIVE);
}

int model_register(struct model *model, unsigned side, int number, weir_token token, weir_interest interest) {
        struct model_registration *reg;

        if (!is_valid(interest))
                return -EINVAL;
        if (model->sides[side].shut)
                return -ESHUTDOWN;
        if (number < 0 || number >= NUMBERS || !model->file_at[number])
                return -EBADF;
        if (!model->files[model->file_at[number]].pollable)
                return -EPERM;
        reg = &model->sides[side].registrations[number];
        if (stands(model, reg, number))
                return -EEXIST;
        end(model, side, number);
        begin(model, reg, number, token, interest);
        return 0;
}

int model_reregister(struct model *model, unsigned side, int number, weir_token token, weir_interest interest) {
        struct model_registration *reg = find(model, side, number);
        int r;

        if (!is_valid(interest) || interest & (WEIR_EXCLUSIVE | WEIR_HELD))
                return -EINVAL;
        if (model->sides[side].shut)
                return -ESHUTDOWN;
        if (!reg)
                return missing(model, number);
        if (reg->interest & WEIR_EXCLUSIVE)
                return -EINVAL;
        r = change(model, reg, number);
        if (r == 0)
                begin(model, reg, number, token, interest);
        return r;
}

static int rearm(struct model *model, unsigned side, int number, weir_interest interest, bool afresh) {
        struct model_registration *reg = find(model, side, number);
        uint32_t fresh;
        int r;

        if (interest & ~DIRECTIONS)
                return -EINVAL;
        if (model->sides[side].shut)
                return -ESHUTDOWN;
        if (!reg)
                return missing(model, number);
        if (!(reg->interest & WEIR_ONESHOT))
                return -EINVAL;
        fresh = interest & ~reg->interest;
        if (fresh || afresh) {
                r = change(model, reg, number);
                if (r < 0)
                        return r;
                reg->interest |= interest;
                reg->must |= model->files[reg->file].now & (afresh ? asked(reg) : fresh);
        }
        reg->armed = true;
        reg->fires = interest;
        return 0;
}

int model_rearm(struct model *model, unsigned side, int number, weir_interest interest) {
        return rearm(model, side, number, interest, false);
}

int model_rearm_afresh(struct model *model, unsigned side, int number, weir_interest interest) {
        return rearm(model, side, number, interest, true);
}

bool model_may_refuse_rearm(const struct model *model, unsigned side, int number, int result) {
        const struct model_registration *reg = &model->sides[side].registrations[number];
        int refusal = change(model, reg, number);

        return reg->registered && reg->interest & WEIR_ONESHOT && !model->sides[side].shut && result < 0 &&
               (result == refusal || (result == -ENOENT && refusal == -EPERM));
}

int model_disarm(struct model *model, unsigned side, int number) {
        struct model_registration *reg = find(model, side, number);
        bool armed;

        if (model->sides[side].shut)
                return -ESHUTDOWN;
        if (!reg)
                return missing(model, number);
        if (!(reg->interest & WEIR_ONESHOT))
                return -EINVAL;
        armed = reg->armed;
        reg->armed = false;
        return armed;
}

bool model_disarm_late(struct model *model, unsigned side, int number) {
        struct model_registration *reg = find(model, side, number);

        if (!reg || !reg->armed)
                return false;
        reg->armed = false;
        return reg->promised = true;
}

bool model_is_left(const struct model *model, unsigned side, int number) {
        const struct model_registration *reg = &model->sides[side].registrations[number];

        return reg->interest & WEIR_ONESHOT && reg->registered && !stands(model, reg, number);
}

int model_retoken(struct model *model, unsigned side, int number, weir_token token) {
        struct model_registration *reg = find(model, side, number);

        if (model->sides[side].shut)
                return -ESHUTDOWN;
        if (!reg)
                return missing(model, number);
        reg->token = token;
        return 0;
}

int model_deregister(struct model *model, unsigned side, int number) {
        struct model_registration *reg = find(model, side, number);

        if (!reg)
                return missing(model, number);
        end(model, side, number);
        return 0;
}

int model_deregister_if(struct model *model, unsigned side, int number, const struct weir_event *event) {
        struct model_registration *reg = find(model, side, number);

        if (!event->registration)
                return -EINVAL;
        if (!reg || reg->name != event->registration)
                return missing(model, number);
        return model_deregister(model, side, number);
}

bool model_may_refuse_event(const struct model *model, unsigned side, int number, int result) {
        const struct model_registration *reg = &model->sides[side].registrations[number];

        return reg->registered && !stands(model, reg, number) && result == missing(model, number);
}

/* ---------------------------------------------------------------- batches */

void model_batch_open(struct model *model, unsigned batch, unsigned side) {
        model->batch_of[batch] = (int)side;
}

void model_batch_close(struct model *model, unsigned batch) {
        model->batch_of[batch] = -1;
        for (unsigned i = 0; i < NODES; i++)
                model->nodes[i].batches &= ~(1u << batch);
}

int model_enter(struct model *model, unsigned guard, unsigned side) {
        if (model->batch_of[BATCHES + guard] >= 0)
                return -EBUSY;
        model_batch_open(model, BATCHES + guard, side);
        return 0;
}

unsigned model_batches(const struct model *model, unsigned side) {
        unsigned batches = 0;

        for (unsigned i = 0; i < BATCHES + GUARDS; i++)
                if (model->batch_of[i] == (int)side)
                        batches |= 1u << i;
        return batches;
}

void model_rebuilt(struct model *model, unsigned side) {
        memset(model->sides[side].ghosts, 0, sizeof(model->sides[side].ghosts));
        for (int n = 0; n < NUMBERS; n++) {
                struct model_registration *reg = &model->sides[side].registrations[n];

                if (!stands(model, reg, n))
                        reg->alive = false;
                else if (reg->interest & WEIR_EXCLUSIVE)
                        reg->ever |= reg->interest & DIRECTIONS; /* it may have been woken in vain: a spurious event */
        }
}

unsigned model_registered(const struct model *model, unsigned side) {
        unsigned count = 0;

        for (unsigned n = 0; n < NUMBERS; n++)
                count += model->sides[side].registrations[n].registered;
        return count;
}

unsigned model_wakers(const struct model *model, unsigned side) {
        unsigned count = 0;

        for (unsigned i = 0; i < WAKERS; i++)
                count += model->sides[side].wakers[i].exists;
        return count;
}
