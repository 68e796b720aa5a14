/* SPDX-License-Identifier: MIT */

/* The frame: see frame.h. Read finish() first: what it waits for must come. */

#include "frame.h"

#include "alphabet.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define WAKER_TOKEN 500
#define ROUNDS      8
#define SLEEPS      3 /* that a wake ends */

static void act(unsigned thread, char letter) {
        schedule_act_for(thread);
        alphabet_find(letter)->run(thread);
        schedule_act_for(MAIN);
}

/* What the main thread does; it ends early if it is blocked by what nobody will do, or does not end. */
static void guarded(void (*function)(void)) {
        jmp_buf escape;

        if (setjmp(escape) == 0) {
                schedule_escape(&escape);
                function();
        } else
                schedule_act_for(MAIN);
}

/* ---------------------------------------------------------------- the beginning */

static const struct beginning *beginning;

static void begin(void) {
        unsigned actor = 0;

        kernel_open(0, 0);
        if (weir_poll_create(&world.poll) < 0)
                abort();
        world.registry = weir_poll_registry(world.poll);
        for (unsigned i = 0; i < THREADS; i++)
                if (weir_events_create(2, &world.events[i]) < 0)
                        abort();
        for (unsigned i = 0; i < THREADS; i++)
                if (weir_guard_create(world.registry, &world.guards[i]) < 0)
                        abort();
        if (weir_waker_create(world.registry, WAKER_TOKEN, &world.waker) < 0)
                abort();
        /* Each thread has read a batch, so that whatever the library gives a thread but once is there. */
        for (unsigned i = 0; i < THREADS; i++) {
                struct weir_event event;

                schedule_act_for(i);
                weir_waker_wake(world.waker);
                weir_poll_wait(world.poll, world.events[i], &(struct timespec){ 0 });
                while (weir_events_next(world.events[i], &event))
                        ;
                weir_events_clear(world.events[i]);
                schedule_act_for(MAIN);
        }
        for (const char *letter = beginning->letters; *letter; letter++) {
                if (*letter == '1')
                        actor = 1;
                else
                        act(actor, *letter);
        }
}

const char *frame_begin(const struct beginning *which, struct sequential *ret_state) {
        struct model *model = &ret_state->model;

        beginning = which;
        alphabet_mode = beginning->mode;
        memset(&world, 0, sizeof(world));
        kernel_pass_time();
        schedule_reset();
        history_last.count = 0;
        world.history.alone = true;
        guarded(begin);
        sequential_init(ret_state);
        model_open(model, 0, true);
        model->now = KERNEL_HOUR;
        model->sides[0].wakers[0] = (struct model_waker){ .exists = true, .token = WAKER_TOKEN };
        for (unsigned i = 0; i < history_last.count && !world.broken; i++)
                world.broken = sequential_step(ret_state, &history_last.calls[i], 0);
        memset(ret_state->fresh, 0, sizeof(ret_state->fresh));
        world.history.alone = false;
        return world.broken;
}

/* ---------------------------------------------------------------- the end */

static unsigned threads; /* of the program */

bool frame_is_asleep(unsigned thread) {
        return world.schedule.threads[thread].state == THREAD_SLEEPS;
}

/* Lets go on whoever can. */
static void go_on(void) {
        bool any;

        do {
                any = false;
                for (unsigned i = 0; i < threads; i++)
                        while (schedule_can_run(i) && !world.broken) {
                                schedule_run(i, true);
                                any = true;
                        }
        } while (any && !world.broken);
}

static bool is_any_asleep(void) {
        for (unsigned i = 0; i < threads; i++)
                if (frame_is_asleep(i))
                        return true;
        return false;
}

static bool sets_deadline(const struct call *call) {
        return call->kind == KIND_SET_DEADLINE || call->kind == KIND_SET_WAKER_DEADLINE;
}

