/* SPDX-License-Identifier: MIT */

/*
 * weir-bench-owned: what does a one-shot cost while a worker owns it, and messages keep coming?
 *
 * One thread waits, another serves, and a peer writes. In each turn a message comes to a stream; the waiter takes the event
 * and hands the descriptor on. The worker reads, and asks the peer for more, message by message; when it has had all of them
 * it reads to -EAGAIN and arms again. On raw epoll that is EPOLLONESHOT and EPOLL_CTL_MOD, and the kernel is silent while the
 * worker owns the descriptor. If it is not told to be, it wakes the waiter for each message, in vain. So before each message
 * the peer lets both threads fall asleep, as /proc tells: no wake is saved because the one before was still under way. The
 * worker reads in two ways:
 *
 *   late       when both have fallen asleep once more: the waiter was woken while there was something to read
 *   at once    it blocks for the message: which of the two comes first is up to the scheduler. If it is the worker, the
 *              kernel has nothing to report, and the waiter sleeps on in the same call: no library can see that
 *
 * A turn counts when its first message was read. An event without data adds to the turns around it.
 *
 * Counted, as an average over the turns of a lap:
 *
 *   waits      calls to the kernel for events
 *   epoll_ctl  calls of it
 *   switches   how often the waiter left the processor of itself
 *   cpu        of the whole process, in microseconds, without what the peer spends on looking into /proc
 *
 * It is a program of its own because it counts calls, see calls.h. Laps of raw epoll and of weir take turns, as in ../run.c,
 * and what is reported are the ratios of neighbours. Read run_row() first; the turns are in turns.c, both sides in sides.c.
 */

#include "json.h"
#include "owned.h"
#include "summary.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const way_names[WAYS] = { "late", "at once" };

/* Messages that come to the worker during one turn, besides the one that begins it. */
static const unsigned messages[] = { 0, 1, 2, 3, 10, 1000 };

static const char *const figure_names[FIGURES] = { "waits", "epoll_ctl", "switches", "cpu" };

#define N_MESSAGES (sizeof messages / sizeof *messages)
#define N_ROWS     (WAYS * N_MESSAGES)

/* Of EPOLLONESHOT; and what latching is for: without messages no epoll_ctl at all. */
#define TARGET 1.10

/* A lap has no more messages than this, or its row would take minutes; and no fewer turns. */
#define MAX_MESSAGES 100000
#define MIN_TURNS    100

struct options {
        unsigned turns, repetitions;
        const char *json;
};

static const char usage[] = "usage: weir-bench-owned [OPTION]...\n"
                            "Measures a one-shot that a worker owns while messages keep coming, against EPOLLONESHOT.\n"
                            "\n"
                            "  --quick         few turns\n"
                            "  --turns N       turns of a lap (1000; of 1000 messages each 100), whatever it takes\n"
                            "  --reps N        repetitions (11)\n"
                            "  --json FILE     write the results there, too\n";

void bench_fail(const char *what) {
        fprintf(stderr, "\nweir-bench-owned: failed: %s%s%s\n", what, errno ? ", perhaps: " : "",
                errno ? strerror(errno) : "");
        exit(1);
}

/* ---------------------------------------------------------------- laps and ratios */

struct row {
        struct plan plan;
        struct summary raw[FIGURES], ratio[FIGURES];
};

static void run_lap(struct plan *plan, size_t side, double *ret_figures) {
        require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, plan->pair) == 0, "socketpair");
        owned_lap(side, plan, ret_figures);
        close(plan->pair[0]);
        close(plan->pair[1]);
}

static unsigned turns_of(const struct options *options, unsigned n_messages) {
        unsigned turns = 1000;

        if (options->turns)
                return options->turns;
        if (turns * n_messages > MAX_MESSAGES)
                turns = MAX_MESSAGES / n_messages;
        return turns < MIN_TURNS ? MIN_TURNS : turns;
}

static struct row run_row(const struct options *options, size_t way, unsigned n_messages) {
        size_t reps = options->repetitions;
        double *values = calloc(2 * FIGURES * reps, sizeof *values), *ratios = values + FIGURES * reps;
        struct row row = { .plan = { .way = way, .messages = n_messages, .turns = turns_of(options, n_messages) } };

        require(values, "memory for figures");
        for (size_t rep = 0; rep < reps; ++rep) {
                double figures[SIDES][FIGURES];

                for (size_t i = 0; i < SIDES; ++i) {
                        size_t side = (rep + i) % SIDES;

                        run_lap(&row.plan, side, figures[side]);
                }
                for (size_t i = 0; i < FIGURES; ++i) {
                        values[i * reps + rep] = figures[RAW][i];
                        ratios[i * reps + rep] = figures[WEIR][i] / figures[RAW][i];
                }
        }
        for (size_t i = 0; i < FIGURES; ++i) {
                row.raw[i] = summarize(values + i * reps, reps);
                row.ratio[i] = summarize(ratios + i * reps, reps);
        }
        free(values);
        return row;
}

