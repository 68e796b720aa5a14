/* SPDX-License-Identifier: MIT */

/*
 * weir-bench: what weir costs over raw epoll, and what other libraries cost. Options, the list of cases, and the loop over
 * cases and sizes; run.c measures, report.c and report_json.c write. To add a case, write its file and name its table here.
 *
 *         meson setup build-bench --buildtype=release && meson test -C build-bench --benchmark -v
 */

#include "bench.h"
#include "descriptors.h"
#include "report.h"
#include "run.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct bench_case *const tables[] = {
        register_cases, dispatch_cases, one_cases,      oneshot_cases, retoken_cases, wake_cases,    trigger_cases,
        pingpong_cases, clone_cases,    deadline_cases, defer_cases,   churn_cases,   latency_cases, memory_cases,
};

#define MAX_SIZES 8

/* Timers need no descriptors, so there may be more. */
#define MANY_TIMERS 1000000

/* Streams take two descriptors each, so as many as take the place of 18,000. */
#define MANY_STREAMS 9000

/* Fewer do not fill enough pages to be counted. */
#define MIN_BYTES 1000

struct options {
        struct plan plan;
        size_t sizes[MAX_SIZES];
        size_t n_sizes;
        bool many; /* also MANY_TIMERS */
        const char *filter;
        const char *json;
        bool list;
};

static const char usage[] = "usage: weir-bench [OPTION]...\n"
                            "Measures weir, and the libraries found when it was built, against raw epoll.\n"
                            "\n"
                            "  --list          name the cases and their baselines, and end\n"
                            "  --filter A,B    only cases with one of these in their names\n"
                            "  --quick         small sizes and short laps: under 20 seconds\n"
                            "  --sizes N,N     numbers of descriptors (100,1000,10000,18000)\n"
                            "  --reps N        repetitions (11); 9 with --quick\n"
                            "  --no-peers      leave the other libraries out\n"
                            "  --json FILE     write the results there, too\n";

void bench_fail(const char *what) {
        fprintf(stderr, "\nweir-bench: failed: %s%s%s\n", what, errno ? ", perhaps: " : "",
                errno ? strerror(errno) : "");
        exit(1);
}

static void bad_usage(const char *why) {
        fprintf(stderr, "weir-bench: %s\n%s", why, usage);
        exit(2);
}

/* A number from 1 up to a million, and where it ends. */
static size_t parse_number(const char *text, char **ret_end) {
        unsigned long value;

        errno = 0;
        value = strtoul(text, ret_end, 10);
        if (errno || *ret_end == text || *text == '-' || value < 1 || value > 1000000)
                bad_usage("not a number I can use");
        return value;
}

static void parse_sizes(struct options *options, const char *text) {
        char *end;

        options->n_sizes = 0;
        for (;; text = end + 1) {
                if (options->n_sizes == MAX_SIZES)
                        bad_usage("too many sizes");
                options->sizes[options->n_sizes++] = parse_number(text, &end);
                if (*end != ',')
                        break;
        }
        if (*end)
                bad_usage("sizes are numbers with commas between them");
}