/* Whether there was a deadline, and the time that its moment may be has not all passed. */
static bool may_pass_time(void) {
        bool is_set = beginning_has(beginning, LETTER_SETS);

        for (unsigned place = 0; place < CALLS_MAX; place++)
                is_set |= world.history.invoked & history_bit(place) && sets_deadline(&world.history.calls[place]);
        return is_set && world.kernel.now < ALPHABET_LATER;
}

/* Nothing may be due. A wait that sleeps takes effect later: what ends it is still to come. */
static void be_quiet(void) {
        struct call *quiet = history_begin(KIND_QUIET, MAIN);

        for (unsigned i = 0; i < threads; i++)
                if (frame_is_asleep(i))
                        world.history.before[i * PLACES + world.history.made[i] - 1u] |=
                                history_bit((unsigned)(quiet - world.history.calls));
        history_end(quiet);
}

/* All have ended or sleep. Once all batches are closed, nothing may be due in a sleep; time may end it, and a wake does. */
static void end_sleeps(void) {
        bool closed[THREADS] = { false };
        unsigned wakes = 0;

        while (!world.broken) {
                bool asleep = false;

                for (unsigned i = 0; i < threads; i++)
                        if (!frame_is_asleep(i) && world.schedule.threads[i].state != THREAD_ENDED)
                                world_break("threads that wait for each other for ever");
                for (unsigned i = 0; i < threads; i++)
                        if (frame_is_asleep(i)) {
                                /* It has closed its former batch by now. */
                                world.history.returned |= history_bit(i * PLACES + world.history.made[i] - 2u);
                                asleep = true;
                        } else if (!closed[i]) {
                                act(i, 'L');
                                act(i, 'y');
                                closed[i] = true;
                        }
                if (!asleep)
                        return;
                go_on();
                if (!is_any_asleep())
                        continue;
                be_quiet();
                if (may_pass_time())
                        act(MAIN, 't');
                else if (wakes++ < SLEEPS)
                        act(MAIN, 'K');
                else
                        world_break("a sleep that no wake ends");
                go_on();
        }
}

/* Waits and reads until nothing comes. Returns whether that was reached in so many rounds. */
static bool read_all(unsigned rounds) {
        while (rounds--) {
                int count;

                act(0, 'W');
                count = history_last.calls[history_last.count - 1].result;
                if (count <= 0)
                        return true;
                do
                        act(0, 'N');
                while (history_last.calls[history_last.count - 1].result);
                act(0, 'L');
        }
        return false;
}

/* Where the poll is nested, nothing may be due while the outer set is not readable. Then waits and reads. */
static bool read_nested(unsigned rounds) {
        if (strchr(beginning->letters, 'n') && !kernel_is_readable(weir_poll_fd(world.poll)))
                history_end(history_begin(KIND_QUIET, MAIN));
        return read_all(rounds);
}

static void close_all(void) {
        weir_waker_destroy(world.waker);
        for (unsigned i = 0; i < THREADS; i++) {
                weir_events_destroy(world.events[i]);
                weir_guard_destroy(world.guards[i]);
        }
        weir_poll_destroy(world.poll);
        if (!kernel_is_clean())
                world_break("a descriptor is left open");
        if (!world_is_clean())
                world_break("memory is not given back, or used after that");
}

/* What is ready comes, what is not ends, and what has a deadline when that has passed; then all comes down. */
static void finish(void) {
        bool passes;

        history_last.count = 0;
        end_sleeps();
        if (world.broken)
                return;
        passes = may_pass_time();
        world.history.alone = true;
        read_nested(2);
        while (passes && world.kernel.now < ALPHABET_LATER) {
                act(0, 't');
                read_nested(2);
        }
        act(0, 'q');
        act(0, 'z');
        if (!read_all(ROUNDS))
                world_break("events that go on though nothing is ready");
        act(0, 'A');
        act(0, 'r');
        read_nested(2);
        act(0, 'q');
        act(0, 'z');
        if (!read_all(ROUNDS))
                world_break("events that go on though nothing is ready");
        act(0, 'U');
        close_all();
}

void frame_finish(unsigned program_threads) {
        threads = program_threads;
        guarded(finish);
}
