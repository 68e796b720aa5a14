/* SPDX-License-Identifier: MIT */
/*
 * Long histories: threads make calls on a few descriptors and wakers of one poll as they like, and each call is recorded with
 * its beginning, its end and what came of it, history_act.c. Afterwards the history of each descriptor and waker is judged,
 * history_judge.c: there must be an order of its calls in which the model of the contract, sequential/model.c, gives the same
 * results and events; and in the end everything that is due has come. In between the threads enter guards and defer functions,
 * history_defer.c: none of these runs while a guard is entered, or a batch open, that was so before it was deferred.
 *
 *   WEIR_STRESS          seconds: 2 unless given, 28800 for a night
 *   WEIR_STRESS_THREADS  so many threads, 64 at most; without it 4, 16 and 64 in turn
 *   WEIR_STRESS_SEED     what the threads draw from; threads still meet as the scheduler likes
 */
#include "support.h"

#include "history.h"
#include "history_act.h"

#include <inttypes.h>

#define CALLS 24000 /* of all threads in a round */
#define ROOM  3     /* records that a call takes at most, on average */

static struct {
        unsigned rounds, histories, given_up;
        size_t calls, longest, most, deferred;
} totals;

/* ---------------------------------------------------------------- judging */

static void tell(const struct record *records, size_t at) {
        for (size_t i = 0; i <= at; i++) {
                const struct call *call = &records[i].call;

                if (i + 24 < at && records[i].end < records[at].begin)
                        continue;

                print_message("%s thread %2u, %" PRIu64 " to %" PRIu64 ": kind %u, token %" PRIx64 ", interest %x = %d",
                              i == at ? ">" : " ", records[i].thread, records[i].begin, records[i].end, call->kind,
                              call->token, call->interest, call->result);
                if (call->kind == KIND_NEXT)
                        print_message(", event of %" PRIx64 ", %x", call->event.token, call->event.readiness);
                print_message("\n");
        }
}

static void judge_object(struct round *round, unsigned n, struct record *records, size_t count) {
        struct history_verdict verdict;
        struct sequential state;

        sequential_init(&state);
        model_open(&state.model, 0, true);
        state.model.now = HISTORY_MOMENT;
        model_batch_open(&state.model, 0, 0);
        state.model.sides[0].wakers[0].exists = round->objects[n].waker;
        state.model.sides[0].wakers[0].token = history_waker_token(n);
        verdict = history_judge(records, count, &state);
        totals.histories++;
        totals.calls += count;
        totals.given_up += verdict.given_up;
        if (count > totals.longest)
                totals.longest = count;
        if (verdict.most > totals.most)
                totals.most = verdict.most;
        if (!verdict.wrong)
                return;
        print_message("the history of object %u, call %zu of %zu: %s\n", n, verdict.at, count, verdict.wrong);
        tell(records, verdict.at);
        fail();
}

/* Those of one object. Returns how many. */
static size_t collect_records(struct round *round, unsigned n, struct record *records) {
        size_t count = 0;

        for (unsigned i = 0; i < round->n_threads; i++)
                for (size_t j = 0; j < round->actors[i].count; j++)
                        if (round->actors[i].objects[j] == n)
                                records[count++] = round->actors[i].records[j];
        return count;
}

/* Those of calls that hand out, of all objects and of none. */
static size_t collect_nexts(struct round *round, struct record *records) {
        size_t count = 0;

        for (unsigned i = 0; i < round->n_threads; i++)
                for (size_t j = 0; j < round->actors[i].count; j++)
                        if (round->actors[i].records[j].call.kind == KIND_NEXT)
                                records[count++] = round->actors[i].records[j];
        return count;
}

/* A next may have taken a one-shot that then ended, and gone on to what it handed out, if anything. */
static void excuse_disarms(struct record *records, size_t count, const struct record *nexts, size_t n_nexts) {
        for (size_t i = 0; i < count; i++)
                for (size_t j = 0; records[i].call.kind == KIND_DISARM && j < n_nexts; j++)
                        if (nexts[j].thread != records[i].thread && nexts[j].begin <= records[i].end &&
                            records[i].begin <= nexts[j].end)
                                records[i].call.excuses |= EXCUSE_TAKEN;
}

static void judge(struct round *round) {
        size_t total = 0, n_nexts;
        struct record *records, *nexts;

        for (unsigned i = 0; i < round->n_threads; i++)
                total += round->actors[i].count;
        records = malloc((total + 1) * sizeof(*records));
        nexts = malloc((total + 1) * sizeof(*records));
        assert_non_null(records);
        assert_non_null(nexts);
        n_nexts = collect_nexts(round, nexts);
        for (unsigned n = 0; n < round->n_objects; n++) {
                size_t count = collect_records(round, n, records);

                excuse_disarms(records, count, nexts, n_nexts);
                judge_object(round, n, records, count);
        }
        free(nexts);
        free(records);
}

