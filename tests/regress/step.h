/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_REGRESS_STEP_H
#define WEIR_TESTS_REGRESS_STEP_H

/*
 * Holds a thread before any one of its instructions. The thread runs with the trap flag of the processor set; the handler of
 * SIGTRAP counts, and at the instruction that was asked for it stands still until it is let go. So whatever lies between two
 * accesses to memory can be held open, without a word from the library. One thread is stepped at a time.
 */

#include "../support.h"

#include <signal.h>

#if defined(__x86_64__) && defined(__linux__) && !UNDER_SANITIZER
#define STEP_WORKS 1
#else
#define STEP_WORKS 0
#endif

struct step {
        unsigned at;           /* the instruction to stand still before, from 1 */
        unsigned count;        /* instructions so far, of the stepped thread alone */
        struct latch held;     /* it stands there, or has come to its end without */
        struct latch released; /* the others let it go */
        bool stood;            /* it stood there; to be read when held is set */
};

static struct step step_state;

static void step_trapped(int number) {
        (void)number;
        if (++step_state.count != step_state.at)
                return;
        step_state.stood = true;
        latch_set(&step_state.held);
        latch_wait(&step_state.released);
}

/* On the thread to hold, right before and right after the call. Below the stack pointer may lie what is the compiler's. */
static inline void step_begin(void) {
#if STEP_WORKS
        __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp" ::
                                 : "memory", "cc");
#endif
}

static inline void step_end(void) {
#if STEP_WORKS
        __asm__ volatile(
                "lea -128(%%rsp), %%rsp\n\tpushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp" ::
                        : "memory", "cc");
#endif
        latch_set(&step_state.held);
}

/* Before the thread is told to begin. */
static inline void step_prepare(unsigned at) {
        memset(&step_state, 0, sizeof(step_state));
        step_state.at = at;
}

static inline void step_install(struct sigaction *before) {
        struct sigaction action = { .sa_handler = step_trapped };

        assert_int_equal(sigaction(SIGTRAP, &action, before), 0);
}

#endif
