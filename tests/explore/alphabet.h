/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_EXPLORE_ALPHABET_H
#define WEIR_TESTS_EXPLORE_ALPHABET_H

/*
 * The alphabet: a letter for each call on the one descriptor, number 0, and the one waker, and for what the world does.
 *
 * To add a call:
 *   1. tests/sequential/call.h: give it a KIND_, and struct call what it is given and returns; tell.c has its name.
 *   2. tests/sequential/call.c: judge it in sequential_step(), by the model of model.c, which learns what it changes. The fuzzer
 *      and the histories of tests/stress ask the same model: make the call there, too (descriptors.c, history_act.c).
 *   3. alphabet.c: a function that makes it between history_begin() and history_end(), and a line of the table: its letter, what
 *      it is, what it needs to do anything, below, and that function. program.c leaves out programs that lack it.
 *   4. program.c: a beginning for each state that it leads to and that no program of two calls reaches.
 *   5. kernel.c and seam.c, if the kernel must do something new for it.
 *   6. allowed_call.c and tests/model/enumerated.c: its letter, for GenMC and Relacy. Without that, they leave it out.
 *   7. sh tests/explore/all.sh build/tests/explore/explore >tests/explore/table.txt, for the counts are others now.
 */

#include "kernel.h"

#include <stdbool.h>

enum {
        LETTER_ONESHOT = 1,  /* in one-shot mode alone */
        LETTER_SPECIAL = 2,  /* where the beginning has it among its own letters; and in beginnings and ends */
        LETTER_FETCHES = 4,  /* its thread may have a batch afterwards */
        LETTER_READS = 8,    /* it does nothing unless its thread has a batch */
        LETTER_TAKEN = 16,   /* nor this unless its thread may have taken an event */
        LETTER_ENTERS = 32,  /* its thread is inside its guard afterwards */
        LETTER_LEAVES = 64,  /* it does nothing unless its thread is */
        LETTER_GUARD = 128,  /* nor this unless somebody defers */
        LETTER_DEFERS = 256, /* a function */
        LETTER_TIME = 512,   /* it does nothing unless somebody has set a deadline */
        LETTER_SETS = 1024,  /* a deadline */
        LETTER_OWN = 2048,   /* of deadlines, triggers and time */
};

struct letter {
        char letter;
        const char *text;
        unsigned flags;
        void (*run)(unsigned thread);
};

extern const struct letter alphabet[];

/* The moments of deadlines: time has passed once when the first has come, and twice at the later one. */
#define ALPHABET_MOMENT (2 * KERNEL_HOUR)
#define ALPHABET_LATER  (3 * KERNEL_HOUR)

/* With the mode of the program, for registrations: 0, WEIR_LEVEL or WEIR_ONESHOT. */
extern unsigned alphabet_mode;

const struct letter *alphabet_find(char letter);

#endif
