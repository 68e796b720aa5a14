/* SPDX-License-Identifier: MIT */

/* Which calls a program is made of, and what the model lets each come to: see allowed_point.h. */

#include "allowed.h"
#include "allowed_point.h"
#include "alphabet.h"
#include "model_registration.h"

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
        case 'B':
                calls[0].kind = KIND_REARM_AFRESH;
                calls[0].interest = WEIR_READABLE;
                return 1;
        case 'D':
                calls[0].kind = KIND_DISARM;
                return 1;
        case 'U':
                calls[0].kind = KIND_DEREGISTER;
                return 1;
        case 'V':
                calls[0].kind = KIND_DEREGISTER_IF;
                return 1;
        case 'C':
                calls[0].kind = KIND_CLOSE;
                calls[1].kind = KIND_OPEN;
                return 2;
        case 'b':
                calls[0].kind = KIND_DUP;
                return 1;
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
        case 'Y':
                calls[0].kind = KIND_ENTER;
                return 1;
        case 'y':
                calls[0].kind = KIND_LEAVE;
                return 1;
        case 'M':
        case 'O':
        case 'o':
                calls[0].kind = KIND_SET_DEADLINE;
                calls[0].moment = letter == 'M' ? ALPHABET_MOMENT : letter == 'O' ? ALPHABET_LATER : WEIR_NEVER;
                return 1;
        case 'Q':
                calls[0].kind = KIND_SET_WAKER_DEADLINE;
                calls[0].moment = ALPHABET_MOMENT;
                return 1;
        case 'G':
                calls[0].kind = KIND_TRIGGER;
                return 1;
        case 'J':
                calls[0].kind = KIND_TRIGGER_ALL;
                return 1;
        case 't':
                calls[0].kind = KIND_TIME;
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
                /* Nor does it order what is silenced before it becomes ready, or its time comes: a wait may see but the latter. */
                if (letters[0] && strchr("DaN", letters[0]) && letters[1] && strchr("rht", letters[1]) &&
                    strchr(program->letters[!i], 'W'))
                        return false;
                /* The same of a file that comes back, and all that asks the kernel. */
                if (strchr(letters, 'b') && strpbrk(program->letters[!i], "RHEPTAaBDUV"))
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

unsigned allowed_saying(const struct weir_event *event) {
        return (event->readiness & (EPOLLIN | EPOLLHUP) ? 1u : 0) | (event->readiness & TIMEOUT ? 2u : 0) |
               (event->readiness & TRIGGERED ? 4u : 0);
}

void allowed_name(struct sequential *state) {
        struct model_registration *reg = &state->model.sides[0].registrations[0];

        if (reg->registered)
                reg->name = reg->begun;
}

/* ---------------------------------------------------------------- results */

/* What the calls of another thread let one off: all of them may be in progress beside it. */
static unsigned excuses_of(const struct program *program, const struct call *call, unsigned thread) {
        const char *letters = thread < PAIR ? program->letters[!thread] : "";
        struct call others[PAIR];
        unsigned excuses = 0;

        for (unsigned n = 0; letters[n]; n++)
                for (unsigned parts = allowed_parts(program, letters[n], !thread, n, others); parts-- > 0;)
                        excuses |= sequential_excuses(call, &others[parts]);
        return excuses;
}

/* Where a call is about to take effect, of a thread, and what is done then. */
struct trial {
        const struct point *point;
        struct call *call;
        unsigned thread;
        void (*function)(struct point *point, const struct call *call, unsigned thread);
};

/* Which waits make the epoll set anew is the library's affair: where there are ghosts, it may be any. */
static void try(const struct trial *trial) {
        struct point next = *trial->point;

        if (trial->call->kind == KIND_FETCH && !trial->call->rebuilt && strchr(next.program->beginning->letters, 'g')) {
                trial->call->rebuilt = true;
                try(trial);
                trial->call->rebuilt = false;
        }

        trial->call->excuses = (uint8_t)excuses_of(next.program, trial->call, trial->thread);
        if (sequential_step(&next.state, trial->call, beside(&next.state, trial->thread)))
                return;
        allowed_name(&next.state);
        trial->function(&next, trial->call, trial->thread);
}

/* An event under each token, and of each registration, that there is or was. */
static void try_events(const struct trial *trial) {
        static const uint32_t parts[] = { EPOLLIN, EPOLLHUP, TIMEOUT, TRIGGERED };
        unsigned sayings = trial->point->program->flags & LETTER_OWN ? 16 : 4;
        const struct sequential *state = &trial->point->state;
        uint32_t tokens = 1u << 1, names = 1;
        struct weir_event *event = &trial->call->event;

        for (unsigned i = 0; i <= FORMERS; i++) {
                const struct model_registration *reg =
                        i ? &state->formers[i - 1].registration : &state->model.sides[0].registrations[0];

                if (!reg->registered)
                        continue;
                tokens |= 1u << reg->token;
                names |= 1u << reg->name;
        }
        for (unsigned saying = 1; saying < sayings; saying++) {
                event->readiness = 0;
                for (unsigned i = 0; i < sizeof(parts) / sizeof(*parts); i++)
                        event->readiness |= saying >> i & 1 ? parts[i] : 0;
                for (event->token = 0; event->token < 32; event->token++)
                        for (event->registration = 0; event->registration < 32; event->registration++)
                                if (tokens >> event->token & names >> event->registration & 1)
                                        try(trial);
        }
}

void allowed_each(const struct point *point, struct call *call, unsigned thread,
                  void (*function)(struct point *point, const struct call *call, unsigned thread)) {
        static const int results[] = { 0, 1, -EEXIST, -ENOENT, -EBADF, -EINVAL, -EINTR, -EBUSY };
        struct trial trial = { point, call, thread, function };

        if (call->kind == KIND_DEREGISTER_IF)
                call->event.registration = point->taken[thread];
        if (call->kind == KIND_TIME && thread < PAIR)
                call->moment = point->state.model.now + KERNEL_HOUR;
        for (unsigned i = 0; i < sizeof(results) / sizeof(*results); i++) {
                if (results[i] == -EBUSY && call->kind == KIND_FETCH && !allowed_refusal(point->program, thread))
                        continue;
                if (call->kind == KIND_NEXT && results[i] < 0)
                        break;
                call->result = results[i];
                if (call->kind == KIND_NEXT && results[i] == 1)
                        try_events(&trial);
                else
                        try(&trial);
                if (call->kind == KIND_CLEAR || call->kind == KIND_CLOSE || call->kind == KIND_OPEN ||
                    call->kind == KIND_READY || call->kind == KIND_DRAIN || call->kind == KIND_DEFER ||
                    call->kind == KIND_TIME || call->kind == KIND_LEAVE || call->kind == KIND_DUP)
                        break;
        }
}
