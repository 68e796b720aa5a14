/* SPDX-License-Identifier: MIT */

/* The turn: a flag, and a place to sleep until it is free. See turn.h; read turn_take() first. */

#include "turn.h"

void turn_init(struct turn *turn) {
        *turn = (struct turn){ .taken = false };
        pthread_mutex_init(&turn->lock, NULL);
        pthread_cond_init(&turn->passed, NULL);
}

void turn_deinit(struct turn *turn) {
        pthread_cond_destroy(&turn->passed);
        pthread_mutex_destroy(&turn->lock);
}

bool turn_take(struct turn *turn) {
        bool taken;

        pthread_mutex_lock(&turn->lock);
        ++turn->sleepers;
        while (turn->taken && !turn->ended)
                pthread_cond_wait(&turn->passed, &turn->lock);
        --turn->sleepers;
        taken = !turn->ended;
        turn->taken |= taken;
        pthread_mutex_unlock(&turn->lock);
        return taken;
}

void turn_pass(struct turn *turn, bool call) {
        pthread_mutex_lock(&turn->lock);
        turn->taken = false;
        call = call && turn->sleepers > 0;
        pthread_mutex_unlock(&turn->lock);
        if (call)
                pthread_cond_signal(&turn->passed);
}

void turn_end(struct turn *turn) {
        pthread_mutex_lock(&turn->lock);
        turn->ended = true;
        pthread_mutex_unlock(&turn->lock);
        pthread_cond_broadcast(&turn->passed);
}
