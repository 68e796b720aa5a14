/* SPDX-License-Identifier: MIT */
/*
 * Whether a long history of one descriptor, or of one waker, is one of the model's: there is an order of its calls that respects
 * which ended before which began, and in which the model returns the same. (Each descriptor can be judged alone: if each
 * history is linearizable, so are all together.) This is Wing and Gong's search with Lowe's memory, made as calls return: a
 * configuration is a state of the model, and which of the calls in progress have taken effect in it. When a call returns, it must
 * have taken effect, so each configuration is followed through all orders of calls in progress that end with it; equal ones
 * are kept once. If none is left, there is no order. Read returned() first.
 */
#include "history.h"

#include <stdlib.h>
#include <string.h>

#define CONFIGURATIONS 65536
#define NOBODY         SIZE_MAX

struct configuration {
        struct sequential state;
        uint64_t done; /* threads whose call has taken effect, a bit each */
};

struct judge {
        const struct record *records;
        size_t pending[HISTORY_THREADS]; /* the call in progress on each thread, or NOBODY */
        struct configuration *before, *after;
        size_t n_before, n_after;
        uint32_t *table; /* of those after, by hash: 0 is none, else its place plus 1 */
        bool given_up;
        const char *wrong;
};

/* ---------------------------------------------------------------- calls */

static bool are_beside(const struct record *a, const struct record *b) {
        return a->thread != b->thread && a->begin <= b->end && b->begin <= a->end;
}

/* The formers whose call is beside this one. Those which no call in progress can be beside are forgotten. */
static unsigned beside_formers(const struct judge *judge, const struct sequential *state, const struct record *record) {
        unsigned beside = 0;

        for (unsigned i = 0; i < FORMERS; i++)
                if (state->formers[i].id && are_beside(&judge->records[state->formers[i].id - 1], record))
                        beside |= 1u << i;
        return beside;
}

static int by_id(const void *a, const void *b) {
        const struct former *left = a, *right = b;

        return left->id > right->id ? -1 : left->id < right->id;
}

static void forget_formers(struct sequential *state, const struct judge *judge, uint64_t oldest) {
        unsigned kept = 0;

        for (unsigned i = 0; i < FORMERS; i++)
                if (state->formers[i].id && judge->records[state->formers[i].id - 1].end >= oldest)
                        state->formers[kept++] = state->formers[i];
        memset(&state->formers[kept], 0, (FORMERS - kept) * sizeof(state->formers[0]));
        /* In one order, so that equal ones look equal. */
        qsort(state->formers, kept, sizeof(state->formers[0]), by_id);
}

/* The call takes effect. NULL, or why it cannot. */
static const char *take_effect(const struct judge *judge, struct configuration *configuration, unsigned thread) {
        const struct record *record = &judge->records[judge->pending[thread]];
        const char *wrong = sequential_step(&configuration->state, &record->call,
                                            beside_formers(judge, &configuration->state, record));

        configuration->done |= UINT64_C(1) << thread;
        return wrong;
}

/* ---------------------------------------------------------------- configurations */

static uint32_t hash_of(const struct configuration *configuration) {
        const unsigned char *bytes = (const unsigned char *)configuration;
        uint64_t hash = 0;

        for (size_t i = 0; i + 8 <= sizeof(*configuration); i += 8) {
                uint64_t word;

                memcpy(&word, bytes + i, 8);
                hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
                hash ^= hash >> 29;
        }
        return (uint32_t)hash;
}

/* A call that was refused changes nothing: it takes effect as soon as it can, and that is never too early. */
static void settle(const struct judge *judge, struct configuration *configuration) {
        for (unsigned thread = 0; thread < HISTORY_THREADS; thread++) {
                struct configuration next;

                if (judge->pending[thread] == NOBODY || configuration->done & UINT64_C(1) << thread ||
                    judge->records[judge->pending[thread]].call.result >= 0)
                        continue;
                next = *configuration;
                if (!take_effect(judge, &next, thread))
                        configuration->done = next.done;
        }
}

/* Whether it is new among those after. The table is twice as large as there can be. */
static bool add(struct judge *judge, struct configuration *configuration) {
        uint32_t i;

        settle(judge, configuration);
        i = hash_of(configuration) % (2 * CONFIGURATIONS);

        for (; judge->table[i]; i = (i + 1) % (2 * CONFIGURATIONS))
                if (!memcmp(&judge->after[judge->table[i] - 1], configuration, sizeof(*configuration)))
                        return false;
        if (judge->n_after == CONFIGURATIONS) {
                judge->given_up = true;
                return false;
        }
        judge->after[judge->n_after++] = *configuration;
        judge->table[i] = (uint32_t)judge->n_after;
        return true;
}

