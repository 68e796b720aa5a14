/* SPDX-License-Identifier: MIT */

/* Programs: see program.h. */

#include "program.h"

#include "alphabet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHOICES 65536 /* of a thread; more than three calls make */

/*
 * Where programs begin. The letters are done one after another by thread 0, and by thread 1 after a 1. Number 0 is open and
 * nothing is registered before.
 */
const struct beginning beginnings[] = {
        { "nothing registered, edge", 0, "", 0, "" },
        { "registered, edge", 0, "R", 0, "" },
        { "ready, edge", 0, "Rr", 0, "" },
        { "fetched and unread, edge", 0, "RrW", 1, "" },
        { "taken, edge", 0, "RrWN", 1, "" },
        { "in two batches, edge", 0, "RrW1rW", 3, "" },
        { "a ghost, edge", 0, "RurCUgR", 0, "b" },
        { "registered, level", WEIR_LEVEL, "R", 0, "" },
        { "ready, level", WEIR_LEVEL, "Rr", 0, "" },
        { "fetched and unread, level", WEIR_LEVEL, "RrW", 1, "" },
        { "a ghost, level", WEIR_LEVEL, "RuCUgR", 0, "b" },
        { "a ghost and nothing registered, level", WEIR_LEVEL, "RuCUg", 0, "b" },
        { "closed without a word, level", WEIR_LEVEL, "RuCg", 0, "b" },
        { "nothing registered, one-shot", WEIR_ONESHOT, "", 0, "" },
        { "armed, one-shot", WEIR_ONESHOT, "R", 0, "" },
        { "ready, one-shot", WEIR_ONESHOT, "Rr", 0, "" },
        { "fetched and unread, one-shot", WEIR_ONESHOT, "RrW", 1, "" },
        { "in two batches, one-shot", WEIR_ONESHOT, "RrW1rW", 3, "" },
        { "owned, one-shot", WEIR_ONESHOT, "RrWN", 1, "" },
        { "owned beside an older batch, one-shot", WEIR_ONESHOT, "RrW1rWN", 3, "" },
        { "owned and latched, one-shot", WEIR_ONESHOT, "RrWNdrWL", 0, "" },
        { "owned after a hang-up, one-shot", WEIR_ONESHOT, "RhWNL", 0, "q" },
        { "owned, the kernel's own one-shot", WEIR_ONESHOT, "RrWNdrWrWL", 0, "" },
        { "armed, the kernel's own one-shot", WEIR_ONESHOT, "RrWNdrWrWLdA", 0, "" },
        { "nested, one-shot", WEIR_ONESHOT, "nRrWNLdA", 0, "" },
        { "a ghost, one-shot", WEIR_ONESHOT, "RurCUgR", 0, "b" },
        { "a deadline, edge", 0, "RM", 0, "" },
        { "a timeout fetched and unread, edge", 0, "RMtW", 1, "" },
        { "a deadline, level", WEIR_LEVEL, "RM", 0, "" },
        { "a deadline, one-shot", WEIR_ONESHOT, "RM", 0, "" },
        { "a deadline moved later, one-shot", WEIR_ONESHOT, "RMO", 0, "" },
        { "a timeout fetched and unread, one-shot", WEIR_ONESHOT, "RMtW", 1, "" },
        { "a trigger fetched and unread, one-shot", WEIR_ONESHOT, "RGW", 1, "" },
        { "owned, a deadline, one-shot", WEIR_ONESHOT, "RGWNM", 1, "" },
        { "owned, a timeout latched, one-shot", WEIR_ONESHOT, "RGWNMtWL", 0, "" },
        { "nested, a deadline, one-shot", WEIR_ONESHOT, "nRM", 0, "" },
        { "the waker's timeout unread, one-shot", WEIR_ONESHOT, "RQtW", 1, "" },
};
const unsigned beginnings_count = sizeof(beginnings) / sizeof(*beginnings);

/* ---------------------------------------------------------------- all there are */

/* The letters that make sense at a beginning. */
static unsigned letters_of(const struct beginning *beginning, char *letters) {
        unsigned count = 0;

        for (const struct letter *letter = alphabet; letter->run; letter++)
                if (letter->flags & LETTER_SPECIAL
                            ? strchr(beginning->special, letter->letter) != NULL
                            : !(letter->flags & LETTER_ONESHOT) || beginning->mode & WEIR_ONESHOT)
                        letters[count++] = letter->letter;
        return count;
}

/* Where a thread stands: what letters need to do something. */
enum {
        HAS_BATCH = 1,
        HAS_TAKEN = 2,
        IS_INSIDE = 4,
};

static unsigned needs(const struct letter *letter) {
        return (letter->flags & LETTER_READS ? HAS_BATCH : 0u) | (letter->flags & LETTER_TAKEN ? HAS_TAKEN : 0u) |
               (letter->flags & LETTER_LEAVES ? IS_INSIDE : 0u);
}

