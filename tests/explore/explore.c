/* SPDX-License-Identifier: MIT */

/*
 * The search: see explore.h. At each point the thread that runs goes on, and as long as preemptions are left, the world is
 * put back and another one goes on instead. A thread that ends or is blocked gives way for nothing. Read search() first.
 */

#include "explore.h"

#include "alphabet.h"
#include "frame.h"
#include "oracle.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define SAVED ((size_t)64 << 20) /* bytes, for the worlds that are kept to go back to */
#define SEEN  (1u << 17)         /* outcomes of one program; more are looked at twice */
#define TURNS 4096

static const struct program *program;
static struct sequential beginning_state;
static struct explored result;
static unsigned char *saved, *beginning_saved;

/* Outcomes that were looked at, by their hash; of another program if the number beside it says so. */
static struct {
        uint64_t hash;
        unsigned program;
} seen[SEEN];
static unsigned programs;

/* How it came here: turns of threads, for so many points, or as long as it could go on, 0. */
static struct turn { unsigned thread, points; } turns[TURNS];
static unsigned turns_count;

/* ---------------------------------------------------------------- the threads */

static void body(unsigned thread) {
        for (const char *letter = program->letters[thread]; *letter; letter++)
                alphabet_find(*letter)->run(thread);
}

/* ---------------------------------------------------------------- the search */

/* Whether this outcome was looked at before. */
static bool is_known(uint64_t hash) {
        unsigned i = (unsigned)hash % SEEN;

        for (unsigned tries = 0; tries < SEEN; tries++, i = (i + 1) % SEEN) {
                if (seen[i].program == programs && seen[i].hash == hash)
                        return true;
                if (seen[i].program != programs) {
                        seen[i].program = programs;
                        seen[i].hash = hash;
                        return false;
                }
        }
        return false;
}

static void end_interleaving(void) {
        bool asleep = false;

        result.interleavings++;
        for (unsigned i = 0; i < program->threads; i++)
                asleep |= frame_is_asleep(i);
        if (!asleep && is_known(world_hash()))
                return;
        result.outcomes++;
        frame_finish(program->threads);
        if (oracle_leaves_out())
                result.left_out++;
        else
                result.wrong = oracle_judge(&beginning_state);
}

static bool run_one(unsigned thread, bool to_the_end) {
        if (turns_count < TURNS && (to_the_end || !turns_count || turns[turns_count - 1].thread != thread))
                turns[turns_count++] = (struct turn){ thread, 0 };
        turns[turns_count - 1].points += !to_the_end;
        return schedule_run(thread, to_the_end);
}

/* The thread goes on. `at` is where worlds may be kept. */
static void search(unsigned self, unsigned preemptions, unsigned char *at) {
        unsigned turns_here = turns_count;
        struct turn last_here;

        while (!result.wrong) {
                unsigned others[THREADS], n_others = 0;
                bool can = run_one(self, preemptions == 0);
                unsigned char *above = at;

                for (unsigned i = 0; i < program->threads; i++)
                        if (i != self && schedule_can_run(i))
                                others[n_others++] = i;
                if (n_others && world.schedule.threads[self].state == THREAD_NAPS)
                        can = false;
                if (can && !preemptions)
                        continue;
                if (!can && !n_others) {
                        end_interleaving();
                        return;
                }
                if (n_others > !can) {
                        above = world_save(at);
                        turns_here = turns_count;
                        last_here = turns[turns_count - 1];
                }
                while (n_others > !can && !result.wrong) {
                        search(others[--n_others], can ? preemptions - 1 : preemptions, above);
                        if (result.wrong)
                                return;
                        world_restore(at);
                        turns_count = turns_here;
                        turns[turns_count - 1] = last_here;
                }
                if (!can)
                        self = others[0];
        }
}

const char *explore_begin(const struct beginning *beginning) {
        const char *wrong = frame_begin(beginning, &beginning_state);

        world_save(beginning_saved);
        return wrong;
}

const struct sequential *explore_state(void) {
        return &beginning_state;
}

static void restart(void) {
        world_restore(beginning_saved);
        for (unsigned i = program->threads; i < THREADS; i++)
                world.schedule.threads[i].state = THREAD_ENDED;
        world.schedule.steps = 0;
}

struct explored explore_program(const struct program *which, unsigned preemptions) {
        program = which;
        programs++;
        memset(&result, 0, sizeof(result));
        for (unsigned first = 0; first < program->threads && !result.wrong; first++) {
                restart();
                turns_count = 0;
                search(first, preemptions, saved);
        }
        return result;
}

void explore_repeat(void) {
        restart();
        for (unsigned i = 0; i < turns_count; i++) {
                if (!turns[i].points)
                        schedule_run(turns[i].thread, true);
                for (unsigned points = 0; points < turns[i].points; points++)
                        schedule_run(turns[i].thread, false);
        }
        frame_finish(program->threads);
}

void explore_init(void) {
        saved = malloc(SAVED);
        beginning_saved = malloc(SAVED / 64);
        if (!saved || !beginning_saved)
                abort();
        schedule_init(body);
}
