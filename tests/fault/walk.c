/* SPDX-License-Identifier: MIT */
/*
 * The book of a walk: see walk.h. Read walk_read() first, it is where an event that should not be is found, and then
 * walk_verify(), which finds one that should be and is not.
 */
#include "walk.h"

#define MANY_WAITS 200

void walk_fail(const struct walk *walk, int line, const char *expr) {
        fail_msg("%s: line %d: %s, when call %llu%s of %s fails with %s", walk->scenario, line, expr,
                 (unsigned long long)walk->n, walk->lasting ? " and each after it" : "", walk->kind,
                 strerror(walk->error));
}

bool walk_allowed(struct walk *walk, int r) {
        if (r >= 0)
                return true;
        WANT(walk, r == -walk->error);
        walk->refused++;
        return false;
}

void walk_plan(struct walk *walk) {
        walk->counted = fault_count(walk->kinds);
        if (walk->lasting)
                fault_from(walk->kinds, walk->n > walk->passed ? walk->n - walk->passed : 1, walk->error);
        else
                fault_at(walk->kinds, walk->n, walk->error);
}

/*
 * A lasting plan rests while the book is compared. One that fails a single call goes on: the waits of the book may
 * meet it.
 */
static void rest(struct walk *walk) {
        if (!walk->lasting)
                return;
        walk->fired += fault_off();
        walk->passed += fault_count(walk->kinds) - walk->counted;
}

static void resume(struct walk *walk) {
        if (walk->lasting)
                walk_plan(walk);
}

static bool refused(struct walk *walk, int r) {
        /* The descriptor that was called closed is in no set; the library learns it from the kernel. */
        if (walk->may_vanish && r == -ENOENT)
                walk->vanished++;
        else if (walk_allowed(walk, r))
                return false;
        walk_verify(walk);
        return true;
}

/* ---------------------------------------------------------------- beginning and end */

bool walk_begin(struct walk *walk) {
        int pair[2];

        for (unsigned i = 0; i < PLACES; i++)
                walk->places[i].fd = walk->places[i].peer = -1;
        walk->next_token = 1;
        if (!walk_allowed(walk, weir_poll_create(&walk->poll)))
                WANT(walk, !walk->poll);
        else if (!walk_allowed(walk, weir_events_create(BATCH, &walk->events)))
                WANT(walk, !walk->events);
        else if (!walk_allowed(walk, weir_events_create(2, &walk->narrow)))
                WANT(walk, !walk->narrow);
        if (!walk->narrow) {
                walk_end(walk);
                return false;
        }
        walk->registry = weir_poll_registry(walk->poll);
        for (unsigned i = 0; i < PLACES; i++) {
                make_socketpair(pair);
                /* One in each segment of the table: each may be refused its memory. */
                if (i >= 2)
                        move_descriptor(pair[0], 50 << i);
                walk->places[i].fd = i >= 2 ? 50 << i : pair[0];
                walk->places[i].peer = pair[1];
        }
        return true;
}

void walk_end(struct walk *walk) {
        for (unsigned i = 0; i < PLACES; i++) {
                if (walk->places[i].registered)
                        walk_deregister(walk, i);
                if (walk->places[i].fd >= 0)
                        close_pair((int[]){ walk->places[i].fd, walk->places[i].peer });
        }
        for (unsigned i = 0; i < WAKERS; i++)
                weir_waker_destroy(walk->wakers[i]);
        weir_events_destroy(walk->narrow);
        weir_poll_destroy(walk->poll);
        weir_events_destroy(walk->events);
}

/* ---------------------------------------------------------------- calls */

static void book(struct walk *walk, unsigned i, weir_interest interest) {
        struct place *place = &walk->places[i];

        place->registered = true;
        place->token = walk->next_token;
        place->interest = interest;
        place->must_write = false;
        place->armed = interest & WEIR_ONESHOT ? interest & (WEIR_READABLE | WEIR_WRITABLE) : 0;
}

