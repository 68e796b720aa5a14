/* SPDX-License-Identifier: MIT */

/* What may be handed out, and what must be: see model.c. */

#include "model_registration.h"

/* What it may hand out of its file. */
static uint32_t allowed(const struct model_registration *reg) {
        uint32_t directions = reg->interest & WEIR_ONESHOT ? reg->fires : reg->interest & DIRECTIONS;

        return directions | ALWAYS | (directions & WEIR_READABLE ? (uint32_t)EPOLLRDHUP : 0);
}

/* NULL, or why that should not have been handed out. */
static const char *take_own(const struct model *model, struct model_own *own, uint32_t readiness) {
        if (readiness & TIMEOUT && !own->again && !is_due(model, own))
                return own->has_deadline ? "a timeout that is early" : "a timeout where there is no deadline";
        if (readiness & TRIGGERED && !own->triggered)
                return "a trigger that nobody made";
        if (readiness & TIMEOUT && is_due(model, own))
                own->has_deadline = false;
        else if (readiness & TIMEOUT)
                own->again = false;
        if (readiness & TRIGGERED)
                own->triggered = false;
        return NULL;
}

const char *model_event(struct model *model, unsigned side, const struct weir_event *event) {
        const char *wrong;

        if (model->sides[side].shut)
                return "an event after the poll was destroyed";
        for (unsigned i = 0; i < WAKERS; i++) {
                struct model_waker *waker = &model->sides[side].wakers[i];

                if (!waker->exists || waker->token != event->token)
                        continue;
                if (event->readiness & EPOLLIN && !waker->pending)
                        return "a waker that nobody woke";
                if (!event->readiness || event->readiness & ~(EPOLLIN | TIMEOUT) || event->registration)
                        return "a wake that is not just readable";
                wrong = take_own(model, &waker->own, event->readiness);
                if (!wrong && event->readiness & EPOLLIN)
                        waker->pending = false;
                return wrong;
        }
        for (unsigned n = 0; n < NUMBERS; n++) {
                struct model_registration *reg = &model->sides[side].registrations[n];

                if (!reg->registered || reg->token != event->token)
                        continue;
                if (!event->readiness)
                        return "an event that says nothing";
                if (!event->registration ||
                    (reg->name && reg->name != event->registration && stands(model, reg, (int)n)))
                        return "an event of another registration";
                if (!speaks(reg))
                        return "a one-shot that was not armed again";
                if (event->readiness & ~(allowed(reg) | TIMEOUT | TRIGGERED))
                        return "a direction that is not asked for";
                if (event->readiness & ~(reg->ever | TIMEOUT | TRIGGERED))
                        return "readiness that the file never showed";
                wrong = take_own(model, &reg->own, event->readiness);
                if (wrong)
                        return wrong;
                reg->name = event->registration;
                reg->armed = false;
                reg->must &= ~event->readiness;
                return NULL;
        }
        return "a token that nothing has any more";
}

static uint32_t due(const struct model *model, const struct model_registration *reg, int number) {
        uint32_t mask = asked(reg);

        if (!stands(model, reg, number))
                return 0;
        if (reg->interest & WEIR_ONESHOT)
                mask = reg->armed ? reg->fires | ALWAYS : 0;
        /* Of several exclusive registrations the kernel wakes one, and that may be a ghost. */
        if (reg->interest & WEIR_EXCLUSIVE && model->files[reg->file].exclusives > 1)
                return 0;
        return reg->must & mask & model->files[reg->file].now;
}

static uint32_t ready_level(const struct model *model, const struct model_registration *reg, int number) {
        return stands(model, reg, number) && reg->interest & WEIR_LEVEL ? model->files[reg->file].now & asked(reg) : 0;
}

void model_expect_levels(struct model *model, unsigned side) {
        for (int n = 0; n < NUMBERS; n++) {
                struct model_registration *reg = &model->sides[side].registrations[n];

                reg->must |= ready_level(model, reg, n);
        }
}

bool model_is_promised(const struct model *model, unsigned side) {
        for (int n = 0; n < NUMBERS; n++)
                if (model->sides[side].registrations[n].promised)
                        return true;
        return false;
}

static bool is_waker_due(const struct model *model, const struct model_waker *waker) {
        return waker->exists && (waker->pending || is_due(model, &waker->own));
}

static bool is_own_due(const struct model *model, const struct model_registration *reg) {
        return speaks(reg) && (reg->own.triggered || is_due(model, &reg->own));
}

unsigned model_pending_wakers(const struct model *model, unsigned side) {
        unsigned count = 0;

        for (unsigned i = 0; i < WAKERS; i++)
                count += is_waker_due(model, &model->sides[side].wakers[i]);
        return count;
}

unsigned model_outstanding(const struct model *model, unsigned side) {
        unsigned count = model_pending_wakers(model, side);

        for (int n = 0; n < NUMBERS; n++) {
                const struct model_registration *reg = &model->sides[side].registrations[n];

                count += due(model, reg, n) || is_own_due(model, reg);
        }
        return count;
}

bool model_may_hand_out(const struct model *model, unsigned side) {
        for (int n = 0; n < NUMBERS; n++) {
                const struct model_registration *reg = &model->sides[side].registrations[n];

                if ((speaks(reg) && (reg->ever & allowed(reg) || reg->own.again)) || is_own_due(model, reg))
                        return true;
        }
        for (unsigned i = 0; i < WAKERS; i++)
                if (model->sides[side].wakers[i].exists && model->sides[side].wakers[i].own.again)
                        return true;
        return model_pending_wakers(model, side);
}

bool model_all_stand(const struct model *model, unsigned side) {
        for (int n = 0; n < NUMBERS; n++) {
                const struct model_registration *reg = &model->sides[side].registrations[n];

                if (reg->registered && !stands(model, reg, n))
                        return false;
        }
        return true;
}

unsigned model_ready_levels(const struct model *model, unsigned side) {
        unsigned count = 0;

        for (int n = 0; n < NUMBERS; n++)
                count += ready_level(model, &model->sides[side].registrations[n], n) != 0;
        return count;
}

bool model_has_ready_levels(const struct model *model, unsigned side) {
        for (int n = 0; n < NUMBERS; n++) {
                const struct model_registration *reg = &model->sides[side].registrations[n];

                /* Closed without a word, it may speak for a duplicate. */
                if (ready_level(model, reg, n) || (reg->registered && reg->alive && !stands(model, reg, n)))
                        return true;
        }
        return false;
}
