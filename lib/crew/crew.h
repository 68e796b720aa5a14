/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the files of the crew share: the crew and its members, one for each thread. Of the reactor they know the public header
 * alone. The words that threads fight for stand on a page that a forked child finds wiped: there each of them reads 0, which
 * says FORKED.
 */

#include <weir/crew.h>

#include "pace.h"
#include "seam.h"

/* Whether a crew goes on. Read before each event, written once or twice. */
enum {
        CREW_FORKED = 0,
        CREW_GOES_ON = 1,
        CREW_ENDED = 2,
};

struct weir_crew_words {
        _Atomic(uint32_t) state;

        /* Written whenever the turn changes hands: see turn.h. */
        _Alignas(CREW_LINE) _Atomic(uint64_t) turn;
        _Atomic(uint64_t) fetched; /* events, by all; written by who has the turn */
        _Atomic(int64_t) alarm;    /* when it goes off at the post, or did last */

        /* Written when a sleeper is called. */
        _Alignas(CREW_LINE) _Atomic(uint32_t) bell; /* calls that no sleeper has answered yet */
        _Atomic(uint32_t) post_bell;                /* calls to the post, counted */
        _Atomic(uint32_t) stoppers;                 /* inside weir_crew_stop() */
        _Atomic(uint32_t) returned;                 /* events that were taken from a bag, and not fetched again */
};

/* What a member has fetched and not begun: see bag.h. */
struct weir_bag {
        _Atomic(uint32_t) state;
        _Atomic(int64_t) since;    /* when it was fetched; BAG_NOBODY, BAG_UNKNOWN */
        _Atomic(uint64_t) fetched; /* by all, when it was fetched */
        struct weir_events *events;
};

struct weir_member {
        struct weir_crew *crew;
        struct weir_member *next; /* of the crew's; never changes */

        /* Under the lock of the crew. */
        bool used;
        bool made;        /* its thread was made by the crew, and nobody has joined it */
        pthread_t thread; /* if it is used or made */

        /* Its own. */
        bool loaded;    /* counted among those with a bag, turn.h */
        unsigned limit; /* of its events object */
        unsigned begun; /* events of its last batch, that are not noted yet; 0 is none */
        int64_t time;   /* that these took, as weir_pace_note() wants it */
        int64_t worked; /* by its thread, when it last ended a batch or a sleep; 0: unknown */
        long lost;      /* how often it had lost its processor, when somebody last looked */

        /* Its own and who robs it. */
        _Alignas(CREW_LINE) struct weir_bag bag;
};

struct weir_crew {
        /* Written when the crew is made. */
        struct weir_crew_words *words;
        int pid; /* 0 unless the words cannot tell a forked child */
        weir_crew_fn *fn;
        void *data;
        struct weir_role *role;
        struct weir_registry *registry;
        struct weir_seam_post post;
        _Atomic(struct weir_member *) members; /* only grows while there are threads */
        _Atomic(unsigned) threads;             /* that work now; written under the lock */
        _Atomic(int) error;                    /* why it ended, if it was not stopped */

        /* Of who has the turn. */
        _Alignas(CREW_LINE) struct weir_pace pace;
        uint64_t looked; /* how many events had been fetched when bags were looked at for their age in events */

        /* Guards what follows, the members' part, and the keeping of the role. Never held over a call of the user's. */
        _Alignas(CREW_LINE) pthread_mutex_t lock;
        pthread_cond_t left;
        unsigned users; /* threads, and calls in progress that use the crew besides */
};

/* Whether this process was forked from the one that made the crew. */
static inline bool weir_crew_is_forked(const struct weir_crew *crew) {
        /* relaxed: a child is a copy */
        return atomic_load_explicit(&crew->words->state, memory_order_relaxed) == CREW_FORKED ||
               (crew->pid != 0 && crew->pid != weir_seam_getpid());
}

/* Whether another thread works beside the caller. */
static inline bool weir_crew_is_alone(const struct weir_crew *crew) {
        /* relaxed: a hint; who joins finds its way whatever the others think */
        return atomic_load_explicit(&crew->threads, memory_order_relaxed) == 1;
}
