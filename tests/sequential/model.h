/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_SEQUENTIAL_MODEL_H
#define WEIR_TESTS_SEQUENTIAL_MODEL_H

/*
 * What weir.h promises, as plain sequential code: no epoll, no generations, no queue, no heap. It knows which file is
 * open at which number, what is registered there under which token, what the clock says, what may be handed out and what has to
 * come. Calls return what the library must return, and change the model as the call changes the library.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/weir.h>

/* As large as its user needs it; the same for all files of one program. */
#ifdef MODEL_SIZES
#include MODEL_SIZES
#else
#define NUMBERS 12  /* descriptor numbers that the operations name */
#define FILES   256 /* files opened in one run; 0 is none */
#define SIDES   2   /* polls alive at the same time */
#define WAKERS  3
#define BATCHES 3 /* events objects */
#define GUARDS  2 /* batches, too, numbered from BATCHES on */
#define NODES   8 /* deferred functions under way */
#endif

/* What the program makes ready. */
struct model_own {
        bool has_deadline, triggered;
        bool again; /* a timeout may come, need not: which deadline another one was of is not known */
        weir_time moment;
};

struct model_registration {
        bool registered;
        bool alive; /* the kernel still holds it, for all that is known */
        unsigned file;
        weir_token token;
        weir_interest interest; /* for a one-shot: all directions ever asked for */
        bool armed;             /* for a one-shot: nobody owns it */
        bool promised;          /* for a one-shot: a disarm found that another thread was taking it */
        weir_interest fires;    /* for a one-shot: the directions for which it does, once armed */
        uint32_t ever;          /* readiness that the file has shown since the registration began */
        uint32_t must;          /* readiness that is still to be handed out */
        uint32_t name;          /* which one its last event said that it is; 0 before the first */
        unsigned begun;         /* how many had begun with it */
        struct model_own own;
};

struct model_waker {
        bool exists, pending;
        weir_token token;
        struct model_own own;
};

struct model_side {
        bool exists; /* the core: as long as there is a handle */
        bool shut;   /* the poll was destroyed */
        bool interrupted;
        struct model_registration registrations[NUMBERS];
        struct model_waker wakers[WAKERS];
        bool ghosts[NUMBERS][FILES]; /* what the kernel may still hold of registrations that ended */
};

struct model_file {
        bool pollable;
        unsigned exclusives; /* how often it was registered with WEIR_EXCLUSIVE */
        uint32_t now;
};

struct model_node {
        bool waits;
        unsigned batches; /* those it waits for, a bit each */
};

struct model {
        weir_time now;
        unsigned file_at[NUMBERS];
        struct model_file files[FILES];
        unsigned files_made, begun;
        struct model_side sides[SIDES];
        int batch_of[BATCHES + GUARDS]; /* the side whose batch is open in the events object, or -1 */
        struct model_node nodes[NODES];
};

void model_init(struct model *model);

/* ---------------------------------------------------------------- the world */

/* A new file at a number that may be in use, or a duplicate of what is at another one. */
void model_open(struct model *model, unsigned number, bool pollable);
void model_dup(struct model *model, unsigned number, unsigned from);
void model_close(struct model *model, unsigned number);

/* poll(2) says this of a file now. Called for each open file after each operation. */
void model_sample(struct model *model, unsigned file, uint32_t readiness);

/* ---------------------------------------------------------------- calls */

void model_create(struct model *model, unsigned side);
int model_register(struct model *model, unsigned side, int number, weir_token token, weir_interest interest);
int model_reregister(struct model *model, unsigned side, int number, weir_token token, weir_interest interest);
int model_rearm(struct model *model, unsigned side, int number, weir_interest interest);
int model_rearm_afresh(struct model *model, unsigned side, int number, weir_interest interest);
/*
 * Whether a rearm may be refused like this, and then nothing changes: of a number that is closed, or another file, it is not
 * said whether the kernel is asked.
 */
bool model_may_refuse_rearm(const struct model *model, unsigned side, int number, int result);
int model_retoken(struct model *model, unsigned side, int number, weir_token token);
int model_disarm(struct model *model, unsigned side, int number);
/* A disarm that finds it armed no more, for a thread is just taking it: that may get nothing if the registration ends first. */
bool model_disarm_late(struct model *model, unsigned side, int number);
/* Whether a one-shot stands whose number leads to another file by now. */
bool model_is_left(const struct model *model, unsigned side, int number);
int model_deregister(struct model *model, unsigned side, int number);
int model_deregister_if(struct model *model, unsigned side, int number, const struct weir_event *event);
/* Whether that may be refused like this, and then nothing changes: where a number is closed, or another file, it may be found. */
bool model_may_refuse_event(const struct model *model, unsigned side, int number, int result);
int model_set_deadline(struct model *model, unsigned side, int number, weir_time moment);
int model_trigger(struct model *model, unsigned side, int number);
int model_trigger_all(struct model *model, unsigned side);
int model_waker_set_deadline(struct model *model, unsigned side, unsigned waker, weir_time moment);

void model_batch_open(struct model *model, unsigned batch, unsigned side);
/* Before the library closes it: then the functions that are due may run. */
void model_batch_close(struct model *model, unsigned batch);
/* A batch without an event. */
int model_enter(struct model *model, unsigned guard, unsigned side);
/* The batches of a side that are open, and its guards that are entered, a bit each. */
unsigned model_batches(const struct model *model, unsigned side);

/*
 * The level-triggered ghosts were got rid of, and with them what was registered at a number that is another file now.
 */
void model_rebuilt(struct model *model, unsigned side);

/* The first moment at which something may be handed out for that, or WEIR_NEVER. */
weir_time model_first_moment(const struct model *model, unsigned side);

unsigned model_deadlines(const struct model *model, unsigned side);
unsigned model_registered(const struct model *model, unsigned side);
unsigned model_wakers(const struct model *model, unsigned side);

/* ---------------------------------------------------------------- events */

/* An event was handed out. NULL, or why it should not have been. */
const char *model_event(struct model *model, unsigned side, const struct weir_event *event);

/* Whether there is anything that may be handed out. */
bool model_may_hand_out(const struct model *model, unsigned side);

/* Whether each number that is registered is still the file that was. */
bool model_all_stand(const struct model *model, unsigned side);

/* What is ready and level-triggered must come again. */
void model_expect_levels(struct model *model, unsigned side);

/* How many events must still come with no batch open. */
unsigned model_outstanding(const struct model *model, unsigned side);

/* How many of them a wait finds, whatever batches are open. */
unsigned model_ready_levels(const struct model *model, unsigned side);

/* Whether a thread that was taking a one-shot got nothing, though the registration has not ended. */
bool model_is_promised(const struct model *model, unsigned side);

/* How many of them are of wakers. */
unsigned model_pending_wakers(const struct model *model, unsigned side);

/* Whether anything is registered that a wait finds ready each time. */
bool model_has_ready_levels(const struct model *model, unsigned side);

#endif
