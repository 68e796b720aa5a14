/* SPDX-License-Identifier: MIT */

/* The alphabet: see alphabet.h. Read call_register() for how each call is made, and call_wait() for one that has two parts. */

#include "alphabet.h"

#include "world.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#define NUMBER    0
#define DUPLICATE 1 /* where a file is that a ghost belongs to */

unsigned alphabet_mode;

static const struct timespec at_once;

/* No two calls give the same one; and the same call of a program gives the same one each time. */
static weir_token new_token(const struct call *call) {
        if (world.history.alone)
                return 1000 + (weir_token)(call - history_last.calls);
        return 1 + (weir_token)(call - world.history.calls);
}

static struct call *begin(enum kind kind, unsigned thread) {
        struct call *call = history_begin(kind, thread);

        call->number = NUMBER;
        return call;
}

/* ---------------------------------------------------------------- registrations */

static void call_register(unsigned thread) {
        struct call *call = begin(KIND_REGISTER, thread);

        call->token = new_token(call);
        call->interest = WEIR_READABLE | alphabet_mode;
        call->result = weir_register(world.registry, NUMBER, call->token, call->interest);
        history_end(call);
}

static void call_register_held(unsigned thread) {
        struct call *call = begin(KIND_REGISTER, thread);

        call->token = new_token(call);
        call->interest = WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD;
        call->result = weir_register(world.registry, NUMBER, call->token, call->interest);
        history_end(call);
}

static void reregister(unsigned thread, weir_interest directions) {
        struct call *call = begin(KIND_REREGISTER, thread);

        call->token = new_token(call);
        call->interest = directions | alphabet_mode;
        call->result = weir_reregister(world.registry, NUMBER, call->token, call->interest);
        history_end(call);
}

static void call_reregister(unsigned thread) {
        reregister(thread, WEIR_READABLE);
}

static void call_pause(unsigned thread) {
        reregister(thread, 0);
}

static void call_retoken(unsigned thread) {
        struct call *call = begin(KIND_RETOKEN, thread);

        call->token = new_token(call);
        call->result = weir_retoken(world.registry, NUMBER, call->token);
        history_end(call);
}

static void rearm(unsigned thread, weir_interest directions) {
        struct call *call = begin(KIND_REARM, thread);

        call->interest = directions;
        call->result = weir_rearm(world.registry, NUMBER, call->interest);
        history_end(call);
}

static void call_rearm(unsigned thread) {
        rearm(thread, WEIR_READABLE);
}

static void call_rearm_paused(unsigned thread) {
        rearm(thread, 0);
}

static void call_rearm_afresh(unsigned thread) {
        struct call *call = begin(KIND_REARM_AFRESH, thread);

        call->interest = WEIR_READABLE;
        call->result = weir_rearm_afresh(world.registry, NUMBER, call->interest);
        history_end(call);
}

static void call_disarm(unsigned thread) {
        struct call *call = begin(KIND_DISARM, thread);

        call->result = weir_disarm(world.registry, NUMBER);
        history_end(call);
}

static void call_deregister(unsigned thread) {
        struct call *call = begin(KIND_DEREGISTER, thread);

        call->result = weir_deregister(world.registry, NUMBER);
        history_end(call);
}

/* That of which the thread has last taken an event. */
static void call_deregister_if(unsigned thread) {
        struct call *call = begin(KIND_DEREGISTER_IF, thread);

        call->event = world.taken[thread];
        call->result = weir_deregister_if(world.registry, NUMBER, &call->event);
        history_end(call);
}

/* ---------------------------------------------------------------- batches */

static void call_wait_for(unsigned thread, const struct timespec *timeout) {
        struct call *close = begin(KIND_CLEAR, thread), *fetch = history_begin_part(KIND_FETCH, thread);

        fetch->result = weir_poll_wait(world.poll, world.events[thread], timeout);
        if (fetch->result == 0 && !timeout)
                world_break("a wait for ever that ends with nothing");
        if (fetch->result == -EBUSY)
                close->kind = KIND_NONE;
        history_end(close);
        history_end(fetch);
}

static void call_wait(unsigned thread) {
        call_wait_for(thread, &at_once);
}

static void call_sleep(unsigned thread) {
        call_wait_for(thread, NULL);
}