static unsigned stands_after(unsigned stand, const struct letter *letter) {
        if (letter->letter == 'L')
                stand &= ~(unsigned)HAS_BATCH;
        if (letter->letter == 'N')
                stand |= HAS_TAKEN;
        if (letter->flags & LETTER_FETCHES)
                stand |= HAS_BATCH;
        if (letter->flags & (LETTER_ENTERS | LETTER_LEAVES))
                stand = letter->flags & LETTER_ENTERS ? stand | IS_INSIDE : stand & ~(unsigned)IS_INSIDE;
        return stand;
}

/* What a thread can do in so many calls: the n-th in order, or false. Shorter ones come first. */
static bool thread_letters(const struct beginning *beginning, unsigned n, unsigned calls, unsigned stand,
                           char *letters) {
        char all[64];
        unsigned size = letters_of(beginning, all), length = 1, count = size;

        while (n >= count) {
                n -= count;
                count *= size;
                if (++length > calls)
                        return false;
        }
        letters[length] = '\0';
        for (unsigned i = length; i-- > 0; n /= size)
                letters[i] = all[n % size];
        /* What can do nothing is left out: the program is there without it. */
        for (unsigned i = 0; i < length; i++) {
                const struct letter *letter = alphabet_find(letters[i]);

                if (needs(letter) & ~stand) {
                        letters[0] = '\0';
                        break;
                }
                stand = stands_after(stand, letter);
        }
        return true;
}

static unsigned flags_of(const char *letters) {
        unsigned flags = 0;

        for (; *letters; letters++)
                flags |= *letters == '1' ? 0 : alphabet_find(*letters)->flags;
        return flags;
}

bool beginning_has(const struct beginning *beginning, unsigned flag) {
        return flags_of(beginning->letters) & flag;
}

/* That a thread without a batch has taken an event does not count, so that it is like the others. */
static unsigned stands_first(const struct beginning *beginning, unsigned thread) {
        unsigned actor = 0, stand = 0;

        for (const char *letter = beginning->letters; *letter; letter++)
                if (*letter == '1')
                        actor = 1;
                else if (actor == thread && *letter == 'N')
                        stand = HAS_TAKEN;
        return beginning->batches & 1u << thread ? stand | HAS_BATCH : 0;
}

/* What each thread can do, made once, for there are hundreds of millions of programs to draw from. */
static struct choices {
        unsigned count;
        struct choice {
                char letters[LETTERS_MAX + 1];
                unsigned flags;
        } all[CHOICES];
} choices[THREADS];

static void find_choices(const struct beginning *beginning, unsigned thread, unsigned calls) {
        struct choices *found = &choices[thread];
        unsigned stand = stands_first(beginning, thread);

        found->count = 0;
        for (unsigned n = 0; thread_letters(beginning, n, calls, stand, found->all[found->count].letters); n++) {
                struct choice *choice = &found->all[found->count];

                choice->flags = flags_of(choice->letters);
                found->count += *choice->letters != '\0';
                if (found->count == CHOICES)
                        abort();
        }
}

/* What does nothing without a letter that is not there is left out. */
static bool makes_sense(unsigned flags) {
        return (flags & LETTER_SETS || !(flags & LETTER_TIME)) && (flags & LETTER_DEFERS || !(flags & LETTER_GUARD));
}

static void add_thread(struct program *program, unsigned thread, const unsigned calls[THREADS], unsigned from,
                       void (*function)(const struct program *program)) {
        unsigned flags = program->flags;

        if (thread == program->threads) {
                if (makes_sense(flags))
                        function(program);
                return;
        }
        for (unsigned n = from; n < choices[thread].count; n++) {
                const struct choice *choice = &choices[thread].all[n];
                /* Threads that have nothing of their own and as many calls can change places. */
                bool symmetric = !(program->beginning->batches >> thread) && thread + 1 < THREADS &&
                                 calls[thread] == calls[thread + 1];

                memcpy(program->letters[thread], choice->letters, sizeof(choice->letters));
                program->flags = flags | choice->flags;
                add_thread(program, thread + 1, calls, symmetric ? n : 0, function);
        }
        program->flags = flags;
}

void programs_each(const struct beginning *beginning, const unsigned calls[THREADS],
                   void (*function)(const struct program *program)) {
        struct program program = { .beginning = beginning, .flags = flags_of(beginning->letters) };

        for (; program.threads < THREADS && calls[program.threads]; program.threads++)
                find_choices(beginning, program.threads, calls[program.threads]);
        add_thread(&program, 0, calls, 0, function);
}

/* ---------------------------------------------------------------- as text */

bool program_read(const char *text, struct program *ret_program) {
        unsigned thread = 0, n = 0;

        memset(ret_program->letters, 0, sizeof(ret_program->letters));
        for (; *text; text++) {
                if (*text == '|') {
                        thread++;
                        n = 0;
                } else if (n == LETTERS_MAX || !alphabet_find(*text) || thread >= THREADS)
                        return false;
                else
                        ret_program->letters[thread][n++] = *text;
        }
        ret_program->threads = thread + 1;
        return true;
}

void program_write(const struct program *program, char *text, unsigned size) {
        unsigned n = 0;

        for (unsigned i = 0; i < program->threads && n < size; i++)
                n += (unsigned)snprintf(text + n, size - n, "%s%s", i ? "|" : "", program->letters[i]);
}
