/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Leader and followers: of some threads, one at a time has the turn, and that one waits in weir_poll_wait(). When it
 * has got a batch it passes the turn on and serves the batch, while the next one waits. No event goes from thread to
 * thread.
 *
 * The turn is free as soon as it is passed on, and a thread that comes back from its batch takes it without a system
 * call. Waking one that sleeps is another matter: it costs more than one answer does, and is for nothing if no more is
 * ready. So only who got a full batch calls a sleeper; else the next wait is its own. The batch thus says how much work one
 * thread takes on before another one helps: where an answer takes long, it should be small.
 */

#include <pthread.h>
#include <stdbool.h>

struct turn {
        pthread_mutex_t lock; /* guards the rest; held for a few instructions */
        pthread_cond_t passed;
        unsigned sleepers;
        bool taken;
        bool ended;
};

void turn_init(struct turn *turn);
void turn_deinit(struct turn *turn);

/* Sleeps until the turn is free, and takes it. False: there are no turns any more. */
bool turn_take(struct turn *turn);

/* Gives it up; call says that a sleeper shall take it at once. */
void turn_pass(struct turn *turn, bool call);

/* There shall be no turns any more. Who has it keeps it until turn_pass(). */
void turn_end(struct turn *turn);
