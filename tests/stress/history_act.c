/* SPDX-License-Identifier: MIT */

/* What the threads do, and how it is recorded: see history_act.h. Read history_act() first. */

#include "history_act.h"

#include "yield.h"

#include <sys/eventfd.h>
#include <sys/syscall.h>

#define REUSES 6 /* of a number in a round: the model knows so many files */

/* ---------------------------------------------------------------- records */

static unsigned draw(struct actor *actor, unsigned limit) {
        actor->random ^= actor->random >> 12;
        actor->random ^= actor->random << 25;
        actor->random ^= actor->random >> 27;
        return (unsigned)((actor->random * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % limit;
}

/* A call begins now. Its object may be named later. */
static struct record *begin(struct actor *actor, enum kind kind, unsigned object) {
        struct record *record = &actor->records[actor->count];
        uint64_t now = now_ns();

        *record = (struct record){ .call.kind = (uint8_t)kind, .thread = actor->number };
        actor->objects[actor->count] = object;
        record->begin = now > actor->last_end ? now : actor->last_end + 1;
        return record;
}

static void end(struct actor *actor, struct record *record, int result) {
        uint64_t now = now_ns();

        record->call.result = result;
        record->end = now > record->begin ? now : record->begin + 1;
        actor->last_end = record->end;
        actor->count++;
}

/* The object is in the highest bits, so that an event says whose it is. */
static weir_token new_token(struct actor *actor, unsigned object) {
        return (weir_token)object << 48 | (weir_token)(actor->number + 1) << 32 | ++actor->last_token;
}

static unsigned object_of(const struct weir_event *event) {
        return (unsigned)(event->token >> 48);
}

/* ---------------------------------------------------------------- calls */

static void call_register(struct actor *actor, unsigned n, weir_interest held) {
        struct object *object = &actor->round->objects[n];
        struct record *record = begin(actor, KIND_REGISTER, n);

        record->call.token = new_token(actor, n);
        record->call.interest = WEIR_READABLE | object->mode | (object->mode & WEIR_ONESHOT ? held : 0);
        end(actor, record,
            weir_register(actor->round->registry, object->fd, record->call.token, record->call.interest));
}

static void call_reregister(struct actor *actor, unsigned n, weir_interest directions) {
        struct object *object = &actor->round->objects[n];
        struct record *record = begin(actor, KIND_REREGISTER, n);

        record->call.token = new_token(actor, n);
        record->call.interest = directions | object->mode;
        end(actor, record,
            weir_reregister(actor->round->registry, object->fd, record->call.token, record->call.interest));
}

static void call_rearm(struct actor *actor, unsigned n, weir_interest directions) {
        struct record *record = begin(actor, KIND_REARM, n);

        record->call.interest = directions;
        end(actor, record, weir_rearm(actor->round->registry, actor->round->objects[n].fd, directions));
}

static void call_rearm_afresh(struct actor *actor, unsigned n) {
        struct record *record = begin(actor, KIND_REARM_AFRESH, n);

        record->call.interest = WEIR_READABLE;
        end(actor, record, weir_rearm_afresh(actor->round->registry, actor->round->objects[n].fd, WEIR_READABLE));
}

static void call_retoken(struct actor *actor, unsigned n) {
        struct record *record = begin(actor, KIND_RETOKEN, n);

        record->call.token = new_token(actor, n);
        end(actor, record, weir_retoken(actor->round->registry, actor->round->objects[n].fd, record->call.token));
}

static void call_disarm(struct actor *actor, unsigned n) {
        struct record *record = begin(actor, KIND_DISARM, n);

        end(actor, record, weir_disarm(actor->round->registry, actor->round->objects[n].fd));
}

static void call_deregister(struct actor *actor, unsigned n) {
        struct record *record = begin(actor, KIND_DEREGISTER, n);

        end(actor, record, weir_deregister(actor->round->registry, actor->round->objects[n].fd));
}

/* By the last event that the thread took of any descriptor. */
static void call_deregister_if(struct actor *actor) {
        unsigned n = object_of(&actor->taken);
        struct record *record;

        if (!actor->taken.registration)
                return;
        record = begin(actor, KIND_DEREGISTER_IF, n);
        record->call.event = actor->taken;
        end(actor, record,
            weir_deregister_if(actor->round->registry, actor->round->objects[n].fd, &record->call.event));
}

static void call_ready(struct actor *actor, unsigned n) {
        struct record *record = begin(actor, KIND_READY, n);

        record->call.interest = EPOLLIN;
        ring(actor->round->objects[n].fd);
        end(actor, record, 0);
}

static void call_drain(struct actor *actor, unsigned n) {
        struct record *record = begin(actor, KIND_DRAIN, n);

        record->call.interest = EPOLLIN;
        drain(actor->round->objects[n].fd);
        end(actor, record, 0);
}

/* Another file at the number, which closes the former one. */
static void call_reuse(struct actor *actor, unsigned n) {
        struct object *object = &actor->round->objects[n];
        struct record *record;
        int fd;

        if (atomic_fetch_add(&object->reuses, 1) >= REUSES)
                return;
        fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        record = begin(actor, KIND_OPEN, n);
        /* Behind the back of a sanitizer, which would call it a race: that is what it is. */
        syscall(SYS_dup3, fd, object->fd, O_CLOEXEC);
        end(actor, record, 0);
        close(fd);
}

static void call_wake(struct actor *actor, unsigned n) {
        struct record *record = begin(actor, KIND_WAKE, n);

        end(actor, record, weir_waker_wake(actor->round->objects[n].waker));
}

static void call_trigger(struct actor *actor, unsigned n) {
        struct record *record = begin(actor, KIND_TRIGGER, n);

        end(actor, record, weir_trigger(actor->round->registry, actor->round->objects[n].fd));
}

/* One that has passed, or none: the clock of the model stands still. */
static void call_set_deadline(struct actor *actor, unsigned n) {
        struct object *object = &actor->round->objects[n];
        struct record *record = begin(actor, object->waker ? KIND_SET_WAKER_DEADLINE : KIND_SET_DEADLINE, n);
        weir_time moment = draw(actor, 4) ? HISTORY_MOMENT : WEIR_NEVER;

        record->call.moment = moment;
        end(actor, record,
            object->waker ? weir_waker_set_deadline(object->waker, moment)
                          : weir_set_deadline(actor->round->registry, object->fd, moment));
}

static bool call_next(struct actor *actor) {
        struct record *record = begin(actor, KIND_NEXT, NO_OBJECT);
        bool any = weir_events_next(actor->events, &record->call.event);

        if (any)
                actor->objects[actor->count] = object_of(&record->call.event);
        if (any && record->call.event.registration)
                actor->taken = record->call.event;
        end(actor, record, any);
        return any;
}

static void call_wait(struct actor *actor) {
        struct timespec timeout = { .tv_nsec = draw(actor, 4) ? 0 : 200000 };
        unsigned reads = draw(actor, 4);

        history_span_end(actor, &actor->open_since);
        if (weir_poll_wait(actor->round->poll, actor->events, &timeout) <= 0)
                return;
        history_span_begin(&actor->open_since);
        while (reads-- && call_next(actor))
                ;
        if (draw(actor, 2)) {
                history_span_end(actor, &actor->open_since);
                weir_events_clear(actor->events);
        }
}

static void call_about(struct actor *actor, unsigned n) {
        unsigned what = draw(actor, 84);

        if (what < 3)
                call_register(actor, n, 0);
        else if (what < 5)
                call_register(actor, n, WEIR_HELD);
        else if (what < 8)
                call_reregister(actor, n, WEIR_READABLE);
        else if (what < 9)
                call_reregister(actor, n, 0);
        else if (what < 14)
                call_retoken(actor, n);
        else if (what < 28)
                call_rearm(actor, n, WEIR_READABLE);
        else if (what < 30)
                call_rearm(actor, n, 0);
        else if (what < 34)
                call_disarm(actor, n);
        else if (what < 38)
                call_deregister(actor, n);
        else if (what < 52)
                call_ready(actor, n);
        else if (what < 63)
                call_drain(actor, n);
        else if (what < 68)
                call_trigger(actor, n);
        else if (what < 73)
                call_set_deadline(actor, n);
        else if (what < 79)
                call_rearm_afresh(actor, n);
        else if (what < 83)
                call_deregister_if(actor);
        else
                call_reuse(actor, n);
}

int history_act(void *arg) {
        struct actor *actor = arg;
        struct round *round = actor->round;

        yield_seed(actor->random);
        barrier_pass(&round->start);
        for (unsigned i = 0; i < round->calls && actor->count + 8 < actor->room; i++) {
                unsigned n = draw(actor, round->n_objects);

                if (draw(actor, 16) == 0)
                        history_enter_or_leave(actor);
                if (draw(actor, 16) == 0)
                        history_defer(actor);
                if (draw(actor, 3) == 0)
                        call_wait(actor);
                else if (draw(actor, 8) == 0)
                        call_next(actor);
                else if (round->objects[n].waker && draw(actor, 4))
                        call_wake(actor, n);
                else if (round->objects[n].waker)
                        call_set_deadline(actor, n);
                else
                        call_about(actor, n);
        }
        history_leave(actor);
        history_span_end(actor, &actor->open_since);
        return 0;
}

/* ---------------------------------------------------------------- the end of a round */

/* What comes now. Level-triggered ones that are ready come in each wait. */
static void read_all(struct actor *actor, unsigned waits) {
        while (waits-- && weir_poll_wait(actor->round->poll, actor->events, &(struct timespec){ 0 }) > 0) {
                while (call_next(actor))
                        ;
                weir_events_clear(actor->events);
        }
}

static void for_all(struct actor *actor, void (*call)(struct actor *actor, unsigned n), bool wakers) {
        for (unsigned n = 0; n < actor->round->n_objects; n++)
                if (wakers || !actor->round->objects[n].waker)
                        call(actor, n);
}

/* Nothing may be due. The events object of the model stands for all, and must be closed for that. */
static void call_quiet(struct actor *actor, unsigned n) {
        struct record *record;

        if (actor->round->objects[n].mode & WEIR_LEVEL && !actor->round->objects[n].waker)
                return;
        record = begin(actor, KIND_CLEAR, n);
        end(actor, record, 0);
        record = begin(actor, KIND_QUIET, n);
        end(actor, record, 0);
}

void history_finish(struct round *round) {
        struct actor *actor = &round->actors[0];

        for (unsigned i = 0; i < round->n_threads; i++) {
                weir_events_clear(round->actors[i].events);
                if (round->actors[i].last_end > actor->last_end)
                        actor->last_end = round->actors[i].last_end;
        }
        read_all(actor, 3 * OBJECTS);
        for_all(actor, call_ready, false);
        read_all(actor, 3 * OBJECTS);
        for_all(actor, call_quiet, true);
        for (unsigned i = 0; i < round->n_threads; i++)
                weir_events_destroy(round->actors[i].events);
}