/* ---------------------------------------------------------------- rounds */

static void make_object(struct round *round, unsigned n) {
        static const weir_interest modes[] = { WEIR_ONESHOT, WEIR_ONESHOT, 0, WEIR_ONESHOT, WEIR_LEVEL };
        struct object *object = &round->objects[n];

        object->fd = -1;
        object->mode = modes[n % ARRAY_LEN(modes)];
        if (n % WAKER == WAKER - 1)
                assert_int_equal(weir_waker_create(round->registry, history_waker_token(n), &object->waker), 0);
        else
                object->fd = make_eventfd(0);
}

static void play(unsigned n_threads, uint64_t seed) {
        struct round *round = calloc(1, sizeof(*round));

        assert_non_null(round);
        assert_int_equal(weir_poll_create(&round->poll), 0);
        round->registry = weir_poll_registry(round->poll);
        round->n_threads = n_threads;
        round->n_objects = n_threads * 4 + WAKER;
        round->calls = CALLS / n_threads;
        for (unsigned n = 0; n < round->n_objects; n++)
                make_object(round, n);
        barrier_make(&round->start, n_threads);
        for (unsigned i = 0; i < n_threads; i++) {
                struct actor *actor = &round->actors[i];

                actor->round = round;
                actor->number = i;
                actor->random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + i * UINT64_C(0xbf58476d1ce4e5b9) + 1;
                actor->room = (size_t)ROOM * round->calls + 64 + (i ? 0 : (size_t)20 * OBJECTS * OBJECTS);
                actor->records = malloc(actor->room * sizeof(*actor->records));
                actor->objects = malloc(actor->room * sizeof(*actor->objects));
                assert_non_null(actor->records);
                assert_non_null(actor->objects);
                assert_int_equal(weir_events_create(1 + i % 4, &actor->events), 0);
                assert_int_equal(weir_guard_create(round->registry, &actor->guard), 0);
                actor->spans = calloc(round->calls, sizeof(*actor->spans));
                actor->deferrals = calloc(round->calls, sizeof(*actor->deferrals));
                assert_non_null(actor->spans);
                assert_non_null(actor->deferrals);
        }
        for (unsigned i = 0; i < n_threads; i++)
                worker_start(&round->actors[i].worker, history_act, &round->actors[i]);
        for (unsigned i = 0; i < n_threads; i++)
                assert_int_equal(worker_join(&round->actors[i].worker), 0);
        history_finish(round);
        judge(round);
        totals.deferred += history_judge_deferred(round);
        for (unsigned n = 0; n < round->n_objects; n++) {
                weir_waker_destroy(round->objects[n].waker);
                if (round->objects[n].fd >= 0)
                        close(round->objects[n].fd);
        }
        weir_poll_destroy(round->poll);
        for (unsigned i = 0; i < n_threads; i++) {
                weir_guard_destroy(round->actors[i].guard);
                free(round->actors[i].spans);
                free(round->actors[i].deferrals);
                free(round->actors[i].records);
                free(round->actors[i].objects);
        }
        pthread_barrier_destroy(&round->start);
        free(round);
        totals.rounds++;
}

static unsigned long from_env(const char *name, unsigned long otherwise) {
        const char *value = getenv(name);

        return value && *value ? strtoul(value, NULL, 0) : otherwise;
}

static void histories_are_the_models(void **state) {
        static const unsigned threads[] = { 4, 16, 64 };
        unsigned long only = from_env("WEIR_STRESS_THREADS", 0), seed = from_env("WEIR_STRESS_SEED", 1);
        uint64_t end = now_ns() + (uint64_t)((getenv("WEIR_STRESS") ? strtod(getenv("WEIR_STRESS"), NULL) : 2) * 1e9);

        (void)state;
        alarm(0);
        do
                play(only && only <= HISTORY_THREADS ? (unsigned)only : threads[totals.rounds % ARRAY_LEN(threads)],
                     seed + totals.rounds);
        while (now_ns() < end);
        print_message(
                "%u rounds, %u histories of %zu calls, the longest of %zu; %zu configurations at most, %u given up; "
                "%zu functions deferred\n",
                totals.rounds, totals.histories, totals.calls, totals.longest, totals.most, totals.given_up,
                totals.deferred);
        assert_true(totals.given_up * 20 <= totals.histories);
}

int main(void) {
        const struct CMUnitTest tests[] = { CASE(histories_are_the_models) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
