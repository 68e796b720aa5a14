/* SPDX-License-Identifier: MIT */

/*
 * The judge: see call.h. What a wait fetches is not promised in numbers. It may hand out nothing only if nothing is due, but
 * for what another open batch may hold; and something only if there is something to hand out.
 */
#include "call.h"

#include <errno.h>
#include <string.h>

#define SIDE 0

void sequential_init(struct sequential *state) {
        memset(state, 0, sizeof(*state));
        model_init(&state->model);
        model_create(&state->model, SIDE);
}

unsigned sequential_excuses(const struct call *call, const struct call *other) {
        switch (other->kind) {
        case KIND_REGISTER:
                return EXCUSE_DESCRIPTOR | EXCUSE_BEGINS;
        case KIND_REREGISTER:
        case KIND_REARM:
        case KIND_REARM_AFRESH:
        case KIND_SET_DEADLINE:
                return EXCUSE_DESCRIPTOR;
        case KIND_WAKE:
                return EXCUSE_WAKER;
        case KIND_INTERRUPT:
                return EXCUSE_INTERRUPT;
        case KIND_TRIGGER:
        case KIND_TRIGGER_ALL:
                return EXCUSE_LINKED;
        case KIND_RETOKEN:
                return call->kind == KIND_NEXT && call->result && call->event.token == other->token ? EXCUSE_TOKEN : 0;
        case KIND_NEXT:
                return EXCUSE_TAKEN;
        case KIND_CLOSE:
                return EXCUSE_CLOSED;
        default:
                return 0;
        }
}

static const char *expect(const struct call *call, int wanted) {
        if (call->excuses & EXCUSE_CLOSED && wanted == (call->result == -EBADF ? -ENOENT : -EBADF))
                return NULL;
        return call->result == wanted ? NULL : "a result that it cannot have";
}

static const char *expect_nothing_due(const struct model *model, unsigned excuses) {
        bool excused = excuses & EXCUSE_DESCRIPTOR;

        if (model_is_promised(model, SIDE))
                return "a one-shot that nobody owns";
        if (model->sides[SIDE].interrupted && !(excuses & EXCUSE_INTERRUPT))
                return "nothing, though it was interrupted";
        if (!excused && model_ready_levels(model, SIDE))
                return "nothing, though a level-triggered one is ready";
        if (model_batches(model, SIDE))
                return NULL;
        if (!(excuses & EXCUSE_WAKER) && model_pending_wakers(model, SIDE))
                return "nothing, though a waker was woken, or its deadline has passed";
        if (!excused && !(excuses & EXCUSE_LINKED) &&
            model_outstanding(model, SIDE) > model_pending_wakers(model, SIDE))
                return "nothing, though something is due";
        return NULL;
}

typedef const char *ask_fn(struct model *model, const struct call *call);

static bool is_of_deadline(const struct former *former) {
        return former->kind == KIND_SET_DEADLINE || former->kind == KIND_SET_WAKER_DEADLINE;
}

/* Of what a call set the deadline. */
static struct model_own *own_of(struct sequential *state, const struct former *former) {
        struct model_side *side = &state->model.sides[SIDE];

        return former->kind == KIND_SET_DEADLINE ? &side->registrations[former->number].own : &side->wakers[0].own;
}

static bool was_due(const struct sequential *state, const struct former *former) {
        return former->registration.own.has_deadline && former->registration.own.moment <= state->model.now;
}

/*
 * A question, once more with each deadline that a call in progress replaces; the one that it sets stays. Where a timeout may be of
 * either, one more may come.
 */
static const char *ask_of_deadlines(struct sequential *state, unsigned beside, ask_fn *ask, const struct call *call) {
        bool had[FORMERS];
        const char *wrong;

        for (unsigned i = 0; i < FORMERS; i++)
                had[i] = beside & 1u << i && is_of_deadline(&state->formers[i]) && was_due(state, &state->formers[i]) &&
                         own_of(state, &state->formers[i])->has_deadline;
        wrong = ask(&state->model, call);
        for (unsigned i = 0; i < FORMERS && !wrong; i++)
                if (had[i] && !own_of(state, &state->formers[i])->has_deadline)
                        own_of(state, &state->formers[i])->again = true;
        for (unsigned i = 0; i < FORMERS && wrong; i++) {
                const struct former *former = &state->formers[i];
                struct model_own *own = own_of(state, former), kept = *own;

                if (!(beside & 1u << i) || !is_of_deadline(former))
                        continue;
                own->has_deadline = former->registration.own.has_deadline;
                own->moment = former->registration.own.moment;
                wrong = ask(&state->model, call);
                own->has_deadline = kept.has_deadline;
                own->moment = kept.moment;
        }
        return wrong;
}

