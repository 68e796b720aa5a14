/* SPDX-License-Identifier: MIT */

/* What the program makes ready, deadlines and triggers: see model.c. */

#include "model_registration.h"

static void set(struct model_own *own, weir_time moment) {
        own->has_deadline = moment != WEIR_NEVER;
        own->moment = moment;
        own->again = false;
}

int model_set_deadline(struct model *model, unsigned side, int number, weir_time moment) {
        struct model_registration *reg = find(model, side, number);

        if (moment < 0)
                return -EINVAL;
        if (model->sides[side].shut)
                return -ESHUTDOWN;
        if (!reg)
                return missing(model, number);
        set(&reg->own, moment);
        return 0;
}

int model_waker_set_deadline(struct model *model, unsigned side, unsigned waker, weir_time moment) {
        if (moment < 0)
                return -EINVAL;
        if (model->sides[side].shut)
                return -ESHUTDOWN;
        set(&model->sides[side].wakers[waker].own, moment);
        return 0;
}

int model_trigger(struct model *model, unsigned side, int number) {
        struct model_registration *reg = find(model, side, number);

        if (model->sides[side].shut)
                return -ESHUTDOWN;
        if (!reg)
                return missing(model, number);
        reg->own.triggered = true;
        return 0;
}

int model_trigger_all(struct model *model, unsigned side) {
        if (model->sides[side].shut)
                return -ESHUTDOWN;
        for (int n = 0; n < NUMBERS; n++)
                model->sides[side].registrations[n].own.triggered = model->sides[side].registrations[n].registered;
        return (int)model_registered(model, side);
}

weir_time model_first_moment(const struct model *model, unsigned side) {
        weir_time first = WEIR_NEVER;

        for (int n = 0; n < NUMBERS; n++) {
                const struct model_registration *reg = &model->sides[side].registrations[n];

                if (speaks(reg) && reg->own.has_deadline && reg->own.moment < first)
                        first = reg->own.moment;
        }
        for (unsigned i = 0; i < WAKERS; i++) {
                const struct model_waker *waker = &model->sides[side].wakers[i];

                if (waker->exists && waker->own.has_deadline && waker->own.moment < first)
                        first = waker->own.moment;
        }
        return first;
}

unsigned model_deadlines(const struct model *model, unsigned side) {
        unsigned count = 0;

        for (int n = 0; n < NUMBERS; n++)
                count += model->sides[side].registrations[n].own.has_deadline;
        for (unsigned i = 0; i < WAKERS; i++)
                count += model->sides[side].wakers[i].exists && model->sides[side].wakers[i].own.has_deadline;
        return count;
}
