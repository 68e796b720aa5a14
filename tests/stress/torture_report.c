/* SPDX-License-Identifier: MIT */
/*
 * The report of a round, for people and for programs: a line that begins with "torture " and holds key=value pairs.
 * And the verdict: which of the numbers must be zero, and which must not, or the round proves nothing.
 */
#include <inttypes.h>

#include "torture.h"

static const char *const moment_names[MOMENTS] = { "before", "during", "after" };
static const char *const fate_names[FATES] = { "kept", "closed", "reused", "reopened", "waker" };

struct sums {
        unsigned long hits[MOMENTS][AGES];
        unsigned long taken, wrong, late, batches, half_read, busy, poisoned, wild, stops;
        unsigned long made, given, ended, ghosts, reused, lulls, due, met, lost, stuck, left;
        unsigned long dropped[FATES], all_dropped;
        unsigned long runs, twice, overfired;
};

static unsigned long value_of(atomic_ulong *counter) {
        return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_up(struct torture *t, struct sums *s) {
        for (unsigned i = 0; i < t->n_readers; i++) {
                const struct reader *r = &t->readers[i];

                for (unsigned m = 0; m < MOMENTS; m++)
                        for (unsigned age = 0; age < AGES; age++) {
                                s->hits[m][age] += r->hits[m][age];
                                s->taken += r->hits[m][age];
                                s->wrong += m == AFTER || age ? r->hits[m][age] : 0;
                                s->late += m == AFTER ? r->hits[m][age] : 0;
                        }
                s->batches += r->batches;
                s->half_read += r->half_read;
                s->busy += r->busy;
                s->poisoned += r->poisoned;
                s->wild += r->wild;
                s->stops += r->stops;
        }
        for (unsigned i = 0; i < t->n_churners; i++) {
                const struct churner *c = &t->churners[i];

                s->made += c->made;
                s->given += c->given;
                s->ended += c->ended;
                s->ghosts += c->ghosts_made;
                s->reused += c->reused;
                s->lulls += c->lulls;
                s->due += c->due;
                s->met += c->met;
                s->lost += c->lost;
                s->stuck += c->stuck;
                for (unsigned k = 0; k < RECORDS; k++)
                        s->left += atomic_load_explicit(&c->records[k].in_use, memory_order_relaxed);
        }
        for (unsigned i = 0; i < FATES; i++) {
                s->dropped[i] = value_of(&torture_dropped[i]);
                s->all_dropped += s->dropped[i];
        }
        s->runs = value_of(&t->runs);
        s->twice = value_of(&t->twice);
        s->overfired = value_of(&t->overfired);
}

/* ---------------------------------------------------------------- the verdict */

struct verdict {
        bool good;
};

static void expect(struct verdict *v, bool holds, const char *what) {
        if (holds)
                return;
        v->good = false;
        printf("  WRONG: %s\n", what);
}

/* The library as it is: each number is exact. */
static void judge_real(struct verdict *v, const struct sums *s, const struct weir_stats *stats) {
        expect(v, s->late == 0, "events were handed out after their registration had ended (G4)");
        expect(v, s->wrong == s->late, "events were handed out under a newer token than their own (G4, G5)");
        expect(v, s->poisoned == 0, "a record was poisoned while its token was in an open batch (G6)");
        expect(v, s->wild == 0, "tokens came out that nobody gave");
        expect(v, s->lost == 0, "readiness was not seen before the deadline (G7, G8, G9)");
        expect(v, s->stuck == 0, "a grace period did not end before the deadline (G6)");
        expect(v, s->twice == 0, "a deferred function ran twice (G6)");
        expect(v, s->runs == s->given && s->made == s->given && s->ended == s->given && s->left == 0,
               "not each record was made, ended, given up and poisoned once (G6)");
        expect(v, s->overfired == 0, "a one-shot fired more often than it was armed (G8)");
        expect(v, stats->events == s->taken + s->wild + s->stops, "the library counts other events than the readers");
        expect(v, stats->stale == s->all_dropped, "the library counts other stale events than were looked at");
        expect(v, stats->registered == 0 && stats->wakers == 0 && stats->batches == 0, "something is left");
        /* Or the zeros above prove nothing. */
        expect(v, s->hits[BEFORE][0] && s->met, "nothing was handed out that is right");
        expect(v, s->dropped[CLOSED] && s->dropped[REUSED] && s->dropped[REOPENED],
               "no stale event was dropped on a closed, a reused or a reopened descriptor");
        expect(v, stats->rebuilds, "no level-triggered ghost was got rid of (G5)");
}

/* The library with its filter off: what it lets through is found. */
static void judge_control(struct verdict *v, const struct sums *s) {
        expect(v, s->late, "without the filter, no event after the end of its registration was found");
        expect(v, s->wrong > s->late, "without the filter, no event under a newer token was found");
        expect(v, s->all_dropped == 0, "without the filter, events were dropped");
}

/* ---------------------------------------------------------------- the text */

static void print_table(const struct sums *s) {
        static const char *const rows[MOMENTS] = { "before its end", "during its end", "after its end" };
        static const char *const real[MOMENTS] = { "zero from age 1 on", "zero from age 1 on", "zero" };
        static const char *const control[MOMENTS] = { "some from age 1 on", "", "some" };

        printf("  handed out, by age of the registration:     0          1          2         3+   must be\n");
        for (unsigned m = 0; m < MOMENTS; m++) {
                printf("    %-30s", rows[m]);
                for (unsigned age = 0; age < AGES; age++)
                        printf(" %10lu", s->hits[m][age]);
                printf("   %s\n", FILTER_OFF ? control[m] : real[m]);
        }
}

static void print_line(const struct torture *t, const struct sums *s, const struct weir_stats *stats, double seconds,
                       bool good) {
        printf("torture build=%s threads=%u seed=%lu seconds=%.2f", FILTER_OFF ? "control" : "real",
               t->n_readers + t->n_churners, t->seed, seconds);
        for (unsigned m = 0; m < MOMENTS; m++)
                for (unsigned age = 0; age < AGES; age++)
                        printf(" %s_%u=%lu", moment_names[m], age, s->hits[m][age]);
        for (unsigned i = 0; i < FATES; i++)
                printf(" stale_%s=%lu", fate_names[i], s->dropped[i]);
        printf(" late=%lu newer=%lu poisoned=%lu wild=%lu due=%lu seen=%lu lost=%lu stuck=%lu", s->late,
               s->wrong - s->late, s->poisoned, s->wild, s->due, s->met, s->lost, s->stuck);
        printf(" records=%lu deferred=%lu runs=%lu twice=%lu overfired=%lu rebuilds=%" PRIu64 " good=%d\n", s->made,
               s->given, s->runs, s->twice, s->overfired, stats->rebuilds, good);
}

bool torture_report(struct torture *t, const struct weir_stats *stats, int failed_line, bool leaked) {
        double seconds = (double)(now_ns() - t->begin) / 1e9;
        struct verdict v = { .good = true };
        struct sums s = { 0 };

        add_up(t, &s);
        printf("\n%s, %u threads (%u read, %u change), seed %lu, %.2f s\n", FILTER_OFF ? "Filter off" : "Filter on",
               t->n_readers + t->n_churners, t->n_readers, t->n_churners, t->seed, seconds);
        print_table(&s);
        printf("  stale events dropped: %lu on closed, %lu on reused, %lu on reopened, %lu on kept descriptors, %lu of "
               "wakers\n",
               s.dropped[CLOSED], s.dropped[REUSED], s.dropped[REOPENED], s.dropped[KEPT], s.dropped[WAKER]);
        printf("  readiness: %lu times due, %lu seen, %lu lost, the others overtaken by the end of their "
               "registration\n",
               s.due, s.met, s.lost);
        printf("  records: %lu made, %lu given up, %lu poisoned, %lu twice, %lu while in an open batch\n", s.made,
               s.given, s.runs, s.twice, s.poisoned);
        printf("  %lu batches, %lu half read, %" PRIu64 " events requeued, %lu waits refused, %lu lulls\n", s.batches,
               s.half_read, stats->requeued, s.busy, s.lulls);
        printf("  %lu ghosts, %lu numbers reused, %" PRIu64 " rebuilds, %" PRIu64 " wake events, %" PRIu64
               " eventfd writes\n",
               s.ghosts, s.reused, stats->rebuilds, stats->wakes, stats->eventfd_writes);
        if (failed_line) {
                v.good = false;
                printf("  WRONG: a thread failed in line %d\n", failed_line);
        }
        expect(&v, !leaked, "there are more or fewer descriptors than before");
        if (FILTER_OFF)
                judge_control(&v, &s);
        else
                judge_real(&v, &s, stats);
        print_line(t, &s, stats, seconds, v.good);
        return v.good;
}
