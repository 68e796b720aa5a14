/* SPDX-License-Identifier: MIT */

/*
 * weir-bench-late: how late do timers come?
 *
 *   1ms        one timer at a time on an idle poll, set anew after it has expired, at random moments; the sides take turns
 *   1s, 10s    likewise, all sides at the same time on threads of their own, for they sleep: some loops each, begun a few
 *              milliseconds apart, so that no two expire together
 *   many       timers of random lengths from 1 ms to 10 s, all on one idle poll, one side after another
 *   many-busy  the same beside a descriptor that is always ready, where a library has level-triggered events
 *
 * Late is what passes from the moment when a timer is due to the return of the wait that brought it. A wait tells how many
 * expired and not which: the k-th to expire belongs to the k-th moment of the sorted ones. If no timer is early, then none of
 * these is; one of a few that are early may be hidden behind another that is late. weir says which it was, so that each is
 * held against its own moment; and an early one of weir ends the program. So does one that does not come.
 *
 * Read run_cases() first.
 */

#include "../json.h"
#include "late.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define US INT64_C(1000)
#define MS (1000 * US)

/* Between the beginnings of two loops that sleep at the same time. */
#define APART (29 * MS)

enum { ONE_MS, ONE_S, TEN_S, MANY, MANY_BUSY, N_CASES };

static const char *const names[N_CASES] = { "1ms", "1s", "10s", "many", "many-busy" };

struct options {
        size_t shorts;       /* timers of 1 ms */
        int64_t sleeps[2];   /* what takes the place of 1 s, and of 10 s */
        size_t loops[2];     /* how many of each sleep at a time */
        size_t samples[2];   /* how often each of them sleeps */
        size_t many;         /* timers of random lengths */
        int64_t least, most; /* which these are */
        int64_t ahead;       /* how long setting all of them may take, before the first is due */
        const char *only;    /* cases with this in their names; or NULL */
        const char *json;
};

/* How late they were, in nanoseconds; below 0 is early. */
struct lateness {
        int64_t *values;
        size_t n, early;
};

struct figures {
        size_t n, early;
        double p50, p99, longest; /* microseconds */
};

struct case_result {
        bool ran;
        bool there[LATE_SIDES];
        struct figures sides[LATE_SIDES];
};

void bench_fail(const char *what) {
        fprintf(stderr, "weir-bench-late: failed: %s%s%s\n", what, errno ? ", perhaps: " : "",
                errno ? strerror(errno) : "");
        exit(1);
}

static size_t count_sides(void) {
        size_t n = 0;

        while (late_sides[n].name)
                ++n;
        return n;
}

/* ---------------------------------------------------------------- figures */

static struct lateness lateness_make(size_t n) {
        struct lateness lateness = { .values = calloc(n, sizeof *lateness.values) };

        require(lateness.values, "memory for figures");
        return lateness;
}

static int compare(const void *a, const void *b) {
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

        return (x > y) - (x < y);
}

/* The smallest of which so many of a hundred are no greater. */
static double percentile(const struct lateness *lateness, size_t percent) {
        size_t rank = (lateness->n * percent + 99) / 100;

        return (double)lateness->values[rank - 1] / (double)US;
}

/* Frees the values. */
static struct figures summarize_lateness(struct lateness *lateness, const struct late_side *side) {
        struct figures figures = { .n = lateness->n, .early = lateness->early };

        require(lateness->n > 0, "timers that expire");
        qsort(lateness->values, lateness->n, sizeof *lateness->values, compare);
        for (size_t i = 0; i < lateness->n && lateness->values[i] < 0; ++i)
                figures.early = figures.early > i ? figures.early : i + 1;
        figures.p50 = percentile(lateness, 50);
        figures.p99 = percentile(lateness, 99);
        figures.longest = percentile(lateness, 100);
        free(lateness->values);
        require(figures.early == 0 || strcmp(side->name, "weir") != 0, "a timeout of weir that is not early");
        return figures;
}

/* ---------------------------------------------------------------- one timer at a time */

/* Sets the only timer of a loop, and waits for it. */
static void sleep_once(struct late_loop *loop, int64_t delay, struct lateness *lateness) {
        int64_t due = late_set(loop, 0, delay), now;

        while (late_wait(loop, &now) == 0)
                ;
        lateness->values[lateness->n++] = now - due;
        lateness->early = loop->early;
}

static void pause_for(int64_t ns) {
        const struct timespec time = { ns / 1000000000, ns % 1000000000 };

        nanosleep(&time, NULL);
}

static void run_short(const struct options *options, struct case_result *ret) {
        struct late_loop loops[LATE_SIDES];
        struct lateness lateness[LATE_SIDES];
        size_t n = count_sides();
        uint64_t seed = 1;

        for (size_t side = 0; side < n; ++side) {
                loops[side] = late_open(&late_sides[side], 1, -1);
                lateness[side] = lateness_make(options->shorts);
        }
        for (size_t i = 0; i < options->shorts; ++i)
                for (size_t turn = 0; turn < n; ++turn) {
                        size_t side = (i + turn) % n;

                        /* Whoever counts milliseconds is to be met at any part of one. */
                        pause_for((int64_t)(bench_random(&seed) % (uint64_t)MS));
                        sleep_once(&loops[side], MS, &lateness[side]);
                }
        for (size_t side = 0; side < n; ++side) {
                late_close(&loops[side]);
                ret->sides[side] = summarize_lateness(&lateness[side], &late_sides[side]);
                ret->there[side] = true;
        }
        ret->ran = true;
}

