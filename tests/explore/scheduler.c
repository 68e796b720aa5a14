/* SPDX-License-Identifier: MIT */

/*
 * The threads: see scheduler.h. A stack is made by a signal handler that runs on it and leaves a way back in, which every
 * C library has, unlike makecontext(3). Read schedule_run() and explore_point() first.
 */

#include "world.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define STACK (256 * 1024)

/* More points than any program passes between two choices: then it never ends. */
#define STEPS_MAX 60000

/* Below where a thread gives way, its registers may be saved. */
#define BELOW 256

/* Above the frame in which a thread begins, nothing is its own. */
#define ABOVE 512

static _Alignas(64) unsigned char stacks[THREADS][STACK];
static struct thread beginnings[THREADS + 1];
static void (*run_body)(unsigned thread);
static jmp_buf main_context;
static bool passes; /* the thread that runs goes on at points */
static jmp_buf *escape;
static unsigned char *tops[THREADS];

/* Where the library's _Thread_local variables are put instead; none, if it has none. */
extern unsigned char __start_explore_locals[] __attribute__((weak));
extern unsigned char __stop_explore_locals[] __attribute__((weak));

/* ---------------------------------------------------------------- who runs */

static size_t locals_size(void) {
        return __start_explore_locals ? (size_t)(__stop_explore_locals - __start_explore_locals) : 0;
}

static void become(unsigned thread) {
        struct schedule *schedule = &world.schedule;

        if (schedule->self == thread)
                return;
        memcpy(schedule->threads[schedule->self].locals, __start_explore_locals, locals_size());
        memcpy(__start_explore_locals, schedule->threads[thread].locals, locals_size());
        schedule->self = thread;
}

void schedule_act_for(unsigned thread) {
        become(thread);
}

unsigned long explore_self(void);

unsigned long explore_self(void) {
        return world.schedule.self + 1;
}

static inline void note_low(struct thread *thread) {
        volatile unsigned char here = 0;
        uintptr_t low = (uintptr_t)__builtin_frame_address(0);

        if ((uintptr_t)&here < low)
                low = (uintptr_t)&here;
        thread->low = (unsigned char *)(low - BELOW);
}

/* Back to the main thread, until it lets this one run again. */
static __attribute__((noinline)) void give_way(void) {
        struct thread *self = &world.schedule.threads[world.schedule.self];

        note_low(self);
        if (_setjmp(self->context) == 0)
                _longjmp(main_context, 1);
}

void explore_point(void) {
        struct schedule *schedule = &world.schedule;

        if (schedule->joined) {
                schedule->joined = false;
                return;
        }
        if (++schedule->steps > STEPS_MAX) {
                world_break("a call that never ends");
                if (!schedule->inside)
                        longjmp(*escape, 1);
                for (;;)
                        give_way();
        }
        if (!schedule->inside)
                return;
        if (!passes)
                give_way();
}

void schedule_join_next_point(void) {
        world.schedule.joined = world.schedule.inside;
}

void schedule_block(enum thread_state state, const void *object) {
        struct thread *self = &world.schedule.threads[world.schedule.self];

        if (!world.schedule.inside) {
                world_break("the main thread is blocked by what nobody will do");
                longjmp(*escape, 1);
        }
        self->state = state;
        self->object = object;
        give_way();
        self->state = THREAD_RUNS;
}

void schedule_sleep(const void *object, int64_t until) {
        world.schedule.threads[world.schedule.self].until = until;
        schedule_block(THREAD_SLEEPS, object);
}

void schedule_wake(enum thread_state state, const void *object) {
        for (unsigned i = 0; i < THREADS; i++) {
                struct thread *thread = &world.schedule.threads[i];

                if (thread->state == state && thread->object == object)
                        thread->state = THREAD_RUNS;
        }
}

bool schedule_can_run(unsigned thread) {
        const struct thread *self = &world.schedule.threads[thread];

        switch (self->state) {
        case THREAD_RUNS:
        case THREAD_NAPS:
                return !world.broken;
        case THREAD_MUTEX:
                return !*(const unsigned char *)self->object;
        case THREAD_SLEEPS:
                return world.kernel.now >= self->until || kernel_has_something((int)(intptr_t)self->object);
        default:
                return false;
        }
}

bool schedule_run(unsigned thread, bool to_the_end) {
        struct schedule *schedule = &world.schedule;

        become(thread);
        schedule->inside = true;
        passes = to_the_end;
        if (_setjmp(main_context) == 0)
                _longjmp(schedule->threads[thread].context, 1);
        schedule->inside = false;
        become(MAIN);
        return schedule_can_run(thread);
}

/* ---------------------------------------------------------------- mutexes */

int explore_mutex_lock(pthread_mutex_t *mutex);
int explore_mutex_unlock(pthread_mutex_t *mutex);

int explore_mutex_lock(pthread_mutex_t *mutex) {
        unsigned char *held = (unsigned char *)mutex;

        explore_point();
        while (*held)
                schedule_block(THREAD_MUTEX, mutex);
        *held = 1;
        return 0;
}

int explore_mutex_unlock(pthread_mutex_t *mutex) {
        explore_point();
        *(unsigned char *)mutex = 0;
        return 0;
}

/* ---------------------------------------------------------------- making them */

static volatile unsigned made;

static __attribute__((noinline)) void live(void) {
        for (;;) {
                unsigned self = world.schedule.self;

                run_body(self);
                world.schedule.threads[self].state = THREAD_ENDED;
                give_way();
        }
}

static void begin(int signal) {
        uintptr_t top = (uintptr_t)__builtin_frame_address(0) + ABOVE;

        (void)signal;
        tops[made] = top < (uintptr_t)(stacks[made] + STACK) ? (unsigned char *)top : stacks[made] + STACK;
        note_low(&world.schedule.threads[made]);
        if (_setjmp(world.schedule.threads[made].context) != 0)
                live();
}

void schedule_init(void (*body)(unsigned thread)) {
        struct sigaction action = { .sa_handler = begin, .sa_flags = SA_ONSTACK }, former;
        stack_t stack = { .ss_size = STACK }, former_stack;

        if (locals_size() > THREAD_LOCALS)
                abort();
        run_body = body;
        sigemptyset(&action.sa_mask);
        if (sigaction(SIGUSR1, &action, &former) < 0)
                abort();
        for (made = 0; made < THREADS; made++) {
                stack.ss_sp = stacks[made];
                if (sigaltstack(&stack, made ? NULL : &former_stack) < 0 || raise(SIGUSR1) != 0)
                        abort();
        }
        sigaction(SIGUSR1, &former, NULL);
        sigaltstack(&former_stack, NULL);
        memcpy(beginnings, world.schedule.threads, sizeof(beginnings));
}

void schedule_escape(jmp_buf *to) {
        escape = to;
        world.schedule.steps = 0;
}

void schedule_reset(void) {
        memset(&world.schedule, 0, sizeof(world.schedule));
        memcpy(world.schedule.threads, beginnings, sizeof(beginnings));
        world.schedule.self = MAIN;
        memset(__start_explore_locals, 0, locals_size());
}

unsigned char *schedule_stack(unsigned thread, size_t *ret_size) {
        unsigned char *low = world.schedule.threads[thread].low;

        *ret_size = (size_t)(tops[thread] - low);
        return low;
}