/* ---------------------------------------------------------------- what comes out */

static double target_of(const struct row *row, size_t figure) {
        return row->plan.messages == 0 && figure == CTLS ? 0 : TARGET;
}

static void print(const struct row *row) {
        for (size_t i = 0; i < FIGURES; ++i) {
                const struct summary *ratio = &row->ratio[i];

                printf("%8u %-8s %6u  %-9s %9.2f %7.3f %7.3f %7.3f %7.2f\n", row->plan.messages,
                       way_names[row->plan.way], row->plan.turns, figure_names[i], row->raw[i].median, ratio->median,
                       ratio->q1, ratio->q3, target_of(row, i));
        }
        fflush(stdout);
}

static void write_row(struct json *json, const struct options *options, const struct row *row, bool last) {
        for (size_t i = 0; i < FIGURES; ++i) {
                json->first = true;
                json_open_object(json, NULL);
                json_text(json, "name", "owned");
                json_text(json, "figure", figure_names[i]);
                json_number(json, "messages", row->plan.messages);
                json_text(json, "read", way_names[row->plan.way]);
                json_number(json, "turns", row->plan.turns);
                json_number(json, "threads", 3);
                json_number(json, "repetitions", options->repetitions);
                json_text(json, "baseline", "EPOLLONESHOT: read to -EAGAIN, MOD");
                json_text(json, "unit", "ratio");
                json_summary(json, i == CPU ? "raw_us" : "raw_count", &row->raw[i]);
                json_summary(json, "weir", &row->ratio[i]);
                json_number(json, "target", target_of(row, i));
                json_close_object(json);
                fputs(last && i + 1 == FIGURES ? "\n" : ",\n", json->file);
        }
}

static void write_json(FILE *file, const struct options *options, const struct row *rows) {
        struct json json = { .file = file };

        json_open_object(&json, NULL);
        json_machine(&json);
        fputc('\n', file);
        json_build(&json);
        fputc('\n', file);
        json_name(&json, "cases");
        fputs("[\n", file);
        for (size_t i = 0; i < N_ROWS; ++i)
                write_row(&json, options, &rows[i], i + 1 == N_ROWS);
        fputs("]}\n", file);
}

static void bad_usage(void) {
        fputs(usage, stderr);
        exit(2);
}

static unsigned parse_number(const char *text) {
        char *end;
        unsigned long value;

        errno = 0;
        value = strtoul(text, &end, 10);
        if (errno || end == text || *end || *text == '-' || value < 1 || value > 1000000)
                bad_usage();
        return (unsigned)value;
}

static void parse(struct options *options, int argc, char **argv) {
        static const struct option known[] = {
                { "quick", no_argument, NULL, 'q' },      { "turns", required_argument, NULL, 't' },
                { "reps", required_argument, NULL, 'r' }, { "json", required_argument, NULL, 'j' },
                { "help", no_argument, NULL, 'h' },       { NULL, 0, NULL, 0 },
        };
        int c;

        while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
                switch (c) {
                case 'q':
                        options->turns = 10;
                        break;
                case 't':
                        options->turns = parse_number(optarg);
                        break;
                case 'r':
                        options->repetitions = parse_number(optarg);
                        break;
                case 'j':
                        options->json = optarg;
                        break;
                case 'h':
                        fputs(usage, stdout);
                        exit(0);
                default:
                        bad_usage();
                }
        if (optind < argc)
                bad_usage();
}

/* All threads on one processor: otherwise waking up an idle one takes most of the time, and how often that is so is chance. */
static void use_one_processor(void) {
        cpu_set_t set;
        int cpu = sched_getcpu();

        require(cpu >= 0, "sched_getcpu");
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        require(sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

int main(int argc, char **argv) {
        struct options options = { .repetitions = 11 };
        struct row rows[N_ROWS];
        FILE *json = NULL;

        parse(&options, argc, argv);
        use_one_processor();
        if (options.json) {
                json = fopen(options.json, "we");
                require(json, "opening the JSON file");
        }
        printf("A turn with EPOLLONESHOT, cpu in microseconds, and ratios to it: the median, and between which two "
               "the\n"
               "middle half lies.\n\n%8s %-8s %6s  %-9s %9s %7s %7s %7s %7s\n",
               "messages", "read", "turns", "figure", "raw", "weir", "from", "to", "target");
        for (size_t i = 0; i < N_ROWS; ++i) {
                rows[i] = run_row(&options, i / N_MESSAGES, messages[i % N_MESSAGES]);
                print(&rows[i]);
        }
        if (json) {
                write_json(json, &options, rows);
                require(!ferror(json) && fclose(json) == 0, "writing the JSON file");
        }
        return fflush(stdout) == 0 ? 0 : 1;
}