/* ---------------------------------------------------------------- side by side, asleep */

struct sleeper {
        pthread_t thread;
        struct late_loop loop;
        struct lateness lateness;
        size_t which, side, samples;
        int64_t begin, delay;
};

static void *run_sleeper(void *data) {
        struct sleeper *sleeper = data;

        pause_for(sleeper->begin);
        for (size_t i = 0; i < sleeper->samples; ++i)
                sleep_once(&sleeper->loop, sleeper->delay, &sleeper->lateness);
        return NULL;
}

static void merge(struct lateness *into, const struct lateness *from) {
        memcpy(into->values + into->n, from->values, from->n * sizeof *from->values);
        into->n += from->n;
        into->early += from->early;
}

static struct figures gather(const struct options *options, const struct sleeper *sleepers, size_t n, size_t which,
                             size_t side) {
        struct lateness all = lateness_make(options->loops[which] * options->samples[which]);

        for (size_t i = 0; i < n; ++i)
                if (sleepers[i].which == which && sleepers[i].side == side)
                        merge(&all, &sleepers[i].lateness);
        return summarize_lateness(&all, &late_sides[side]);
}

/* Of each side some that sleep for 1 s and some that sleep for 10 s; results of both. */
static void run_asleep(const struct options *options, struct case_result *ret) {
        size_t sides = count_sides(), max = sides * (options->loops[0] + options->loops[1]), n = 0;
        struct sleeper *sleepers;

        require(max > 0, "a side");
        sleepers = calloc(max, sizeof *sleepers);
        require(sleepers, "memory for threads");
        for (size_t which = 0; which < 2; ++which)
                for (size_t i = 0; i < options->loops[which] * sides; ++i, ++n)
                        sleepers[n] = (struct sleeper){
                                .loop = late_open(&late_sides[i % sides], 1, -1),
                                .lateness = lateness_make(options->samples[which]),
                                .which = which,
                                .side = i % sides,
                                .samples = options->samples[which],
                                .begin = (int64_t)n * APART,
                                .delay = options->sleeps[which],
                        };
        for (size_t i = 0; i < n; ++i)
                require(pthread_create(&sleepers[i].thread, NULL, run_sleeper, &sleepers[i]) == 0, "pthread_create");
        for (size_t i = 0; i < n; ++i) {
                pthread_join(sleepers[i].thread, NULL);
                late_close(&sleepers[i].loop);
        }
        for (size_t which = 0; which < 2; ++which) {
                ret[which].ran = true;
                for (size_t side = 0; side < sides; ++side) {
                        ret[which].sides[side] = gather(options, sleepers, n, which, side);
                        ret[which].there[side] = true;
                }
        }
        for (size_t i = 0; i < n; ++i)
                free(sleepers[i].lateness.values);
        free(sleepers);
}

/* ---------------------------------------------------------------- many */

/* Their lengths are random, and count from when all should be set. Returns the moments at which they are due, sorted. */
static int64_t *set_many(const struct options *options, struct late_loop *loop) {
        int64_t *due = calloc(options->many, sizeof *due), begin;
        uint64_t seed = 1;

        require(due, "memory for moments");
        begin = bench_now() + options->ahead;
        for (size_t i = 0; i < options->many; ++i) {
                int64_t length =
                        options->least + (int64_t)(bench_random(&seed) % (uint64_t)(options->most - options->least));

                length += begin - bench_now();
                due[i] = late_set(loop, i, length > 0 ? length : 0);
        }
        qsort(due, options->many, sizeof *due, compare);
        return due;
}

static struct figures run_many_on(const struct options *options, const struct late_side *side, int ready) {
        struct late_loop loop = late_open(side, options->many, ready);
        int64_t *due = set_many(options, &loop), now;
        struct lateness lateness = lateness_make(options->many);

        while (lateness.n < options->many) {
                size_t count = late_wait(&loop, &now);

                require(count <= options->many - lateness.n, "as many timeouts as were set");
                for (; count > 0; --count, ++lateness.n)
                        lateness.values[lateness.n] = now - due[lateness.n];
        }
        lateness.early = loop.early;
        late_close(&loop);
        free(due);
        return summarize_lateness(&lateness, side);
}

static void run_many(const struct options *options, bool busy, struct case_result *ret) {
        int ready = busy ? eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC) : -1;

        require(!busy || ready >= 0, "eventfd");
        for (size_t side = 0; late_sides[side].name; ++side) {
                if (busy && !late_sides[side].busy)
                        continue;
                ret->sides[side] = run_many_on(options, &late_sides[side], ready);
                ret->there[side] = true;
        }
        if (busy)
                close(ready);
        ret->ran = true;
}

