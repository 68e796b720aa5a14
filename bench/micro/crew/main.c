/* SPDX-License-Identifier: MIT */

/*
 * weir-bench-crew: what does a crew cost, and how soon does it begin an event?
 *
 *   one-64     a crew of one thread, with 64 descriptors that are always ready, beside a loop over weir_poll_wait() that is
 *              written by hand and calls the same function by pointer. The function reads its descriptor and writes to it once.
 *   one-1      likewise with a single one, so that each fetch brings one event
 *   asleep     from a write to the function, when all threads of a crew sleep, beside a thread in that loop
 *   long-call  the same while another thread is in a call of 10 ms, after calls that were short: the look-out must notice
 *   behind     from the beginning of a call of 100 ms to that of what was fetched with it, likewise
 *   first      the same of the first events after all threads have slept
 *   blocked    the same while all other threads but one are blocked in a call
 *
 * The first three are ratios of laps that take turns, as in ../run.c; the others are microseconds, the 99th percentile of a
 * lap. Read run_case() first.
 */

#include "bench.h"
#include "json.h"
#include "summary.h"

#include <weir/crew.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS   64
#define MAX_REPS  101
#define TRAINING  20000
#define NS_PER_MS 1000000

struct options {
        unsigned events, samples, reps;
        const char *json;
};

/* A lap: a poll, its descriptors, and what is timed. */
struct lap {
        struct weir_poll *poll;
        struct weir_crew *crew;   /* NULL in a loop that is written by hand */
        struct weir_waker *waker; /* ends that one */
        int fds[MAX_FDS];
        unsigned n_fds;
        unsigned goal, done;           /* of always_ready() alone: one thread */
        atomic_int begun;              /* by first or second */
        _Atomic(int64_t) began_at[2];  /* the event that is timed; the long one */
        atomic_uint training, long_ms; /* short events to come; how long the first one is */
        int gate;                      /* those that block read it */
        atomic_bool stop;
};

void bench_fail(const char *what) {
        fprintf(stderr, "weir-bench-crew: failed: %s%s%s\n", what, errno ? ", perhaps: " : "",
                errno ? strerror(errno) : "");
        exit(1);
}

static int64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_ms(unsigned ms) {
        const struct timespec time = { ms / 1000, (long)(ms % 1000) * NS_PER_MS };

        nanosleep(&time, NULL);
}

static void put(int fd) {
        const uint64_t one = 1;

        require(write(fd, &one, sizeof one) == sizeof one, "write");
}

static void take(int fd) {
        uint64_t value;

        require(read(fd, &value, sizeof value) == sizeof value, "read");
}

/* ---------------------------------------------------------------- functions */

static void end_lap(struct lap *lap) {
        if (lap->crew)
                weir_crew_stop(lap->crew);
        else
                atomic_store(&lap->stop, true);
}

static void always_ready(struct weir_crew *crew, const struct weir_event *event, void *data) {
        struct lap *lap = data;
        int fd = lap->fds[event->token];

        (void)crew;
        take(fd);
        put(fd);
        if (++lap->done == lap->goal)
                end_lap(lap);
}

static void note_time(struct weir_crew *crew, const struct weir_event *event, void *data) {
        struct lap *lap = data;

        (void)crew;
        if (event->token == MAX_FDS) {
                end_lap(lap);
                return;
        }
        atomic_store(&lap->began_at[0], now_ns());
        take(lap->fds[event->token]);
        atomic_fetch_add(&lap->begun, 1);
}

/* 0 is short, and rings itself; then 1 and 2: of these the first to begin is long. The others block. */
static void surprise(struct weir_crew *crew, const struct weir_event *event, void *data) {
        struct lap *lap = data;

        (void)crew;
        take(lap->fds[event->token]);
        if (event->token == 0) {
                if (atomic_fetch_sub(&lap->training, 1) > 1)
                        put(lap->fds[0]);
                else
                        atomic_fetch_add(&lap->begun, 1);
                return;
        }
        if (event->token > 2) {
                atomic_fetch_add(&lap->begun, 1);
                take(lap->gate);
                return;
        }
        if (atomic_fetch_add(&lap->begun, 1) == 0) {
                atomic_store(&lap->began_at[1], now_ns());
                sleep_ms(atomic_load(&lap->long_ms));
        } else {
                atomic_store(&lap->began_at[0], now_ns());
        }
        atomic_fetch_add(&lap->begun, 1);
}

/* ---------------------------------------------------------------- laps */

static void open_lap(struct lap *lap, unsigned n_fds, weir_crew_fn *fn, bool with_crew) {
        memset(lap, 0, sizeof *lap);
        lap->n_fds = n_fds;
        require(weir_poll_create(&lap->poll) == 0, "weir_poll_create");
        require(!with_crew || weir_crew_create(lap->poll, fn, lap, &lap->crew) == 0, "weir_crew_create");
        for (unsigned i = 0; i < n_fds; ++i) {
                lap->fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
                require(lap->fds[i] >= 0, "eventfd");
                require(weir_register(weir_poll_registry(lap->poll), lap->fds[i], i, WEIR_READABLE) == 0, "register");
        }
        require(weir_waker_create(weir_poll_registry(lap->poll), MAX_FDS, &lap->waker) == 0, "weir_waker_create");
}

