/* SPDX-License-Identifier: MIT */

/*
 * All small programs: explore [option...] [program]. Each line that it prints is a family of programs at a beginning: how many
 * of them were explored, in how many interleavings, and how many different outcomes were judged. Ends with 1 if something
 * is wrong.
 *
 *   -f FAMILY     2x2, 1+3, 3x1 or 3x2: threads and the calls of each; all but 3x2 without it
 *   -b BEGINNING  its number in program.c; all without it
 *   -s SHARE      one in so many programs, drawn by seed; 1 without it. If that is not 1, one in eight times as many of those
 *                 with deadlines, triggers or time, of which there are many more
 *   -o SHARE      one in so many of those instead
 *   -r SEED       1 without it
 *   -p COUNT      preemptions at most; 2 without it
 *   -x            ends with the first that is wrong
 *   -g FROM-TO    explores nothing, but writes the programs from one number to another as C, with all outcomes that each
 *                 may have: for tests/model/enumerated.c
 *   program       this one alone, such as "RW|KN", and how it came to what is wrong
 */

#include "allowed.h"
#include "alphabet.h"
#include "explore.h"
#include "tell.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOLD      5 /* programs that are told in full */
#define OWN_SHARE 8

static const struct family {
        const char *name;
        unsigned calls[THREADS];
        bool asked; /* only when it is named */
} families[] = {
        { "2x2", { 2, 2, 0 }, false }, { "1+3", { 1, 3, 0 }, false }, { "2x1", { 1, 1, 0 }, true },
        { "3x1", { 1, 1, 1 }, false }, { "3x2", { 2, 2, 2 }, true },
};

static unsigned preemptions = 2, share = 1, own_share; /* 0: OWN_SHARE times the other, if that is not 1 */
static uint64_t seed = 1, told;
static bool first_only;
static struct { uint64_t programs, explored, interleavings, outcomes, left_out, wrong; } counts;

