/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_STRESS_TORTURE_H
#define WEIR_TESTS_STRESS_TORTURE_H

/*
 * What the parts of the torture share. torture.c runs the rounds, torture_churn.c is what the changing threads do,
 * torture_read.c what the reading ones do, torture_record.c the records that tokens name, torture_report.c the verdict.
 */

#include "../support.h"
#include "yield.h"

#ifdef TORTURE_CONTROL
#define FILTER_OFF 1
#else
#define FILTER_OFF 0
#endif

#define MAX_THREADS  64
#define NUMBERS      4096 /* descriptor numbers, then a number for the waker of each thread */
#define ALL_NUMBERS  (NUMBERS + MAX_THREADS)
#define RECORDS      512 /* a changing thread */
#define SPOTS        4   /* descriptors a changing thread, which any of these threads may change */
#define GHOSTS       4   /* duplicates that a changing thread keeps alive */
#define BODY         6
#define TOKEN_STOP   UINT64_MAX
#define POISON       UINT64_C(0xdeadbeefdeadbeef)
#define MAX_CAPACITY 64 /* events a batch */
#define AGES         4  /* 0, 1, 2, 3 and more */
#define NEVER_BEFORE UINT32_MAX

/* When an event was handed out, as seen from the call that ended the registration of its token. */
enum moment { BEFORE, DURING, AFTER, MOMENTS };

/* What became of a descriptor number. A stale event is counted by it. */
enum fate { KEPT, CLOSED, REUSED, REOPENED, WAKER, FATES };

struct number {
        atomic_uint begun; /* registrations of this number, the tokens that retoken gave included */
        atomic_uint ended;
        atomic_uint last_loud; /* the last one that was ever made ready, or NEVER_BEFORE */
        atomic_int fate;
};

/*
 * What a token names. The memory is never freed, so that with the filter off a stale token can be counted and does no
 * harm; it is poisoned instead, and used again. The plain members are what a user would have: only a right library
 * keeps the last reader and the function that poisons them apart, and a thread sanitizer would see if it did not.
 */
struct record {
        struct weir_deferred node;
        struct torture *torture;
        uint64_t body[BODY]; /* the token, or poison */
        unsigned number, ordinal;
        unsigned quiet; /* 0: it may be ready. Else it never is, and its number was so many registrations ago */
        bool oneshot;
        unsigned arms;
        atomic_bool in_use;
        _Atomic(weir_token) token; /* 0 once it was poisoned */
        atomic_ulong ended;        /* the ticket drawn after the call that ended it had returned, or 0 */
        atomic_bool ending;        /* that call was about to begin */
        atomic_uint seen;
};

/* A descriptor that is registered, or room for one. Whoever sets busy owns it. */
struct spot {
        atomic_bool busy;
        struct record *record; /* NULL: empty */
        struct record *former; /* the record that retoken replaced while it was due, or NULL */
        int fd, peer;          /* peer == -1: an eventfd */
        weir_interest mode;
        bool fired;                 /* a one-shot that was seen, and not armed again */
        bool due;                   /* readiness that must be seen, under either */
        unsigned seen, former_seen; /* when it became due */
};

struct churner {
        struct torture *torture;
        struct worker worker;
        struct weir_registry *registry;
        unsigned id;
        uint64_t random;
        struct record *records;
        unsigned next_record;
        int ghosts[GHOSTS][2];
        unsigned next_ghost;
        struct weir_waker *waker;
        struct record *waker_record;
        bool waker_due;
        unsigned waker_seen;
        unsigned long made, given, ended, ghosts_made, reused, lulls, due, met, lost, stuck;
};

struct reader {
        struct torture *torture;
        struct worker worker;
        unsigned id, capacity;
        uint64_t random;
        unsigned long hits[MOMENTS][AGES];
        unsigned long batches, half_read, busy, poisoned, wild, stops;
};

struct torture {
        struct weir_poll *poll;
        struct weir_registry *registry;
        unsigned n_churners, n_readers;
        unsigned long seed;
        uint64_t begin, end, limit; /* ns: when it is over if all was seen that must be, and when it is over anyhow */
        struct churner *churners;
        struct reader *readers;
        struct record *records;
        struct spot *spots;
        atomic_ulong tickets;
        atomic_ulong runs;      /* of deferred functions */
        atomic_ulong twice;     /* a record that was poisoned already */
        atomic_ulong overfired; /* one-shots that fired more often than they were armed */
        atomic_ulong given_up;  /* lost or stuck: the others stop waiting for their own */
        atomic_bool shown[2];   /* with the filter off: a token after its end, and an event under a newer token */
        struct latch stop;
        pthread_mutex_t lead;  /* held by the one that waits, but for a few who try without */
        pthread_rwlock_t lull; /* held for writing while one alone changes anything */
        pthread_rwlock_t
                numbers; /* held for writing while a number is closed and registered: nobody may open it then */
};

extern struct number torture_numbers[ALL_NUMBERS];
extern atomic_ulong torture_dropped[FATES];

unsigned torture_draw(uint64_t *state, unsigned n);

/* ---------------------------------------------------------------- records */

/* A record that is not in use; NULL after the deadline: a grace period did not end. */
struct record *record_begin(struct churner *c, unsigned number, bool quiet, bool oneshot);

/* What ended it has returned. */
void record_ended(struct churner *c, struct record *record);

/* Poisons it when no reader can have it any more, in one of three ways. */
void record_give_up(struct churner *c, struct record *record);

static inline unsigned record_seen(struct record *record) {
        return atomic_load_explicit(&record->seen, memory_order_relaxed);
}

/* The record and the number that a token names, or NULL for one that nobody gave. */
struct record *record_of(struct torture *t, weir_token token, unsigned *ret_number, unsigned *ret_ordinal);

/* ---------------------------------------------------------------- threads */

/* Whether the round is over. */
bool torture_is_over(struct torture *t);

int churn(void *arg);                 /* a struct churner */
int churn_end_all(struct churner *c); /* ends what all of them left, when all have returned */
int read_and_count(void *arg);        /* a struct reader */

/* ---------------------------------------------------------------- report */

/* Prints it. True: all is as it must be. */
bool torture_report(struct torture *t, const struct weir_stats *stats, int failed_line, bool leaked);

#endif
