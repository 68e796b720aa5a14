/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_SEQUENTIAL_CALL_H
#define WEIR_TESTS_SEQUENTIAL_CALL_H

/*
 * A call and what came of it, and the judge: whether it may be so at this place in an order of calls, by the model. It knows
 * one poll, whose batches are open in one events object for each thread, and one waker.
 */

#include "model.h"

enum kind {
        KIND_NONE, /* nothing to judge */
        KIND_REGISTER,
        KIND_REREGISTER,
        KIND_RETOKEN,
        KIND_REARM,
        KIND_REARM_AFRESH,
        KIND_DISARM,
        KIND_DEREGISTER,
        KIND_DEREGISTER_IF,
        KIND_CLOSE,
        KIND_OPEN,
        KIND_DUP, /* the file of number 0 at 1, or the other way round */
        KIND_READY,
        KIND_DRAIN,
        KIND_FETCH, /* a wait, after it has closed the former batch */
        KIND_NEXT,
        KIND_CLEAR,
        KIND_WAKE,
        KIND_INTERRUPT,
        KIND_DEFER,
        KIND_ENTER, /* a guard of the thread whose batch it is */
        KIND_LEAVE,
        KIND_SET_DEADLINE,
        KIND_SET_WAKER_DEADLINE,
        KIND_TRIGGER,
        KIND_TRIGGER_ALL,
        KIND_TIME,  /* it is that moment now */
        KIND_QUIET, /* whoever runs has ended, and one sleeps in a wait */
};

/*
 * What calls on other threads, in progress at the same time, let a call off. Such a call takes effect at one moment, but
 * what it does before and after that shows: a registration that begins is in the kernel first, a wake, a trigger or a rearm
 * that finds another one under way leaves it to that one, what is not registered may be closed by the time one looks, a next
 * first takes a one-shot, then reads the token, and a wait looks at one thing after another.
 */
enum excuse {
        EXCUSE_DESCRIPTOR = 1, /* a wait beside a register, a rearm or a deadline need not find what is ready */
        EXCUSE_WAKER = 2,      /* a wait beside a wake need not find the waker */
        EXCUSE_INTERRUPT = 4,  /* the same for an interrupt */
        EXCUSE_TOKEN = 16,     /* a next beside the retoken that brought its token may have taken the event before */
        EXCUSE_TAKEN = 32,     /* a disarm beside a next that got nothing may have found the one-shot taken */
        EXCUSE_CLOSED = 8,     /* beside a close, what is not registered is -ENOENT or -EBADF */
        EXCUSE_LINKED = 64,    /* a wait beside a trigger need not find what waits in the library for a descriptor */
        EXCUSE_BEGINS = 128,   /* a trigger_all beside a register need not find what that registers */
};

struct call {
        uint8_t kind;    /* enum kind */
        uint8_t batch;   /* the events object it is about */
        uint8_t number;  /* the descriptor it is about */
        uint8_t rebuilt; /* a wait that made the epoll set anew */
        uint8_t excuses; /* enum excuse */
        uint32_t id;     /* of this call alone, not 0 */
        int32_t result;
        weir_interest interest; /* of a registration; or the readiness that comes or goes */
        weir_token token;
        weir_time moment;        /* of a deadline, or that has come */
        struct weir_event event; /* what next handed out, if its result is 1; or of which what is deregistered is */
};

#define FORMERS 4

struct former {
        uint32_t id; /* of that call, or 0 */
        unsigned number;
        uint8_t kind;                           /* of that call */
        struct model_registration registration; /* of a waker, its deadline alone */
};

struct sequential {
        struct model model;
        bool fresh[BATCHES];  /* fetched, and nothing was done since: there is something in it */
        bool inside[BATCHES]; /* the guard of that thread is entered */
        /* Registrations as they were before the last calls that ended or changed one, or its deadline, the newest first. */
        struct former formers[FORMERS];
};

void sequential_init(struct sequential *state);

/* What a call is let off for another one that was in progress on another thread at the same time: of enum excuse. */
unsigned sequential_excuses(const struct call *call, const struct call *other);

/*
 * NULL and a step further, or what is wrong with it. `beside` has a bit for each of the formers whose call is in progress at
 * the same time: a next may still give what such a call ends.
 */
const char *sequential_step(struct sequential *state, const struct call *call, unsigned beside);

#endif