static void call_next(unsigned thread) {
        struct call *call = begin(KIND_NEXT, thread);

        call->result = weir_events_next(world.events[thread], &call->event);
        if (call->result)
                world.taken[thread] = call->event;
        history_end(call);
}

static void call_clear(unsigned thread) {
        struct call *call = begin(KIND_CLEAR, thread);

        weir_events_clear(world.events[thread]);
        history_end(call);
}

/* ---------------------------------------------------------------- wakes and deferred functions */

static void call_wake(unsigned thread) {
        struct call *call = begin(KIND_WAKE, thread);

        call->result = weir_waker_wake(world.waker);
        history_end(call);
}

static void call_interrupt(unsigned thread) {
        struct call *call = begin(KIND_INTERRUPT, thread);

        call->result = weir_poll_interrupt(world.poll);
        history_end(call);
}

static void run(struct weir_deferred *node) {
        struct deferral *deferral = (struct deferral *)(void *)((char *)node - offsetof(struct deferral, node));

        deferral->runs++;
        deferral->invoked = world.history.invoked;
        deferral->returned = world.history.returned;
        explore_point();
}

static void call_defer(unsigned thread) {
        struct call *call = begin(KIND_DEFER, thread);
        struct deferral *deferral = &world.deferrals[call - world.history.calls];

        deferral->given = 1;
        weir_defer(world.registry, &deferral->node, run);
        history_end(call);
}

static void call_enter(unsigned thread) {
        struct call *call = begin(KIND_ENTER, thread);

        call->result = weir_guard_enter(world.guards[thread]);
        history_end(call);
}

static void call_leave(unsigned thread) {
        struct call *call = begin(KIND_LEAVE, thread);

        weir_guard_leave(world.guards[thread]);
        history_end(call);
}

/* ---------------------------------------------------------------- deadlines and triggers */

static void set_deadline(unsigned thread, weir_time moment) {
        struct call *call = begin(KIND_SET_DEADLINE, thread);

        call->moment = moment;
        call->result = weir_set_deadline(world.registry, NUMBER, moment);
        history_end(call);
}

static void call_set_deadline(unsigned thread) {
        set_deadline(thread, ALPHABET_MOMENT);
}

static void call_set_later(unsigned thread) {
        set_deadline(thread, ALPHABET_LATER);
}

static void call_set_never(unsigned thread) {
        set_deadline(thread, WEIR_NEVER);
}

static void call_set_waker_deadline(unsigned thread) {
        struct call *call = begin(KIND_SET_WAKER_DEADLINE, thread);

        call->moment = ALPHABET_MOMENT;
        call->result = weir_waker_set_deadline(world.waker, call->moment);
        history_end(call);
}

static void call_trigger(unsigned thread) {
        struct call *call = begin(KIND_TRIGGER, thread);

        call->result = weir_trigger(world.registry, NUMBER);
        history_end(call);
}

static void call_trigger_all(unsigned thread) {
        struct call *call = begin(KIND_TRIGGER_ALL, thread);

        call->result = weir_trigger_all(world.registry);
        history_end(call);
}

/* ---------------------------------------------------------------- what the world does */

static void call_time(unsigned thread) {
        struct call *call = begin(KIND_TIME, thread);

        call->moment = kernel_pass_time();
        history_end(call);
}

static void call_ready(unsigned thread) {
        struct call *call = begin(KIND_READY, thread);

        call->interest = EPOLLIN;
        kernel_ready(NUMBER, EPOLLIN);
        history_end(call);
}

static void call_drain(unsigned thread) {
        struct call *call = begin(KIND_DRAIN, thread);

        call->interest = EPOLLIN;
        kernel_drain(NUMBER, EPOLLIN);
        history_end(call);
}

static void call_drain_all(unsigned thread) {
        struct call *call = begin(KIND_DRAIN, thread);

        call->interest = EPOLLIN | EPOLLRDHUP | EPOLLHUP;
        kernel_drain(NUMBER, call->interest);
        history_end(call);
}

static void call_hang_up(unsigned thread) {
        struct call *call = begin(KIND_READY, thread);

        call->interest = EPOLLIN | EPOLLRDHUP | EPOLLHUP;
        kernel_ready(NUMBER, call->interest);
        history_end(call);
}

/* Another file at the same number, which is ready. */
static void call_reuse(unsigned thread) {
        struct call *call = begin(KIND_CLOSE, thread);

        kernel_close(NUMBER);
        history_end(call);
        call = begin(KIND_OPEN, thread);
        call->interest = EPOLLIN;
        kernel_close(NUMBER);
        kernel_open(NUMBER, EPOLLIN);
        history_end(call);
}

