/* SPDX-License-Identifier: MIT */
/*
 * Deadlines and triggers, by a clock that stands: what if another thread runs here? Between any two steps of some calls come
 * some others, as a whole. What all of them hand out and return must be what they do in some order, call by call: so nothing is
 * lost, nothing comes twice, and nothing comes that was replaced. Read meet() first.
 */
#include "kernel.h"

#include "deadline.h"
#include "poll.h"

#define S UINT64_C(1000000000)

#define TIMEOUT   (UINT32_C(1) << 16)
#define TRIGGERED (UINT32_C(1) << 17)

enum {
        FIRST = 1, /* the tokens */
        SECOND,
        THIRD,
        TOKENS,
};

/* Who is told. */
enum who { CALLS, OTHERS, LATER, AT_LAST, WHO };

/* What all of it comes to. Readiness is counted bit by bit, for it may come in one event or in several. */
struct outcome {
        unsigned char told[WHO][TOKENS][3];
        int results[2][8];
};

struct scene {
        struct fixture *fx;
        struct weir_events *events[2];
        weir_time now;
        int fd;
        weir_interest interest;
        bool shared; /* by who owns the one-shot */
        struct outcome outcome;
};

typedef int call(struct scene *scene, enum who who);

/* ---------------------------------------------------------------- the calls */

static void tell(struct scene *scene, enum who who, const struct weir_event *event) {
        unsigned char *told = scene->outcome.told[who][event->token];

        assert_in_range(event->token, FIRST, THIRD);
        told[0] += !!(event->readiness & EPOLLIN);
        told[1] += !!(event->readiness & TIMEOUT);
        told[2] += !!(event->readiness & TRIGGERED);
}

static int wait_with(struct scene *scene, struct weir_events *events) {
        /* How many were fetched is no promise. */
        int r = wait_ms(scene->fx->poll, events, 0);

        return r < 0 ? r : 0;
}

static int next_of(struct scene *scene, enum who who, struct weir_events *events) {
        struct weir_event event;

        if (weir_events_next(events, &event))
                tell(scene, who, &event);
        return 0;
}

static int do_wait(struct scene *scene, enum who who) {
        return wait_with(scene, scene->events[who]);
}

static int do_next(struct scene *scene, enum who who) {
        return next_of(scene, who, scene->events[who]);
}

/* Of the batch that is open at the beginning, whoever reads it. */
static int do_next_of_first(struct scene *scene, enum who who) {
        return next_of(scene, who, scene->events[CALLS]);
}

static int do_clear(struct scene *scene, enum who who) {
        weir_events_clear(scene->events[who]);
        return 0;
}

static int set_to(struct scene *scene, weir_time moment) {
        return weir_set_deadline(scene->fx->registry, scene->fd, moment);
}

static int do_set_later(struct scene *scene, enum who who) {
        (void)who;
        return set_to(scene, scene->now + 2 * S);
}

static int do_set_passed(struct scene *scene, enum who who) {
        (void)who;
        return set_to(scene, scene->now);
}

static int do_set_same(struct scene *scene, enum who who) {
        (void)who;
        return set_to(scene, 1);
}

static int do_set_never(struct scene *scene, enum who who) {
        (void)who;
        return set_to(scene, WEIR_NEVER);
}

static int do_rearm(struct scene *scene, enum who who) {
        (void)who;
        return weir_rearm(scene->fx->registry, scene->fd, WEIR_READABLE);
}

static int do_disarm(struct scene *scene, enum who who) {
        (void)who;
        return weir_disarm(scene->fx->registry, scene->fd);
}

static int do_reregister(struct scene *scene, enum who who) {
        (void)who;
        return weir_reregister(scene->fx->registry, scene->fd, SECOND, scene->interest);
}

static int do_retoken(struct scene *scene, enum who who) {
        (void)who;
        return weir_retoken(scene->fx->registry, scene->fd, SECOND);
}

static int do_deregister(struct scene *scene, enum who who) {
        (void)who;
        return weir_deregister(scene->fx->registry, scene->fd);
}

static int do_register(struct scene *scene, enum who who) {
        (void)who;
        return weir_register(scene->fx->registry, scene->fd, THIRD, scene->interest);
}

static int do_trigger(struct scene *scene, enum who who) {
        (void)who;
        return weir_trigger(scene->fx->registry, scene->fd);
}

static int do_trigger_all(struct scene *scene, enum who who) {
        (void)who;
        return weir_trigger_all(scene->fx->registry);
}

/* ---------------------------------------------------------------- the sequences */

struct sequence {
        const char *name;
        call *calls[6];
};

static const struct sequence these[] = {
        { "wait", { do_wait, do_next, do_next, do_clear } },
        { "next", { do_next } },
        { "clear", { do_clear } },
        { "set later", { do_set_later } },
        { "set passed", { do_set_passed } },
        { "rearm", { do_rearm } },
        { "reregister", { do_reregister } },
        { "deregister, register", { do_deregister, do_register } },
        { "trigger", { do_trigger } },
};