/*
 * The same question once more, with a registration as it was before a call that is in progress. Of several such calls, one
 * may have changed the token, and another one the rest. What the program made ready outlasts all but its end.
 */
static const char *ask_again(struct sequential *state, unsigned beside, ask_fn *ask, const struct call *call) {
        const char *wrong = ask_of_deadlines(state, beside, ask, call);

        for (unsigned i = 0; i < FORMERS && wrong; i++) {
                const struct former *former = &state->formers[i];
                unsigned number = former->number;
                struct model_registration *reg = &state->model.sides[SIDE].registrations[number], kept = *reg;
                bool stays = former->kind == KIND_REREGISTER || former->registration.begun == kept.begun;

                if (!(beside & 1u << i) || is_of_deadline(former))
                        continue;
                *reg = former->registration;
                reg->own = stays ? kept.own : former->registration.own;
                if (reg->begun == kept.begun)
                        reg->name = kept.name;
                wrong = ask_of_deadlines(state, beside, ask, call);
                for (unsigned j = 0; j <= FORMERS && wrong; j++) {
                        if (j < FORMERS && (!(beside & 1u << j) || state->formers[j].number != number ||
                                            is_of_deadline(&state->formers[j])))
                                continue;
                        reg->token = j < FORMERS ? state->formers[j].registration.token : kept.token;
                        wrong = ask_of_deadlines(state, beside, ask, call);
                }
                if (!wrong && stays)
                        kept.own = reg->own;
                if (!wrong && reg->begun == kept.begun)
                        kept.name = reg->name;
                *reg = kept;
        }
        return wrong;
}

static const char *ask_fetch(struct model *model, const struct call *call) {
        (void)call;
        return model_may_hand_out(model, SIDE) ? NULL : "something, though there is nothing";
}

static const char *ask_event(struct model *model, const struct call *call) {
        const char *wrong = model_event(model, SIDE, &call->event);
        struct weir_event event = call->event;

        for (unsigned n = 0; wrong && call->excuses & EXCUSE_TOKEN && n < NUMBERS; n++) {
                event.token = model->sides[SIDE].registrations[n].token;
                wrong = model_event(model, SIDE, &event);
        }
        return wrong;
}

static const char *fetch(struct sequential *state, const struct call *call, unsigned beside) {
        struct model *model = &state->model;
        const char *wrong;

        if (call->rebuilt)
                model_rebuilt(model, SIDE);
        if (call->result == -EBUSY)
                return NULL; /* who else waits is not known here */
        if (call->result == -EINTR && model->sides[SIDE].interrupted) {
                model->sides[SIDE].interrupted = false;
                return NULL;
        }
        if (call->result == 0)
                return expect_nothing_due(model, call->excuses);
        if (call->result < 0)
                return "a result that it cannot have";
        wrong = ask_again(state, beside, ask_fetch, call);
        model_batch_open(model, call->batch, SIDE);
        /* What it fetched of a number that was closed without a word may end as soon as somebody looks. */
        state->fresh[call->batch] = !call->rebuilt && model_all_stand(model, SIDE);
        return wrong;
}

static const char *next(struct sequential *state, const struct call *call, bool fresh, unsigned beside) {
        if (!call->result)
                return fresh ? "nothing in a batch that was just fetched" : NULL;
        if (state->model.batch_of[call->batch] < 0)
                return "an event of a batch that is not open";
        return ask_again(state, beside, ask_event, call);
}

static void note_former(struct sequential *state, const struct call *call, const struct model_registration *former) {
        memmove(&state->formers[1], &state->formers[0], sizeof(state->formers) - sizeof(state->formers[0]));
        memset(&state->formers[0], 0, sizeof(state->formers[0]));
        state->formers[0].registration = *former;
        state->formers[0].number = call->number;
        state->formers[0].kind = call->kind;
        state->formers[0].id = call->id;
}