/* All orders of calls in progress, from a configuration on, that end with the call of a thread. */
static void follow(struct judge *judge, const struct configuration *from, unsigned last) {
        for (unsigned thread = 0; thread < HISTORY_THREADS && !judge->given_up; thread++) {
                struct configuration next;
                const char *wrong;

                if (judge->pending[thread] == NOBODY || from->done & UINT64_C(1) << thread)
                        continue;
                next = *from;
                wrong = take_effect(judge, &next, thread);
                if (wrong) {
                        judge->wrong = thread == last ? wrong : judge->wrong;
                        continue;
                }
                /* Those on the way are remembered like those at the end, and dropped afterwards. */
                if (add(judge, &next) && thread != last)
                        follow(judge, &next, last);
        }
}

/* A call returns. */
static void returned(struct judge *judge, unsigned thread) {
        uint64_t bit = UINT64_C(1) << thread, oldest = UINT64_MAX;
        struct configuration *kept = judge->before;
        size_t n_kept = 0;

        memset(judge->table, 0, 2 * CONFIGURATIONS * sizeof(*judge->table));
        judge->n_after = 0;
        for (size_t i = 0; i < judge->n_before && !judge->given_up; i++)
                if (judge->before[i].done & bit || (settle(judge, &judge->before[i]), judge->before[i].done & bit))
                        add(judge, &judge->before[i]);
                else
                        follow(judge, &judge->before[i], thread);
        judge->pending[thread] = NOBODY;
        for (unsigned i = 0; i < HISTORY_THREADS; i++)
                if (judge->pending[i] != NOBODY && judge->records[judge->pending[i]].begin < oldest)
                        oldest = judge->records[judge->pending[i]].begin;
        for (size_t i = 0; i < judge->n_after; i++)
                if (judge->after[i].done & bit) {
                        kept[n_kept] = judge->after[i];
                        kept[n_kept].done &= ~bit;
                        forget_formers(&kept[n_kept++].state, judge, oldest);
                }
        /* What was forgotten may have made the only difference. */
        memset(judge->table, 0, 2 * CONFIGURATIONS * sizeof(*judge->table));
        judge->n_after = 0;
        for (size_t i = 0; i < n_kept; i++)
                add(judge, &kept[i]);
        judge->before = judge->after;
        judge->after = kept;
        judge->n_before = judge->n_after;
}

/* ---------------------------------------------------------------- the history */

static int by_begin(const void *a, const void *b) {
        const struct record *left = a, *right = b;

        return left->begin < right->begin ? -1 : left->begin > right->begin;
}

struct moment {
        uint64_t time;
        bool ends;
        size_t record;
};

/* What begins at the same moment as something ends may come first. */
static int by_time(const void *a, const void *b) {
        const struct moment *left = a, *right = b;

        if (left->time != right->time)
                return left->time < right->time ? -1 : 1;
        return left->ends - right->ends;
}

static void find_excuses(struct record *records, size_t count) {
        for (size_t i = 0; i < count; i++) {
                records[i].call.id = (uint32_t)i + 1;
                for (size_t j = i + 1; j < count && records[j].begin <= records[i].end; j++)
                        if (are_beside(&records[i], &records[j])) {
                                records[i].call.excuses |=
                                        (uint8_t)sequential_excuses(&records[i].call, &records[j].call);
                                records[j].call.excuses |=
                                        (uint8_t)sequential_excuses(&records[j].call, &records[i].call);
                        }
        }
}

struct history_verdict history_judge(struct record *records, size_t count, const struct sequential *begin) {
        struct history_verdict verdict = { .wrong = NULL };
        struct judge judge = { .records = records };
        struct moment *moments = calloc(2 * count + 1, sizeof(*moments));

        judge.before = calloc(CONFIGURATIONS, sizeof(*judge.before));
        judge.after = calloc(CONFIGURATIONS, sizeof(*judge.after));
        judge.table = calloc((size_t)2 * CONFIGURATIONS, sizeof(*judge.table));
        if (!moments || !judge.before || !judge.after || !judge.table)
                abort();
        qsort(records, count, sizeof(*records), by_begin);
        find_excuses(records, count);
        for (size_t i = 0; i < count; i++) {
                moments[2 * i] = (struct moment){ records[i].begin, false, i };
                moments[2 * i + 1] = (struct moment){ records[i].end, true, i };
        }
        qsort(moments, 2 * count, sizeof(*moments), by_time);
        for (unsigned i = 0; i < HISTORY_THREADS; i++)
                judge.pending[i] = NOBODY;
        judge.before[0].state = *begin;
        judge.n_before = 1;
        for (size_t i = 0; i < 2 * count && !judge.given_up && !verdict.wrong; i++) {
                unsigned thread = records[moments[i].record].thread;

                if (!moments[i].ends) {
                        judge.pending[thread] = moments[i].record;
                        continue;
                }
                returned(&judge, thread);
                if (judge.n_before > verdict.most)
                        verdict.most = judge.n_before;
                if (!judge.n_before && !judge.given_up) {
                        verdict.wrong = judge.wrong ? judge.wrong : "no order";
                        verdict.at = moments[i].record;
                }
        }
        verdict.given_up = judge.given_up;
        free(moments);
        free(judge.before);
        free(judge.after);
        free(judge.table);
        return verdict;
}