static void parse(struct options *options, int argc, char **argv) {
        static const struct option known[] = {
                { "list", no_argument, NULL, 'l' },
                { "filter", required_argument, NULL, 'f' },
                { "quick", no_argument, NULL, 'q' },
                { "sizes", required_argument, NULL, 's' },
                { "reps", required_argument, NULL, 'r' },
                { "json", required_argument, NULL, 'j' },
                { "no-peers", no_argument, NULL, 'n' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        size_t repetitions = 0;
        bool quick = false;
        const char *sizes = NULL;
        char *end;
        int c;

        while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
                switch (c) {
                case 'l':
                        options->list = true;
                        break;
                case 'f':
                        options->filter = optarg;
                        break;
                case 'q':
                        quick = true;
                        break;
                case 's':
                        sizes = optarg;
                        break;
                case 'r':
                        repetitions = parse_number(optarg, &end);
                        if (*end)
                                bad_usage("--reps takes a number");
                        break;
                case 'j':
                        options->json = optarg;
                        break;
                case 'n':
                        options->plan.peers = false;
                        break;
                case 'h':
                        fputs(usage, stdout);
                        exit(0);
                default:
                        bad_usage("unknown option");
                }
        if (optind < argc)
                bad_usage("unknown argument");
        options->many = !sizes && !quick;
        parse_sizes(options, sizes ? sizes : quick ? "100,1000" : "100,1000,10000,18000");
        options->plan.repetitions = repetitions ? (unsigned)repetitions : quick ? 9 : 11;
        options->plan.operations = quick ? 2000 : 20000;
}

/* Whether one of the parts, which have commas between them, is in the name. */
static bool matches(const char *parts, const char *name) {
        for (;;) {
                size_t length = strcspn(parts, ",");

                if (memmem(name, strlen(name), parts, length))
                        return true;
                if (!parts[length])
                        return false;
                parts += length + 1;
        }
}

static bool wanted(const struct options *options, const struct bench_case *what) {
        return !options->filter || matches(options->filter, what->name);
}

/* Runs a case at one size; false if that does not fit. */
static bool run_size(const struct options *options, const struct bench_case *what, size_t n, size_t limit,
                     struct result *ret_result) {
        struct bench_descriptors on;

        fprintf(stderr, "%-18s %6zu ", what->name, n);
        if (descriptors_needed(what->kind, n) > limit) {
                fprintf(stderr, "left out: more descriptors than the limit, %zu\n", limit);
                return false;
        }
        if (what->kind != BENCH_NOTHING && n < what->threads) {
                fprintf(stderr, "left out: fewer descriptors than threads\n");
                return false;
        }
        if (what->bytes && n < MIN_BYTES) {
                fprintf(stderr, "left out: memory comes by the page\n");
                return false;
        }
        descriptors_open(&on, what->kind, n);
        run_case(what, &on, &options->plan, ret_result);
        descriptors_close(&on);
        fprintf(stderr, "%9.1f %s  %7.3f  (%.3f to %.3f)\n", ret_result->raw.median, what->bytes ? "B " : "ns",
                ret_result->ratio[WEIR].median, ret_result->ratio[WEIR].q1, ret_result->ratio[WEIR].q3);
        return true;
}

/* Runs a case at all sizes. Returns how many results there are. */
static size_t run_sizes(const struct options *options, const struct bench_case *what, size_t limit,
                        struct result *results) {
        size_t n = 0;

        if (what->kind == BENCH_NOTHING)
                return run_size(options, what, BENCH_CALLS, limit, results);
        for (size_t i = 0; i < options->n_sizes; ++i) {
                size_t size = options->sizes[i];

                if (what->kind == BENCH_STREAMS && size > MANY_STREAMS)
                        size = MANY_STREAMS;
                if (n > 0 && results[n - 1].n == size)
                        continue;
                n += run_size(options, what, size, limit, &results[n]);
        }
        if (what->kind == BENCH_TIMERS && what->threads == 1 && options->many)
                n += run_size(options, what, MANY_TIMERS, limit, &results[n]);
        return n;
}

/* Keeps the process one of several threads, for which libc takes its locks in earnest. */
static void *sleep_until_unlocked(void *gate) {
        pthread_mutex_lock(gate);
        pthread_mutex_unlock(gate);
        return NULL;
}

static size_t run_all(const struct options *options, struct result *results) {
        static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
        size_t limit = descriptors_limit(), n = 0;
        pthread_t thread;

        pthread_mutex_lock(&gate);
        require(pthread_create(&thread, NULL, sleep_until_unlocked, &gate) == 0, "pthread_create");
        for (size_t t = 0; t < sizeof tables / sizeof *tables; ++t)
                for (const struct bench_case *what = tables[t]; what->name; ++what)
                        if (wanted(options, what))
                                n += run_sizes(options, what, limit, &results[n]);
        pthread_mutex_unlock(&gate);
        pthread_join(thread, NULL);
        return n;
}

static size_t list(const struct options *options, bool show) {
        size_t n = 0;

        for (size_t t = 0; t < sizeof tables / sizeof *tables; ++t)
                for (const struct bench_case *what = tables[t]; what->name; ++what) {
                        if (!wanted(options, what))
                                continue;
                        ++n;
                        if (show)
                                printf("%-18s %s\n", what->name, what->baseline);
                }
        return n;
}

int main(int argc, char **argv) {
        struct options options = { .plan.peers = true };
        struct result *results;
        FILE *json = NULL;
        size_t n;

        parse(&options, argc, argv);
        n = list(&options, options.list);
        if (n == 0)
                bad_usage("no case has that name");
        if (options.list)
                return 0;
        if (*report_warning())
                fprintf(stderr, "weir-bench: warning: %s\n", report_warning());
        if (options.json) {
                json = fopen(options.json, "we");
                require(json, "opening the JSON file");
        }
        results = calloc(n * MAX_SIZES, sizeof *results);
        require(results, "memory for results");
        n = run_all(&options, results);
        require(n > 0, "no size fits the limit of descriptors");
        report_table(stdout, results, n);
        if (json) {
                report_json(json, results, n);
                require(!ferror(json) && fclose(json) == 0, "writing the JSON file");
        }
        free(results);
        return fflush(stdout) == 0 ? 0 : 1;
}