/* ---------------------------------------------------------------- what comes out */

static void show(const struct case_result *result, const char *name) {
        for (size_t side = 0; late_sides[side].name; ++side) {
                const struct figures *figures = &result->sides[side];

                if (result->there[side])
                        printf("%-10s %-10s %6zu  p50 %9.1f us  p99 %9.1f us  longest %9.1f us  early %zu\n", name,
                               late_sides[side].name, figures->n, figures->p50, figures->p99, figures->longest,
                               figures->early);
        }
        fflush(stdout);
}

static void write_figures(struct json *json, const char *name, const struct figures *figures) {
        json_open_object(json, name);
        json_number(json, "n", (double)figures->n);
        json_number(json, "p50_us", figures->p50);
        json_number(json, "p99_us", figures->p99);
        json_number(json, "longest_us", figures->longest);
        json_number(json, "early", (double)figures->early);
        json_close_object(json);
}

/* {"machine", "build", "cases": [{"name", "busy", "sides": {NAME: {"n", "p50_us", "p99_us", "longest_us", "early"}}}]} */
static void write_results(FILE *file, const struct case_result *results) {
        struct json json = { .file = file };
        bool first = true;

        json_open_object(&json, NULL);
        json_machine(&json);
        fputc('\n', file);
        json_build(&json);
        fputs(", \"cases\": [", file);
        for (size_t which = 0; which < N_CASES; ++which) {
                if (!results[which].ran)
                        continue;
                fputs(first ? "\n" : ",\n", file);
                first = false;
                json_open_object(&json, NULL);
                json_text(&json, "name", names[which]);
                json_boolean(&json, "busy", which == MANY_BUSY);
                json_open_object(&json, "sides");
                for (size_t side = 0; late_sides[side].name; ++side)
                        if (results[which].there[side])
                                write_figures(&json, late_sides[side].name, &results[which].sides[side]);
                json_close_object(&json);
                json_close_object(&json);
        }
        fputs("\n]}\n", file);
}

/* ---------------------------------------------------------------- the program */

static bool wanted(const struct options *options, size_t which) {
        return !options->only || !strcmp(options->only, names[which]);
}

static void run_cases(const struct options *options, struct case_result *results) {
        if (wanted(options, ONE_MS))
                run_short(options, &results[ONE_MS]);
        show(&results[ONE_MS], names[ONE_MS]);
        if (wanted(options, ONE_S) || wanted(options, TEN_S))
                run_asleep(options, &results[ONE_S]);
        show(&results[ONE_S], names[ONE_S]);
        show(&results[TEN_S], names[TEN_S]);
        for (size_t which = MANY; which <= MANY_BUSY; ++which) {
                if (wanted(options, which))
                        run_many(options, which == MANY_BUSY, &results[which]);
                show(&results[which], names[which]);
        }
}

static const char usage[] = "usage: weir-bench-late [--quick] [--only CASE] [--json FILE]\n"
                            "Measures how late timers come, of weir and of the libraries found when it was built.\n"
                            "The cases are 1ms, 1s and 10s, which run together, many and many-busy.\n";

/* False if it is not one of them. */
static bool is_case(const char *name) {
        for (size_t which = 0; which < N_CASES; ++which)
                if (!strcmp(name, names[which]))
                        return true;
        return false;
}

static bool parse(struct options *options, int argc, char **argv) {
        static const struct options quick = {
                .shorts = 10,
                .sleeps = { 20 * MS, 50 * MS },
                .loops = { 1, 1 },
                .samples = { 3, 2 },
                .many = 1000,
                .least = MS,
                .most = 20 * MS,
                .ahead = 10 * MS,
        };

        for (int i = 1; i < argc; ++i) {
                bool more = i + 1 < argc;

                if (!strcmp(argv[i], "--quick")) {
                        const char *only = options->only, *json = options->json;

                        *options = quick;
                        options->only = only;
                        options->json = json;
                } else if (!strcmp(argv[i], "--json") && more)
                        options->json = argv[++i];
                else if (!strcmp(argv[i], "--only") && more && is_case(argv[i + 1]))
                        options->only = argv[++i];
                else
                        return false;
        }
        return true;
}

int main(int argc, char **argv) {
        struct options options = {
                .shorts = 500,
                .sleeps = { 1000 * MS, 10000 * MS },
                .loops = { 1, 4 },
                .samples = { 90, 9 },
                .many = 100000,
                .least = MS,
                .most = 10000 * MS,
                .ahead = 300 * MS,
        };
        static struct case_result results[N_CASES];
        FILE *file = NULL;

        if (!parse(&options, argc, argv)) {
                fputs(usage, stderr);
                return 2;
        }
        if (options.json) {
                file = fopen(options.json, "we");
                require(file, options.json);
        }
        late_find_sides();
        run_cases(&options, results);
        if (file) {
                write_results(file, results);
                require(!ferror(file) && fclose(file) == 0, "writing the results");
        }
        return fflush(stdout) == 0 ? 0 : 1;
}
