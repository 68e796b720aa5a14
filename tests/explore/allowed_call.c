/* SPDX-License-Identifier: MIT */

/* Which calls a program is made of, and what the model lets each come to: see allowed_point.h. */

#include "allowed.h"
#include "allowed_point.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

unsigned allowed_parts(const struct program *program, char letter, unsigned thread, unsigned n,
                       struct call calls[PAIR]) {
        weir_interest mode = program->beginning->mode;
        weir_token token = 8 + thread * 4 + n;

        memset(calls, 0, PAIR * sizeof(*calls));
        for (unsigned i = 0; i < PAIR; i++) {
                calls[i].batch = (uint8_t)thread;
                calls[i].id = 1 + thread * PLACES + n * PAIR + i;
                calls[i].interest = EPOLLIN;
                /* All that is in progress beside it may be. */
                calls[i].excuses = EXCUSE_DESCRIPTOR | EXCUSE_WAKER | EXCUSE_INTERRUPT | EXCUSE_TAKEN;
        }
        switch (letter) {
        case 'R':
        case 'H':
                calls[0].kind = KIND_REGISTER;
                calls[0].token = token;
                calls[0].interest = WEIR_READABLE | mode | (letter == 'H' ? WEIR_HELD : 0);
                return 1;
        case 'E':
        case 'P':
                calls[0].kind = KIND_REREGISTER;
                calls[0].token = token;
                calls[0].interest = (letter == 'E' ? WEIR_READABLE : 0) | mode;
                return 1;
        case 'T':
                calls[0].kind = KIND_RETOKEN;
                calls[0].token = token;
                return 1;
        case 'A':
        case 'a':
                calls[0].kind = KIND_REARM;
                calls[0].interest = letter == 'A' ? WEIR_READABLE : 0;
                return 1;
        case 'D':
                calls[0].kind = KIND_DISARM;
                return 1;
        case 'U':
                calls[0].kind = KIND_DEREGISTER;
                return 1;
        case 'C':
                calls[0].kind = KIND_CLOSE;
                calls[1].kind = KIND_OPEN;
                return 2;
        case 'W':
                calls[0].kind = KIND_CLEAR;
                calls[1].kind = KIND_FETCH;
                return 2;
        case 'N':
                calls[0].kind = KIND_NEXT;
                return 1;
        case 'L':
                calls[0].kind = KIND_CLEAR;
                return 1;
        case 'K':
                calls[0].kind = KIND_WAKE;
                return 1;
        case 'I':
                calls[0].kind = KIND_INTERRUPT;
                return 1;
        case 'F':
                calls[0].kind = KIND_DEFER;
                return 1;
        case 'r':
        case 'h':
                calls[0].kind = KIND_READY;
                calls[0].interest = letter == 'r' ? EPOLLIN : EPOLLIN | EPOLLHUP;
                return 1;
        case 'd':
        case 'q':
                calls[0].kind = KIND_DRAIN;
                calls[0].interest = EPOLLIN | EPOLLHUP; /* so does the checker's kernel */
                return 1;
        default:
                return 0;
        }
}

bool allowed_knows(const struct program *program) {
        struct call calls[PAIR];

        if (program->threads != PAIR)
                return false;
        for (unsigned i = 0; i < PAIR; i++) {
                const char *letters = program->letters[i];

                if (strlen(letters) > PAIR)
                        return false;
                for (const char *letter = letters; *letter; letter++)
                        if (!allowed_parts(program, *letter, i, 0, calls))
                                return false;
                /* The kernel alone orders a close and a call that registers, and that of the checker gives no order. */
                if (strchr(letters, 'C') && strpbrk(program->letters[!i], "RHEP"))
                        return false;
        }
        return true;
}

/* Those of other threads: all of them may be in progress at the same time. */
static unsigned beside(const struct sequential *state, unsigned thread) {
        unsigned bits = 0;

        for (unsigned i = 0; i < FORMERS && thread < PAIR; i++)
                if (state->formers[i].id && (state->formers[i].id - 1) / PLACES != thread)
                        bits |= 1u << i;
        return bits;
}

bool allowed_refusal(const struct program *program, unsigned thread) {
        return thread < PAIR && strchr(program->letters[!thread], 'W');
}

void allowed_each(const struct point *point, struct call *call, unsigned thread,
                  void (*function)(struct point *point, const struct call *call, unsigned thread)) {
        static const int results[] = { 0, 1, -EEXIST, -ENOENT, -EBADF, -EINVAL, -EINTR, -EBUSY };
        static const uint32_t readiness[] = { EPOLLIN, EPOLLHUP, EPOLLIN | EPOLLHUP };

        for (unsigned i = 0; i < sizeof(results) / sizeof(*results); i++) {
                bool event = call->kind == KIND_NEXT && results[i] == 1;

                if (results[i] == -EBUSY && !allowed_refusal(point->program, thread))
                        continue;
                if (call->kind == KIND_NEXT && results[i] < 0)
                        break;
                for (weir_token token = 1; token < (event ? 24u : 2u); token++)
                        for (unsigned r = 0; r < (event ? 3u : 1u); r++) {
                                struct point next = *point;

                                call->result = results[i];
                                call->event.token = event ? token : 0;
                                call->event.registration = call->event.token > 1; /* not told apart */
                                call->event.readiness = event ? readiness[r] : 0;
                                if (!sequential_step(&next.state, call, beside(&next.state, thread)))
                                        function(&next, call, thread);
                        }
                if (call->kind == KIND_CLEAR || call->kind == KIND_CLOSE || call->kind == KIND_OPEN ||
                    call->kind == KIND_READY || call->kind == KIND_DRAIN || call->kind == KIND_DEFER)
                        break;
        }
}