bool walk_register(struct walk *walk, unsigned i, weir_interest interest) {
        struct place *place = &walk->places[i];

        walk->next_token++;
        if (place->registered) {
                int r = weir_register(walk->registry, place->fd, walk->next_token, interest);

                WANT(walk, r == -EEXIST || r == -walk->error);
                walk->refused += r != -EEXIST;
                return false;
        }
        if (refused(walk, weir_register(walk->registry, place->fd, walk->next_token, interest)))
                return false;
        book(walk, i, interest);
        return true;
}

bool walk_reregister(struct walk *walk, unsigned i, weir_interest interest) {
        struct place *place = &walk->places[i];
        int r;

        walk->next_token++;
        r = weir_reregister(walk->registry, place->fd, walk->next_token, interest);
        if (!place->registered || place->interest & WEIR_EXCLUSIVE) {
                WANT(walk, r == (place->registered ? -EINVAL : -ENOENT));
                return false;
        }
        if (refused(walk, r))
                return false;
        book(walk, i, interest);
        return true;
}

bool walk_rearm(struct walk *walk, unsigned i, weir_interest interest) {
        struct place *place = &walk->places[i];
        int r;

        r = weir_rearm(walk->registry, place->fd, interest);
        if (!place->registered || !(place->interest & WEIR_ONESHOT)) {
                WANT(walk, r == (place->registered ? -EINVAL : -ENOENT));
                return false;
        }
        if (refused(walk, r))
                return false;
        place->armed = interest;
        place->must_write = interest & ~place->interest & WEIR_WRITABLE;
        place->interest |= interest;
        return true;
}

bool walk_retoken(struct walk *walk, unsigned i) {
        struct place *place = &walk->places[i];
        int r;

        r = weir_retoken(walk->registry, place->fd, ++walk->next_token);
        WANT(walk, r == (place->registered ? 0 : -ENOENT)); /* nothing in it can fail */
        if (place->registered)
                place->token = walk->next_token;
        return !r;
}

void walk_deregister(struct walk *walk, unsigned i) {
        struct place *place = &walk->places[i];

        /* It has nothing to be refused for, whatever the kernel says. */
        WANT(walk, weir_deregister(walk->registry, place->fd) == (place->registered ? 0 : -ENOENT));
        place->registered = false;
}

bool walk_waker(struct walk *walk, unsigned i) {
        walk->wakes_seen[i] = 0;
        walk->wake_tokens[i] = ++walk->next_token;
        if (refused(walk, weir_waker_create(walk->registry, walk->next_token, &walk->wakers[i]))) {
                WANT(walk, !walk->wakers[i]);
                return false;
        }
        return true;
}

bool walk_ghost(struct walk *walk, unsigned i, int *ret_copy) {
        struct place *place = &walk->places[i];
        int pair[2];

        *ret_copy = -1;
        if (!walk_register(walk, i, WEIR_READABLE | WEIR_LEVEL))
                return false;
        put(place->peer);
        *ret_copy = fcntl(place->fd, F_DUPFD_CLOEXEC, 0);
        WANT(walk, *ret_copy >= 0);
        close(place->peer);
        make_socketpair(pair);
        move_descriptor(pair[0], place->fd);
        place->peer = pair[1];
        place->registered = false;
        /* Deregistering after the number was reused ends the old registration, and leaves the ghost. */
        WANT(walk, weir_deregister(walk->registry, place->fd) == 0);
        return true;
}

int walk_wait(struct walk *walk, struct weir_events *events, int64_t timeout_ns) {
        struct timespec ts = { .tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000 };
        int r;

        while ((r = weir_poll_wait(walk->poll, events, timeout_ns < 0 ? NULL : &ts)) < 0) {
                WANT(walk, r == -EINTR && walk->kinds & (FAULT_WAIT | FAULT_NAP) && walk->error == EINTR);
                WANT(walk, weir_events_is_empty(events));
                walk->refused++;
                WANT(walk, walk->refused < MANY_WAITS);
        }
        return r;
}

/* ---------------------------------------------------------------- comparing */