/* A call that may end or change a registration, or its deadline. */
static const char *change(struct sequential *state, const struct call *call) {
        struct model *model = &state->model;
        struct model_registration former = model->sides[SIDE].registrations[call->number];
        int wanted;

        switch (call->kind) {
        case KIND_REGISTER:
                wanted = model_register(model, SIDE, call->number, call->token, call->interest);
                break;
        case KIND_REREGISTER:
                wanted = model_reregister(model, SIDE, call->number, call->token, call->interest);
                break;
        case KIND_RETOKEN:
                wanted = model_retoken(model, SIDE, call->number, call->token);
                break;
        case KIND_REARM:
        case KIND_REARM_AFRESH:
                if (model_may_refuse_rearm(model, SIDE, call->number, call->result))
                        return NULL;
                wanted = (call->kind == KIND_REARM ? model_rearm : model_rearm_afresh)(model, SIDE, call->number,
                                                                                       call->interest);
                break;
        case KIND_DEREGISTER_IF:
                if (model_may_refuse_event(model, SIDE, call->number, call->result))
                        return NULL;
                wanted = model_deregister_if(model, SIDE, call->number, &call->event);
                break;
        case KIND_SET_DEADLINE:
                wanted = model_set_deadline(model, SIDE, call->number, call->moment);
                break;
        case KIND_SET_WAKER_DEADLINE:
                former.own = model->sides[SIDE].wakers[0].own;
                wanted = model_waker_set_deadline(model, SIDE, 0, call->moment);
                break;
        default:
                wanted = model_deregister(model, SIDE, call->number);
        }
        if (wanted == 0)
                note_former(state, call, &former);
        return expect(call, wanted);
}

static void change_readiness(struct model *model, unsigned number, uint32_t clear, uint32_t set) {
        unsigned file = model->file_at[number];

        if (file)
                model_sample(model, file, (model->files[file].now & ~clear) | set);
}

const char *sequential_step(struct sequential *state, const struct call *call, unsigned beside) {
        struct model *model = &state->model;
        bool fresh = state->fresh[call->batch];

        memset(state->fresh, 0, sizeof(state->fresh));
        switch (call->kind) {
        case KIND_REGISTER:
        case KIND_REREGISTER:
        case KIND_RETOKEN:
        case KIND_REARM:
        case KIND_REARM_AFRESH:
        case KIND_DEREGISTER:
        case KIND_DEREGISTER_IF:
        case KIND_SET_DEADLINE:
        case KIND_SET_WAKER_DEADLINE:
                return change(state, call);
        case KIND_DISARM:
                if (call->result == 0 && call->excuses & EXCUSE_TAKEN && model_disarm_late(model, SIDE, call->number))
                        return NULL;
                /* A next may have taken it, and found then that the number leads to another file: that got nothing. */
                if (call->result == 0 && model_is_left(model, SIDE, call->number)) {
                        (void)model_disarm(model, SIDE, call->number);
                        return NULL;
                }
                return expect(call, model_disarm(model, SIDE, call->number));
        case KIND_CLOSE:
                model_close(model, call->number);
                return NULL;
        case KIND_OPEN:
                model_open(model, call->number, true);
                model_sample(model, model->file_at[call->number], call->interest);
                return NULL;
        case KIND_DUP:
                model_dup(model, call->number, !call->number);
                return NULL;
        case KIND_READY:
                change_readiness(model, call->number, 0, call->interest);
                return NULL;
        case KIND_DRAIN:
                change_readiness(model, call->number, call->interest, 0);
                return NULL;
        case KIND_FETCH:
                return fetch(state, call, beside);
        case KIND_NEXT:
                return next(state, call, fresh, beside);
        case KIND_CLEAR:
                model_batch_close(model, call->batch);
                return NULL;
        case KIND_WAKE:
                model->sides[SIDE].wakers[0].pending = true;
                return expect(call, 0);
        case KIND_INTERRUPT:
                model->sides[SIDE].interrupted = true;
                return expect(call, 0);
        case KIND_ENTER:
                fresh = state->inside[call->batch];
                state->inside[call->batch] = true;
                return expect(call, fresh ? -EBUSY : 0);
        case KIND_LEAVE:
                state->inside[call->batch] = false;
                return NULL;
        case KIND_TRIGGER:
                return expect(call, model_trigger(model, SIDE, call->number));
        case KIND_TRIGGER_ALL:
                if (call->excuses & EXCUSE_BEGINS && call->result == 0)
                        return NULL;
                return expect(call, model_trigger_all(model, SIDE));
        case KIND_TIME:
                model->now = call->moment;
                return NULL;
        case KIND_QUIET:
                return expect_nothing_due(model, 0);
        default:
                return NULL;
        }
}