static const struct sequence those[] = {
        { "set later", { do_set_later } },
        { "set passed", { do_set_passed } },
        { "set to the same", { do_set_same } },
        { "set later, set passed", { do_set_later, do_set_passed } },
        { "set never", { do_set_never } },
        { "reregister", { do_reregister } },
        { "reregister, set later", { do_reregister, do_set_later } },
        { "retoken", { do_retoken } },
        { "disarm", { do_disarm } },
        { "disarm, set later, rearm", { do_disarm, do_set_later, do_rearm } },
        { "deregister", { do_deregister } },
        { "deregister, register", { do_deregister, do_register } },
        { "deregister, register, set to the same", { do_deregister, do_register, do_set_same } },
        { "trigger", { do_trigger } },
        { "trigger all", { do_trigger_all } },
        { "wait, next", { do_wait, do_next } },
        { "set to the same, wait, next", { do_set_same, do_wait, do_next } },
        { "next of the first batch", { do_next_of_first } },
};

/* What was done before. */
static void nothing(struct scene *scene) {
        (void)scene;
}

static void due(struct scene *scene) {
        assert_int_equal(set_to(scene, 1), 0);
}

static void fetched(struct scene *scene) {
        due(scene);
        assert_int_equal(wait_ms(scene->fx->poll, scene->events[CALLS], 0), !(scene->interest & WEIR_HELD));
}

static void fetched_and_moved(struct scene *scene) {
        fetched(scene);
        assert_int_equal(do_set_later(scene, CALLS), 0);
}

static void fetched_with_a_trigger(struct scene *scene) {
        assert_int_equal(do_trigger(scene, CALLS), 0);
        fetched(scene);
}

/* The place comes up, and the moment does not. */
static void to_come_later(struct scene *scene) {
        assert_int_equal(set_to(scene, scene->now), 0);
        assert_int_equal(do_set_later(scene, CALLS), 0);
}

static const struct {
        const char *name;
        void (*fn)(struct scene *);
} preparations[] = {
        { "nothing", nothing },
        { "due", due },
        { "fetched", fetched },
        { "fetched, moved", fetched_and_moved },
        { "fetched with a trigger", fetched_with_a_trigger },
        { "to come later", to_come_later },
};

static const weir_interest modes[] = { WEIR_READABLE, WEIR_READABLE | WEIR_LEVEL, WEIR_READABLE | WEIR_ONESHOT,
                                       WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD };

/* ---------------------------------------------------------------- the meeting */

struct meeting {
        struct scene *scene;
        const struct sequence *these, *those;
        bool met; /* those have been called */
};

/* Whether those would wait for a lock that these hold. */
static bool would_wait(struct scene *scene) {
        struct weir_registry *core = scene->fx->registry;

        return atomic_load(&slot_at(scene->fx, scene->fd)->word) & SLOT_LOCKED ||
               atomic_load(&core->deadlines.lock.word) || atomic_load(&core->nest_lock.word) ||
               atomic_load(&core->epochs.given) & GIVEN_LOCKED;
}

static void call_all(struct scene *scene, enum who who, const struct sequence *sequence) {
        for (unsigned i = 0; i < ARRAY_LEN(sequence->calls) && sequence->calls[i]; ++i)
                scene->outcome.results[who][i] = sequence->calls[i](scene, who);
}

static void call_those(void *arg) {
        struct meeting *meeting = arg;

        if (would_wait(meeting->scene))
                return;
        meeting->met = true;
        call_all(meeting->scene, OTHERS, meeting->those);
}

static void begin(struct scene *scene, unsigned preparation, unsigned mode) {
        memset(&scene->outcome, 0, sizeof scene->outcome);
        scene->interest = modes[mode];
        scene->now += 10 * S;
        fault_stop_clock(scene->now);
        assert_int_equal(weir_register(scene->fx->registry, scene->fd, FIRST, scene->interest), 0);
        preparations[preparation].fn(scene);
        scene->interest &= ~WEIR_HELD;
}

/* All that is left, now and when the time has come. */
static void take_rest(struct scene *scene, enum who who) {
        struct weir_event got[BATCH];
        int n;

        do {
                /* Whoever owns it gives it back. */
                (void)weir_rearm(scene->fx->registry, scene->fd, WEIR_READABLE);
                n = collect(scene->fx->poll, scene->fx->events, 0, got, BATCH);
                for (int i = 0; i < n; ++i)
                        tell(scene, who, &got[i]);
        } while (n > 0);
        assert_int_equal(n, 0);
}

static void end(struct scene *scene, struct outcome *ret_outcome) {
        for (unsigned i = 0; i < 2; ++i)
                weir_events_clear(scene->events[i]);
        take_rest(scene, LATER);
        fault_stop_clock(scene->now + 3 * S);
        take_rest(scene, AT_LAST);
        (void)weir_deregister(scene->fx->registry, scene->fd);
        assert_int_equal(wait_ms(scene->fx->poll, scene->fx->events, 0), 0);
        *ret_outcome = scene->outcome;
}