static void close_lap(struct lap *lap) {
        weir_crew_destroy(lap->crew);
        for (unsigned i = 0; i < lap->n_fds; ++i) {
                weir_deregister(weir_poll_registry(lap->poll), lap->fds[i]);
                close(lap->fds[i]);
        }
        weir_waker_destroy(lap->waker);
        weir_poll_destroy(lap->poll);
}

/* By hand. Not inlined: the function is called by pointer, as a crew calls it. */
static __attribute__((noinline)) void loop(struct lap *lap, weir_crew_fn *fn) {
        struct weir_events *events;
        struct weir_event event;

        require(weir_events_create(MAX_FDS, &events) == 0, "weir_events_create");
        while (!atomic_load_explicit(&lap->stop, memory_order_relaxed)) {
                require(weir_poll_wait(lap->poll, events, NULL) >= 0, "weir_poll_wait");
                while (!atomic_load_explicit(&lap->stop, memory_order_relaxed) && weir_events_next(events, &event))
                        fn(NULL, &event, lap);
        }
        weir_events_destroy(events);
}

static double lap_of_one(const struct options *options, unsigned n_fds, bool with_crew) {
        struct lap lap;
        int64_t begin;

        open_lap(&lap, n_fds, always_ready, with_crew);
        lap.goal = options->events;
        for (unsigned i = 0; i < n_fds; ++i)
                put(lap.fds[i]);
        begin = now_ns();
        if (with_crew)
                require(weir_crew_run(lap.crew, 1) == 0, "weir_crew_run");
        else
                loop(&lap, always_ready);
        begin = now_ns() - begin;
        close_lap(&lap);
        return (double)begin / options->events;
}

static void *loop_alone(void *argument) {
        loop(argument, note_time);
        return NULL;
}

static void await(atomic_int *value, int goal) {
        while (atomic_load(value) < goal)
                sched_yield();
}

static double lap_asleep(const struct options *options, bool with_crew) {
        double *values = calloc(options->samples, sizeof *values), median;
        pthread_t thread;
        struct lap lap;

        require(values, "memory");
        open_lap(&lap, 1, note_time, with_crew);
        if (with_crew)
                require(weir_crew_start(lap.crew, 2) == 0, "weir_crew_start");
        else
                require(pthread_create(&thread, NULL, loop_alone, &lap) == 0, "pthread_create");
        for (unsigned i = 0; i < options->samples; ++i) {
                int64_t begin;

                sleep_ms(10); /* until the look-out has no alarm either */
                begin = now_ns();
                put(lap.fds[0]);
                while (atomic_load(&lap.begun) <= (int)i)
                        sleep_ms(1);
                values[i] = (double)(atomic_load(&lap.began_at[0]) - begin);
        }
        median = summarize(values, options->samples).median;
        if (!with_crew) {
                weir_waker_wake(lap.waker);
                pthread_join(thread, NULL);
        }
        close_lap(&lap);
        free(values);
        return median;
}

/* How a call that is far longer than those before it comes. */
struct surprise {
        unsigned ms;
        unsigned blocked; /* threads in another call */
        bool idle;        /* no event came before it for some time */
        bool alone;       /* the other event comes while it goes on */
};

static void prepare(struct lap *lap, const struct surprise *how) {
        for (unsigned i = 0; i < how->blocked; ++i) {
                atomic_store(&lap->begun, 0);
                put(lap->fds[3 + i]);
                await(&lap->begun, 1);
        }
        atomic_store(&lap->begun, 0);
        if (how->idle) {
                sleep_ms(20);
                return;
        }
        atomic_store(&lap->training, TRAINING);
        put(lap->fds[0]);
        await(&lap->begun, 1);
        atomic_store(&lap->begun, 0);
}

/* In microseconds, from the later of the two: the beginning of the long call, and the moment when the other event came. */
static double surprise_once(struct lap *lap, const struct surprise *how) {
        int64_t from;

        prepare(lap, how);
        put(lap->fds[1]);
        if (how->alone) {
                await(&lap->begun, 1);
                sleep_ms(2);
        }
        from = now_ns();
        put(lap->fds[2]);
        while (atomic_load(&lap->begun) < 4)
                sleep_ms(1);
        for (unsigned i = 0; i < how->blocked; ++i)
                put(lap->gate);
        if (atomic_load(&lap->began_at[1]) > from)
                from = atomic_load(&lap->began_at[1]);
        return (double)(atomic_load(&lap->began_at[0]) - from) / 1000;
}

