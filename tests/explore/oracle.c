/* SPDX-License-Identifier: MIT */

/* The oracle: see oracle.h. Read place_rest() first. */

#include "oracle.h"

#include "world.h"

#include <errno.h>

static bool is_before(unsigned a, unsigned b) {
        return world.history.before[b] & history_bit(a);
}

static unsigned thread_of(unsigned place) {
        return place < THREADS * PLACES ? place / PLACES : MAIN;
}

/* Whether one call was in progress on a thread while another thread was in the one with that id. */
static bool is_beside(unsigned place, uint32_t id) {
        return id && thread_of(id - 1) != thread_of(place) && !is_before(id - 1, place) && !is_before(place, id - 1);
}

/* Which of the calls that ended or changed a registration are in progress beside one. */
static unsigned beside_formers(const struct sequential *state, unsigned place) {
        unsigned beside = 0;

        for (unsigned i = 0; i < FORMERS; i++)
                beside |= (unsigned)is_beside(place, state->formers[i].id) << i;
        return beside;
}

/* ---------------------------------------------------------------- the order */

static unsigned deepest;
static const char *why;

static void note(unsigned placed, const char *wrong) {
        if (!why || placed >= deepest) {
                deepest = placed;
                why = wrong;
        }
}

/* What the main thread did in the end has no choice of order. */
static bool place_last(struct sequential *state, unsigned placed) {
        for (unsigned i = 0; i < history_last.count; i++) {
                const char *wrong = sequential_step(state, &history_last.calls[i], 0);

                if (wrong) {
                        note(placed + i, wrong);
                        return false;
                }
        }
        return true;
}

/* Whether the calls that are not done can be put into an order. Tried first: that in which they stand. */
static bool place_rest(struct sequential *state, uint64_t done, unsigned placed) {
        const struct history *history = &world.history;
        uint64_t left = history->invoked & ~done;

        if (!left)
                return place_last(state, placed);
        for (; left; left &= left - 1) {
                unsigned place = (unsigned)__builtin_ctzll(left);
                struct sequential next;
                const char *wrong;

                if (history->before[place] & ~done)
                        continue;
                next = *state;
                wrong = sequential_step(&next, &history->calls[place], beside_formers(state, place));
                if (wrong)
                        note(placed, wrong);
                else if (place_rest(&next, done | history_bit(place), placed + 1))
                        return true;
        }
        return false;
}

/* ---------------------------------------------------------------- apart */

static bool is_beside_wait(unsigned place) {
        const struct history *history = &world.history;

        for (unsigned other = 0; other < CALLS_MAX; other++)
                if (history->invoked & history_bit(other) && history->calls[other].kind == KIND_FETCH &&
                    is_beside(place, other + 1))
                        return true;
        return false;
}

static unsigned excuses_of(unsigned place) {
        const struct history *history = &world.history;
        unsigned excuses = 0;

        for (unsigned other = 0; other < CALLS_MAX; other++)
                if (history->invoked & history_bit(other) && is_beside(place, other + 1))
                        excuses |= sequential_excuses(&history->calls[place], &history->calls[other]);
        return excuses;
}

/*
 * The call that closed a batch, or left a guard: the first of its thread from a place on that does, or else of the main thread,
 * which closes all that are left.
 */
static unsigned closer_of(enum kind kind, unsigned batch, unsigned from) {
        const struct history *history = &world.history;

        for (unsigned place = from; place < CALLS_MAX; place++)
                if (history->invoked & history_bit(place) && history->calls[place].kind == kind &&
                    history->calls[place].batch == batch)
                        return place;
        return CALLS_MAX;
}

/* What a batch says of a function that ran. Clears *late if it may have been waited for. */
static const char *judge_batch(unsigned place, bool surely_open, unsigned closer, bool *late) {
        const struct deferral *deferral = &world.deferrals[place];

        if (closer == CALLS_MAX)
                return "a batch that nobody closed";
        if (is_before(closer, place))
                return NULL;
        if (surely_open && !(deferral->invoked & history_bit(closer)))
                return "a deferred function ran while a batch was open";
        if (!(deferral->returned & history_bit(closer)))
                *late = false;
        return NULL;
}

static bool opens(const struct call *call) {
        return (call->kind == KIND_FETCH && call->result > 0) || (call->kind == KIND_ENTER && call->result == 0);
}

static const char *judge_deferral(unsigned place, unsigned begun) {
        const struct history *history = &world.history;
        const struct deferral *deferral = &world.deferrals[place];
        bool late = deferral->returned & history_bit(place);
        const char *wrong = NULL;

        if (deferral->runs != 1)
                return deferral->runs ? "a deferred function ran twice" : "a deferred function never ran";
        for (unsigned batch = 0; batch < THREADS && !wrong; batch++)
                if (begun & 1u << batch)
                        wrong = judge_batch(place, true, closer_of(KIND_CLEAR, batch, 0), &late);
        for (unsigned from = 0; from < CALLS_MAX && !wrong; from++)
                if (history->invoked & history_bit(from) && opens(&history->calls[from]) && !is_before(place, from))
                        wrong = judge_batch(place, is_before(from, place),
                                            closer_of(history->calls[from].kind == KIND_ENTER ? KIND_LEAVE : KIND_CLEAR,
                                                      history->calls[from].batch, from),
                                            &late);
        if (!wrong && late)
                wrong = "a deferred function ran later than it was due";
        return wrong;
}

bool oracle_leaves_out(void) {
        const struct history *history = &world.history;

        for (unsigned dup = 0; dup < CALLS_MAX; dup++) {
                if (!(history->invoked & history_bit(dup)) || history->calls[dup].kind != KIND_DUP)
                        continue;
                for (unsigned place = 0; place < CALLS_MAX; place++)
                        if (history->invoked & history_bit(place) && is_beside(place, dup + 1) &&
                            history->calls[place].kind >= KIND_REGISTER &&
                            history->calls[place].kind <= KIND_DEREGISTER_IF)
                                return true;
        }
        return false;
}

const char *oracle_judge(const struct sequential *begin) {
        struct history *history = &world.history;
        struct sequential state = *begin;
        unsigned begun = model_batches(&begin->model, 0);

        if (world.broken)
                return world.broken;
        for (unsigned place = 0; place < CALLS_MAX; place++) {
                struct call *call = &history->calls[place];
                const char *wrong = NULL;

                if (!(history->invoked & history_bit(place)))
                        continue;
                if (call->kind == KIND_DEFER)
                        wrong = judge_deferral(place, begun);
                if (call->kind == KIND_FETCH && call->result == -EBUSY && !is_beside_wait(place))
                        wrong = "a wait was refused though nobody else waits";
                call->id = place + 1;
                call->excuses = (uint8_t)excuses_of(place);
                if (wrong)
                        return wrong;
        }
        deepest = 0;
        why = NULL;
        return place_rest(&state, 0, 0) ? NULL : why;
}
