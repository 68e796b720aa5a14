/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_FAULT_WALK_H
#define WEIR_TESTS_FAULT_WALK_H

/*
 * A walk through the public interface that a refused call does not stop. Each walk_*() makes one call of the library,
 * wants it to succeed or to return the errno of the plan in force, and keeps a book of what is registered then. After
 * each refusal, and whenever a scenario asks for it, walk_verify() compares the library with the book: what is
 * registered speaks under its token, what is not is silent.
 */

#include "fault.h"
#include "support.h"

#define PLACES 6
#define WAKERS 2

/* One end of a socket pair, and what the library knows of it. */
struct place {
        int fd, peer;
        bool registered;
        weir_token token;
        weir_interest interest;
        weir_interest armed;         /* of a one-shot */
        bool must_write;             /* a new direction that is ready was armed, and nothing was handed out since */
        uint32_t seen;               /* readiness handed out since walk_verify() began */
        unsigned timeouts, triggers; /* events with these bits handed out */
};

struct walk {
        const char *scenario;
        const char *kind;
        unsigned kinds;
        int error;
        uint64_t n;
        bool lasting;    /* the plan fails all calls from the n-th on */
        bool may_vanish; /* a failing epoll_ctl(2) tells a rebuild that the user closed one descriptor */

        struct weir_poll *poll;
        struct weir_registry *registry;
        struct weir_events *events, *narrow; /* BATCH and two wide */
        struct weir_waker *wakers[WAKERS];
        weir_token wake_tokens[WAKERS];
        unsigned wakes_seen[WAKERS];
        struct place places[PLACES];
        weir_token next_token;
        uint64_t refused, fired, vanished;
        uint64_t counted, passed; /* calls of the kind: when the plan last began, and under it before that */
};

/* The condition holds, or the case fails and says at which call. */
#define WANT(walk, expr)                                  \
        do {                                              \
                if (!(expr))                              \
                        walk_fail(walk, __LINE__, #expr); \
        } while (0)

/* Puts the plan in force. */
void walk_plan(struct walk *walk);

void walk_fail(const struct walk *walk, int line, const char *expr);

/* Whether a call succeeded. If not, the plan made it fail, and the caller leaves its book as it is. */
bool walk_allowed(struct walk *walk, int r);

/*
 * Makes the poll, both events objects and the socket pairs. False: the plan refused one of them, and nothing is left.
 */
bool walk_begin(struct walk *walk);

/* Deregisters what is registered and destroys all that walk_begin() and walk_waker() made and that is still there. */
void walk_end(struct walk *walk);

bool walk_register(struct walk *walk, unsigned i, weir_interest interest);
bool walk_reregister(struct walk *walk, unsigned i, weir_interest interest);
bool walk_rearm(struct walk *walk, unsigned i, weir_interest interest);
bool walk_retoken(struct walk *walk, unsigned i);
void walk_deregister(struct walk *walk, unsigned i);
bool walk_waker(struct walk *walk, unsigned i);

/*
 * Makes i a level-triggered ghost that is ready, and puts a new socket in its place. False: it could not be
 * registered.
 */
bool walk_ghost(struct walk *walk, unsigned i, int *ret_copy);

/* One wait, made again after each -EINTR of the plan. Returns the count. */
int walk_wait(struct walk *walk, struct weir_events *events, int64_t timeout_ns);

/* Takes up to max events and looks each of them up in the book. Returns how many there were. */
unsigned walk_read(struct walk *walk, struct weir_events *events, unsigned max);

/* Waits without sleeping until every descriptor that must speak has spoken; drains all and arms the one-shots again. */
void walk_verify(struct walk *walk);

#endif