static double lap_surprise(const struct options *options, const struct surprise *how) {
        unsigned n = options->samples;
        double *values = calloc(n, sizeof *values), p99;
        struct lap lap;

        require(values, "memory");
        open_lap(&lap, 3 + how->blocked, surprise, true);
        lap.long_ms = how->ms;
        lap.gate = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
        require(lap.gate >= 0, "eventfd");
        require(weir_crew_start(lap.crew, 2 + how->blocked) == 0, "weir_crew_start");
        for (unsigned i = 0; i < n; ++i)
                values[i] = surprise_once(&lap, how);
        close_lap(&lap);
        close(lap.gate);
        summarize(values, n); /* which sorts */
        p99 = values[(size_t)((n - 1) * 99 / 100)];
        free(values);
        return p99;
}

/* ---------------------------------------------------------------- cases */

static const struct {
        const char *name, *baseline, *unit;
        double target; /* 0: none */
} cases[] = {
        { "one-64", "a loop by hand", "ratio", 1.03 },
        { "one-1", "a loop by hand", "ratio", 1.03 },
        { "asleep", "a loop by hand", "ratio", 0 },
        { "long-call", "", "us", 2000 },
        { "behind", "", "us", 2000 },
        { "first", "", "us", 2000 },
        { "blocked", "", "us", 2000 },
};

#define N_CASES (sizeof cases / sizeof *cases)

static double run_lap(const struct options *options, size_t which, bool with_crew) {
        static const struct surprise surprises[] = {
                { .ms = 10, .alone = true },
                { .ms = 100 },
                { .ms = 100, .idle = true },
                { .ms = 100, .blocked = 2 },
        };

        switch (which) {
        case 0:
                return lap_of_one(options, 64, with_crew);
        case 1:
                return lap_of_one(options, 1, with_crew);
        case 2:
                return lap_asleep(options, with_crew);
        default:
                return lap_surprise(options, &surprises[which - 3]);
        }
}

/* A ratio of neighbours, or a figure of its own. */
static struct summary run_case(const struct options *options, size_t which, struct summary *ret_raw) {
        double values[MAX_REPS], raws[MAX_REPS];

        for (unsigned rep = 0; rep < options->reps; ++rep) {
                double weir, raw = 0;

                if (!*cases[which].baseline) {
                        values[rep] = run_lap(options, which, true);
                        raws[rep] = 0;
                        continue;
                }
                if (rep % 2)
                        raw = run_lap(options, which, false);
                weir = run_lap(options, which, true);
                if (rep % 2 == 0)
                        raw = run_lap(options, which, false);
                values[rep] = weir / raw;
                raws[rep] = raw;
        }
        *ret_raw = summarize(raws, options->reps);
        return summarize(values, options->reps);
}

static void write_case(struct json *json, const struct options *options, size_t which, const struct summary *weir,
                       const struct summary *raw) {
        fputs(which ? ",\n" : "\n", json->file);
        json->first = true;
        json_open_object(json, NULL);
        json_text(json, "name", cases[which].name);
        json_text(json, "baseline", cases[which].baseline);
        json_text(json, "unit", cases[which].unit);
        json_number(json, "repetitions", options->reps);
        json_summary(json, "raw_ns", raw);
        json_summary(json, "weir", weir);
        if (cases[which].target > 0)
                json_number(json, "target", cases[which].target);
        else
                json_null(json, "target");
        json_close_object(json);
}

static void run(const struct options *options, FILE *file) {
        struct json json = { .file = file };

        if (file) {
                json_open_object(&json, NULL);
                json_machine(&json);
                fputc('\n', file);
                json_build(&json);
                fputs(", \"cases\": [", file);
        }
        for (size_t which = 0; which < N_CASES; ++which) {
                struct summary raw, weir = run_case(options, which, &raw);

                printf("%-10s %10.3f %10.3f %10.3f %-5s  raw %.0f ns\n", cases[which].name, weir.median, weir.q1,
                       weir.q3, cases[which].unit, raw.median);
                fflush(stdout);
                if (file)
                        write_case(&json, options, which, &weir, &raw);
        }
        if (file) {
                fputs("\n]}\n", file);
                require(fclose(file) == 0, "writing the results");
        }
}

static const char usage[] = "usage: weir-bench-crew [--quick] [--json FILE]\n"
                            "Measures what a crew costs and how soon it begins an event.\n";

int main(int argc, char **argv) {
        struct options options = { .events = 200000, .samples = 20, .reps = 11 };
        FILE *file = NULL;

        for (int i = 1; i < argc; ++i) {
                if (!strcmp(argv[i], "--quick")) {
                        options.events = 2000;
                        options.samples = 3;
                        options.reps = 1;
                } else if (!strcmp(argv[i], "--json") && i + 1 < argc) {
                        options.json = argv[++i];
                } else {
                        fputs(usage, stderr);
                        return 2;
                }
        }
        if (options.json) {
                file = fopen(options.json, "w");
                require(file, options.json);
        }
        run(&options, file);
        return 0;
}