static void look_up(struct walk *walk, const struct weir_event *event) {
        for (unsigned i = 0; i < WAKERS; i++)
                if (walk->wakers[i] && event->token == walk->wake_tokens[i]) {
                        walk->wakes_seen[i]++;
                        return;
                }
        for (unsigned i = 0; i < PLACES; i++) {
                struct place *place = &walk->places[i];
                uint32_t asked = place->interest & WEIR_ONESHOT ? place->armed : place->interest;

                if (!place->registered || event->token != place->token)
                        continue;
                WANT(walk, !(place->interest & WEIR_ONESHOT) || place->armed);
                WANT(walk, !(event->readiness & (EPOLLIN | EPOLLOUT | EPOLLPRI) & ~asked));
                WANT(walk, event->readiness);
                place->armed = 0;
                place->must_write = false;
                place->seen |= event->readiness;
                place->timeouts += weir_event_is_timeout(event);
                place->triggers += weir_event_is_triggered(event);
                return;
        }
        WANT(walk, !"an event under a token that nothing has");
}

unsigned walk_read(struct walk *walk, struct weir_events *events, unsigned max) {
        struct weir_event event;
        unsigned n = 0;

        while (n < max && weir_events_next(events, &event)) {
                look_up(walk, &event);
                n++;
        }
        return n;
}

/* What a place must be heard to say once a byte was sent to it. */
static bool has_spoken(const struct place *place, bool was_armed) {
        if (!place->registered)
                return true;
        if (place->interest & WEIR_ONESHOT)
                return (!was_armed || place->seen) && !place->must_write;
        if (place->interest & WEIR_READABLE && !(place->seen & EPOLLIN))
                return false;
        return !(place->interest & WEIR_LEVEL && place->interest & WEIR_WRITABLE && !(place->seen & EPOLLOUT));
}

/* The library was told that it is closed, so it may be registered anew once it is deregistered. */
static void begin_anew(struct walk *walk, unsigned i) {
        weir_interest interest = walk->places[i].interest;

        walk->may_vanish = false;
        walk_deregister(walk, i);
        WANT(walk, walk_register(walk, i, interest));
}

void walk_verify(struct walk *walk) {
        bool was_armed[PLACES];
        unsigned silent, waits = 0, last = 0;

        rest(walk);
        for (unsigned i = 0; i < PLACES; i++) {
                was_armed[i] = walk->places[i].armed & WEIR_READABLE;
                walk->places[i].seen = 0;
                put(walk->places[i].peer);
        }
        do {
                walk_wait(walk, walk->events, 0);
                walk_read(walk, walk->events, BATCH);
                weir_events_clear(walk->events);
                /* What an open batch holds unread comes from there, and may be all that the kernel has to say. */
                walk_read(walk, walk->narrow, BATCH);
                silent = 0;
                for (unsigned i = 0; i < PLACES; i++)
                        if (!has_spoken(&walk->places[i], was_armed[i])) {
                                silent++;
                                last = i;
                        }
        } while (silent > walk->may_vanish && ++waits < MANY_WAITS);
        WANT(walk, silent <= walk->may_vanish);
        for (unsigned i = 0; i < PLACES; i++)
                drain(walk->places[i].fd);
        if (silent) {
                begin_anew(walk, last);
                walk_verify(walk);
        }
        for (unsigned i = 0; i < PLACES; i++) {
                struct place *place = &walk->places[i];
                weir_interest directions = place->interest & (WEIR_READABLE | WEIR_WRITABLE);

                if (place->registered && place->interest & WEIR_ONESHOT && !place->armed) {
                        int r = weir_rearm(walk->registry, place->fd, directions);

                        if (walk->may_vanish && r == -ENOENT) {
                                begin_anew(walk, i);
                                continue;
                        }
                        /* The plan may fail the one call that it makes; not twice. */
                        WANT(walk, walk_allowed(walk, r) || weir_rearm(walk->registry, place->fd, directions) == 0);
                        place->armed = directions;
                }
        }
        resume(walk);
}
