/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_EXPLORE_PROGRAM_H
#define WEIR_TESTS_EXPLORE_PROGRAM_H

/* Programs: a beginning, and letters of the alphabet for each thread. */

#include "call.h"
#include "history.h"

#define LETTERS_MAX 4 /* of a thread */

struct beginning {
        const char *name;
        weir_interest mode;
        const char *letters; /* done by the main thread in the place of the others */
        unsigned batches;    /* that are open then, a bit for each thread */
        const char *special; /* letters that its programs have besides the common ones */
};

extern const struct beginning beginnings[];
extern const unsigned beginnings_count;

struct program {
        const struct beginning *beginning;
        unsigned threads;
        unsigned flags; /* of its letters, and of those of its beginning, if programs_each() made it */
        char letters[THREADS][LETTERS_MAX + 1];
};

/* Calls a function for each program whose threads have up to so many calls, 0 for no thread; symmetric ones once. */
void programs_each(const struct beginning *beginning, const unsigned calls[THREADS],
                   void (*function)(const struct program *program));

/* Whether a letter of it has that flag. */
bool beginning_has(const struct beginning *beginning, unsigned flag);

/* "RW|KN": false for what is none. */
bool program_read(const char *text, struct program *ret_program);
void program_write(const struct program *program, char *text, unsigned size);

#endif