static void call_ready_ghost(unsigned thread) {
        struct call *call = begin(KIND_READY, thread);

        call->number = DUPLICATE;
        call->interest = EPOLLIN;
        kernel_ready(DUPLICATE, EPOLLIN);
        history_end(call);
}

static void call_drain_ghost(unsigned thread) {
        struct call *call = begin(KIND_DRAIN, thread);

        call->number = DUPLICATE;
        call->interest = EPOLLIN | EPOLLRDHUP | EPOLLHUP;
        kernel_drain(DUPLICATE, call->interest);
        history_end(call);
}

static void call_duplicate(unsigned thread) {
        struct call *call = begin(KIND_DUP, thread);

        call->number = DUPLICATE;
        kernel_dup(NUMBER, DUPLICATE);
        history_end(call);
}

static void call_return(unsigned thread) {
        struct call *call = begin(KIND_DUP, thread);

        kernel_dup(DUPLICATE, NUMBER);
        history_end(call);
}

static void call_nest(unsigned thread) {
        struct call *call = begin(KIND_NONE, thread);

        call->result = weir_poll_fd(world.poll);
        history_end(call);
}

const struct letter alphabet[] = {
        { 'R', "register", 0, call_register },
        { 'H', "register, held", LETTER_ONESHOT, call_register_held },
        { 'E', "reregister", 0, call_reregister },
        { 'P', "reregister without a direction", 0, call_pause },
        { 'T', "retoken", 0, call_retoken },
        { 'A', "rearm", LETTER_ONESHOT, call_rearm },
        { 'a', "rearm without a direction", LETTER_ONESHOT, call_rearm_paused },
        { 'B', "rearm afresh", LETTER_ONESHOT, call_rearm_afresh },
        { 'D', "disarm", LETTER_ONESHOT, call_disarm },
        { 'U', "deregister", 0, call_deregister },
        { 'V', "deregister by the event taken", LETTER_TAKEN, call_deregister_if },
        { 'C', "close and reuse", 0, call_reuse },
        { 'W', "wait", LETTER_FETCHES, call_wait },
        { 'S', "wait for ever", LETTER_FETCHES, call_sleep },
        { 'N', "next", LETTER_READS, call_next },
        { 'L', "clear", LETTER_READS, call_clear },
        { 'K', "wake", 0, call_wake },
        { 'I', "interrupt", 0, call_interrupt },
        { 'F', "defer", LETTER_DEFERS, call_defer },
        { 'Y', "enter the guard", LETTER_GUARD | LETTER_ENTERS, call_enter },
        { 'y', "leave the guard", LETTER_GUARD | LETTER_LEAVES, call_leave },
        { 'M', "set the deadline", LETTER_OWN | LETTER_SETS, call_set_deadline },
        { 'O', "set the deadline later", LETTER_OWN | LETTER_SETS, call_set_later },
        { 'o', "remove the deadline", LETTER_OWN | LETTER_TIME, call_set_never },
        { 'Q', "set the waker's deadline", LETTER_OWN | LETTER_SETS, call_set_waker_deadline },
        { 'G', "trigger", LETTER_OWN, call_trigger },
        { 'J', "trigger all", LETTER_OWN, call_trigger_all },
        { 't', "time passes", LETTER_OWN | LETTER_TIME, call_time },
        { 'r', "ready", 0, call_ready },
        { 'd', "drain", 0, call_drain },
        { 'h', "hang up", 0, call_hang_up },
        { 'q', "drain, and end the hang-up", LETTER_SPECIAL, call_drain_all },
        { 'u', "duplicate", LETTER_SPECIAL, call_duplicate },
        { 'b', "put the duplicate back", LETTER_SPECIAL, call_return },
        { 'g', "the duplicate is ready", LETTER_SPECIAL, call_ready_ghost },
        { 'z', "drain the duplicate", LETTER_SPECIAL, call_drain_ghost },
        { 'n', "ask for the descriptor of the poll", LETTER_SPECIAL, call_nest },
        { '\0', "", 0, NULL },
};

const struct letter *alphabet_find(char letter) {
        for (const struct letter *l = alphabet; l->run; l++)
                if (l->letter == letter)
                        return l;
        return NULL;
}