static uint64_t draw(uint64_t n) {
        n = (n + seed * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
        n = (n ^ n >> 31) * UINT64_C(0x94d049bb133111eb);
        return n ^ n >> 29;
}

static bool is_drawn(const struct program *program) {
        uint64_t own = own_share ? own_share : share > 1 ? share * OWN_SHARE : 1;

        return draw(counts.programs++) % (program->flags & LETTER_OWN ? own : share) == 0;
}

/* ---------------------------------------------------------------- for the model checker */

static struct program *listed;
static uint64_t n_drawn, n_listed, n_known, list_from, list_to;

static void list(const struct program *program) {
        if (!is_drawn(program))
                return;
        n_drawn++;
        if (!allowed_knows(program))
                return;
        if (n_known++ < list_from || n_known > list_to)
                return;
        listed = realloc(listed, (n_listed + 1) * sizeof(*listed));
        if (!listed)
                abort();
        listed[n_listed++] = *program;
}

/* Writes what enumerated.c includes. False: there is nothing. */
static bool write_list(const struct beginning *beginning, const struct family *family, const struct sequential *state) {
        const uint64_t *outcomes;
        unsigned from = 0, n;

        programs_each(beginning, family->calls, list);
        if (!n_listed)
                return false;
        printf("/* %s: %s, share 1/%u, seed %" PRIu64 ", from %" PRIu64 " on: %" PRIu64 " of %" PRIu64 " programs */\n",
               beginning->name, family->name, share, seed, list_from, n_listed, n_drawn);
        printf("#define ENUMERATED_MODE      0x%xu\n#define ENUMERATED_BEGINNING \"%s\"\n", beginning->mode,
               beginning->letters);
        printf("#define ENUMERATED_PROGRAMS  %" PRIu64 "\n", n_listed);
        printf("static const char enumerated_programs[][2][3] = {\n");
        for (uint64_t i = 0; i < n_listed; i++)
                printf("{ \"%s\", \"%s\" },\n", listed[i].letters[0], listed[i].letters[1]);
        printf("};\nstatic const unsigned long long enumerated_outcomes[] = {\n");
        for (uint64_t i = 0; i < n_listed; i++) {
                n = allowed_outcomes(&listed[i], state, &outcomes);
                for (unsigned j = 0; j < n; j++)
                        printf("0x%" PRIx64 ",%s", outcomes[j], j + 1 == n ? "\n" : "");
        }
        printf("};\nstatic const unsigned enumerated_from[] = { 0,");
        for (uint64_t i = 0; i < n_listed; i++)
                printf(" %u,", from += allowed_outcomes(&listed[i], state, &outcomes));
        printf(" };\n");
        return true;
}

/* ---------------------------------------------------------------- exploring */

static void explore(const struct program *program) {
        struct explored explored;
        char text[THREADS * (LETTERS_MAX + 1) + 1];

        if (!is_drawn(program))
                return;
        explored = explore_program(program, preemptions);
        counts.explored++;
        counts.interleavings += explored.interleavings;
        counts.outcomes += explored.outcomes;
        counts.left_out += explored.left_out;
        if (!explored.wrong)
                return;
        counts.wrong++;
        program_write(program, text, sizeof(text));
        printf("%s, %s: %s\n", program->beginning->name, text, explored.wrong);
        if (first_only)
                exit(1);
        if (told++ < TOLD) {
                tell_on = true;
                explore_repeat();
                tell_on = false;
        }
}

/* Returns whether all is well. */
static bool explore_all(const struct beginning *beginning, const struct family *family) {
        char line[256];

        memset(&counts, 0, sizeof(counts));
        programs_each(beginning, family->calls, explore);
        snprintf(line, sizeof(line), "%s  1/%-5u %-39s %8" PRIu64 " %8" PRIu64 " %11" PRIu64 " %9" PRIu64 " %6" PRIu64,
                 family->name, share, beginning->name, counts.programs, counts.explored, counts.interleavings,
                 counts.outcomes, counts.left_out);
        printf("%s\n", line);
        fflush(stdout);
        if (counts.wrong)
                printf("%" PRIu64 " programs are wrong\n", counts.wrong);
        return !counts.wrong;
}

static bool begin(const struct beginning *beginning) {
        const char *wrong = explore_begin(beginning);

        if (wrong)
                printf("%s: the beginning itself: %s\n", beginning->name, wrong);
        return !wrong;
}

int main(int argc, char **argv) {
        const char *family = NULL;
        int only = -1, option;
        bool well = true;

        while ((option = getopt(argc, argv, "f:b:s:o:r:p:g:x")) != -1) {
                if (option == 'f')
                        family = optarg;
                else if (option == 'b')
                        only = atoi(optarg);
                else if (option == 's')
                        share = (unsigned)strtoul(optarg, NULL, 0);
                else if (option == 'o')
                        own_share = (unsigned)strtoul(optarg, NULL, 0);
                else if (option == 'r')
                        seed = strtoull(optarg, NULL, 0);
                else if (option == 'p')
                        preemptions = (unsigned)strtoul(optarg, NULL, 0);
                else if (option == 'x')
                        first_only = true;
                else if (option == 'g' && sscanf(optarg, "%" SCNu64 "-%" SCNu64, &list_from, &list_to) == 2)
                        ;
                else
                        return 2;
        }
        if (!share)
                return 2;
        explore_init();
        for (unsigned b = 0; b < beginnings_count; b++) {
                if (only >= 0 && (unsigned)only != b)
                        continue;
                if (!begin(&beginnings[b])) {
                        well = false;
                        continue;
                }
                if (optind < argc) {
                        struct program program = { .beginning = &beginnings[b] };

                        if (!program_read(argv[optind], &program))
                                return 2;
                        explore(&program);
                        well = well && !counts.wrong;
                        continue;
                }
                for (unsigned f = 0; f < sizeof(families) / sizeof(*families) && list_to; f++)
                        if (family && !strcmp(family, families[f].name))
                                return !write_list(&beginnings[b], &families[f], explore_state());
                for (unsigned f = 0; f < sizeof(families) / sizeof(*families); f++)
                        if (family ? !strcmp(family, families[f].name) : !families[f].asked)
                                well = explore_all(&beginnings[b], &families[f]) && well;
        }
        return !well;
}