/* Those before the n-th call of these, from 0, or after the last. False: there is no such place. */
static bool in_order(struct meeting *meeting, unsigned preparation, unsigned mode, unsigned n,
                     struct outcome *ret_outcome) {
        unsigned i = 0;

        begin(meeting->scene, preparation, mode);
        for (;; ++i) {
                bool last = i == ARRAY_LEN(meeting->these->calls) || !meeting->these->calls[i];

                if (i == n)
                        call_all(meeting->scene, OTHERS, meeting->those);
                if (last)
                        break;
                meeting->scene->outcome.results[CALLS][i] = meeting->these->calls[i](meeting->scene, CALLS);
        }
        end(meeting->scene, ret_outcome);
        return n <= i;
}

/*
 * What joins an event that these are about to put on the queue is seen when that is: others that wait in between may be told of it
 * later.
 */
static void fold(struct outcome *outcome) {
        for (unsigned token = FIRST; token < TOKENS; ++token)
                for (unsigned bit = 0; bit < 3; ++bit) {
                        outcome->told[LATER][token][bit] += outcome->told[OTHERS][token][bit];
                        outcome->told[OTHERS][token][bit] = 0;
                }
}

/* A poll has one waiter: what comes of another one is not among those in order. */
static bool is_refused(const struct outcome *outcome) {
        for (unsigned i = 0; i < ARRAY_LEN(outcome->results[OTHERS]); ++i)
                if (outcome->results[OTHERS][i] == -EBUSY)
                        return true;
        return false;
}

static void show(const struct outcome *outcome) {
        for (unsigned who = 0; who < WHO; ++who)
                for (unsigned token = FIRST; token < TOKENS; ++token)
                        for (unsigned bit = 0; bit < 3; ++bit)
                                if (outcome->told[who][token][bit])
                                        print_error("%s: token %u, %s, %u times\n",
                                                    (const char *[]){ "these", "those", "later", "at last" }[who],
                                                    token, (const char *[]){ "readable", "timeout", "triggered" }[bit],
                                                    outcome->told[who][token][bit]);
        for (unsigned who = 0; who < 2; ++who)
                for (unsigned i = 0; i < 8; ++i)
                        if (outcome->results[who][i])
                                print_error("result %u of %s: %d\n", i, who ? "those" : "these",
                                            outcome->results[who][i]);
}

/* Those between any two steps of these. Returns how often they came in between. */
static unsigned meet(struct meeting *meeting, unsigned preparation, unsigned mode) {
        struct outcome allowed[8], outcome;
        unsigned count = 0, met = 0, i;
        uint64_t fired = 1;

        while (in_order(meeting, preparation, mode, count, &allowed[count]))
                fold(&allowed[count++]);
        for (unsigned n = 1; fired; ++n) {
                meeting->met = false;
                begin(meeting->scene, preparation, mode);
                fault_hook(FAULT_YIELD, n, call_those, meeting);
                call_all(meeting->scene, CALLS, meeting->these);
                fired = fault_off();
                if (!meeting->met)
                        call_all(meeting->scene, OTHERS, meeting->those);
                end(meeting->scene, &outcome);
                fold(&outcome);
                met += meeting->met;
                if (is_refused(&outcome))
                        continue;
                for (i = 0; i < count; ++i)
                        if (!memcmp(&outcome, &allowed[i], sizeof outcome))
                                break;
                if (i < count)
                        continue;
                for (i = 0; i < count; ++i) {
                        print_error("in order, before call %u:\n", i);
                        show(&allowed[i]);
                }
                print_error("at step %u:\n", n);
                show(&outcome);
                fail_msg("%s; mode %#x; %s, and in between: %s", preparations[preparation].name, modes[mode],
                         meeting->these->name, meeting->those->name);
        }
        return met;
}

static void calls_between_the_steps_of_calls(void **state) {
        struct scene scene = { .fx = *state, .fd = make_eventfd(0), .now = scene.fx->registry->deadlines.beginning };
        unsigned met = 0;

        for (unsigned i = 0; i < 2; ++i)
                assert_int_equal(weir_events_create(4, &scene.events[i]), 0);
        for (unsigned a = 0; a < ARRAY_LEN(these); ++a)
                for (unsigned b = 0; b < ARRAY_LEN(those); ++b)
                        for (unsigned p = 0; p < ARRAY_LEN(preparations); ++p)
                                for (unsigned m = 0; m < ARRAY_LEN(modes); ++m)
                                        met += meet(&(struct meeting){ &scene, &these[a], &those[b], false }, p, m);
        assert_true(met > 5000);
        for (unsigned i = 0; i < 2; ++i)
                weir_events_destroy(scene.events[i]);
        close(scene.fd);
        fault_stop_clock(-1);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(calls_between_the_steps_of_calls),
        };

        return cmocka_run_group_tests_name("deadline_steps", cases, NULL, NULL);
}
