/* SPDX-License-Identifier: MIT */
/*
 * The n-th system call and the n-th allocation fail, with each errno that they can really have, for every n: each
 * scenario is walked with n = 1, 2, ... until the plan finds no call to fire at any more. A call that meets the fault
 * returns that errno or gets along without; what was registered stays as it was (G7); at the end no descriptor and no
 * byte is left (G10). The last rows fail every call from the n-th on, as a machine without memory or descriptors
 * does.
 *
 * The contract programs themselves are not run in this way: they want each call to succeed, so a fault would only end
 * them at their first assertion. The scenarios make the same calls and can tell a refusal from a mistake. Two errnos
 * stay behind the seam, and tests/unit/reactor/sys.c makes them: EAGAIN of a full eventfd, and ENOSYS or EPERM of
 * epoll_pwait2, which pwait2.c here takes through whole waits. Read run() first, then walk.h.
 */
#include "walk.h"

#define EVERY  ((int64_t)-1)
#define NS     ((int64_t)1)
#define MS     ((int64_t)1000000)
#define RW     (WEIR_READABLE | WEIR_WRITABLE)
#define COPIES 3

/* Each mode is registered, changed to each other one, taken away and registered anew. */
static void modes(struct walk *walk) {
        static const weir_interest interests[] = {
                WEIR_READABLE,
                RW | WEIR_LEVEL,
                WEIR_READABLE | WEIR_ONESHOT,
                WEIR_READABLE | WEIR_EXCLUSIVE,
                WEIR_READABLE | WEIR_LEVEL,
                RW | WEIR_ONESHOT,
        };

        for (unsigned i = 0; i < PLACES; i++)
                walk_register(walk, i, interests[i]);
        walk_verify(walk);
        walk_register(walk, 1, WEIR_READABLE);
        for (unsigned step = 1; step < ARRAY_LEN(interests); step++)
                for (unsigned i = 0; i < 3; i++)
                        walk_reregister(walk, i, interests[(i + step) % PLACES] & ~WEIR_EXCLUSIVE);
        walk_verify(walk);
        for (unsigned i = 0; i < PLACES; i++) {
                walk_retoken(walk, i);
                walk_rearm(walk, i, WEIR_READABLE);
                walk_rearm(walk, i, RW);
        }
        walk_verify(walk);
        for (unsigned i = 0; i < 3; i++) {
                walk_reregister(walk, i, WEIR_READABLE | WEIR_ONESHOT);
                walk_rearm(walk, i, WEIR_WRITABLE);
        }
        walk_verify(walk);
        for (unsigned i = 0; i < PLACES; i++) {
                walk_deregister(walk, i);
                if (i % 2)
                        walk_register(walk, i, interests[PLACES - 1 - i]);
        }
        walk_verify(walk);
        walk_verify(walk);
}

/* The registration that stood before a refused change still stands, in an open batch too. */
static void batches(struct walk *walk) {
        struct note now = { 0 }, later = { 0 };
        weir_epoch epoch;
        bool open;

        for (unsigned i = 0; i < PLACES; i++) {
                walk_register(walk, i, WEIR_READABLE | (i % 3 == 1 ? WEIR_LEVEL : i % 3 == 2 ? WEIR_ONESHOT : 0));
                put(walk->places[i].peer);
        }
        weir_defer(walk->registry, &now.node, note_run);
        WANT(walk, note_runs(&now) == 1);
        for (unsigned round = 0; round < 2 * PLACES; round++) {
                /* Two events fit and one is read; the calls meet the other one unread. */
                open = walk_wait(walk, walk->narrow, 0) > 0;
                walk_read(walk, walk->narrow, 1);
                epoch = weir_epoch_now(walk->registry);
                atomic_store(&later.runs, 0);
                weir_defer(walk->registry, &later.node, note_run);
                WANT(walk, note_runs(&later) == !open && weir_epoch_passed(walk->registry, epoch) == !open);
                walk_reregister(walk, round % PLACES, round % 2 ? WEIR_READABLE : RW | WEIR_ONESHOT);
                walk_rearm(walk, (round + 1) % PLACES, WEIR_READABLE);
                walk_rearm(walk, (round + 2) % PLACES, RW);
                if (round % 4 == 3)
                        walk_read(walk, walk->narrow, 2);
                WANT(walk, weir_synchronize(walk->registry) == (open ? -EDEADLK : 0));
                weir_events_clear(walk->narrow);
                WANT(walk, note_runs(&later) == 1 && weir_epoch_passed(walk->registry, epoch));
                WANT(walk, weir_synchronize(walk->registry) == 0);
        }
        walk_verify(walk);
}

/* More wakers than the first piece of their table holds. */
static void wakers(struct walk *walk) {
        struct weir_waker *crowd[70] = { NULL };

        for (unsigned i = 0; i < ARRAY_LEN(crowd); i++)
                if (!walk_allowed(walk, weir_waker_create(walk->registry, 0, &crowd[i])))
                        WANT(walk, !crowd[i]);
        for (unsigned round = 0; round < 2; round++)
                for (unsigned i = 0; i < WAKERS; i++) {
                        if (!walk_waker(walk, i))
                                continue;
                        WANT(walk, weir_waker_wake(walk->wakers[i]) == 0);
                        WANT(walk, weir_waker_wake(walk->wakers[i]) == 0);
                        WANT(walk, walk_wait(walk, walk->events, round ? EVERY : MS) == 1);
                        walk_read(walk, walk->events, BATCH);
                        WANT(walk, walk->wakes_seen[i] == 1);
                        WANT(walk, weir_waker_wake(walk->wakers[i]) == 0);
                        WANT(walk, walk_wait(walk, walk->events, EVERY) == 1);
                        /* Fetched, and gone before it is read. */
                        weir_waker_destroy(walk->wakers[i]);
                        walk->wakers[i] = NULL;
                        WANT(walk, walk_read(walk, walk->events, BATCH) == 0);
                }
        for (unsigned i = 0; i < ARRAY_LEN(crowd); i++)
                weir_waker_destroy(crowd[i]);
}

/* Waits of every length, with nothing to fetch, and the endless one. */
static void timeouts(struct walk *walk) {
        static const int64_t lengths[] = { 0, NS, MS - 1, MS, MS + MS / 2, 2 * MS };

        walk_register(walk, 0, WEIR_READABLE);
        for (unsigned i = 0; i < ARRAY_LEN(lengths); i++) {
                uint64_t began = now_ns();

                WANT(walk, walk_wait(walk, walk->events, lengths[i]) == 0);
                WANT(walk, now_ns() - began >= (uint64_t)lengths[i]);
                WANT(walk, weir_events_is_empty(walk->events));
        }
        put(walk->places[0].peer);
        if (walk->places[0].registered)
                WANT(walk, walk_wait(walk, walk->events, EVERY) == 1 && walk_read(walk, walk->events, BATCH) == 1);
        walk_verify(walk);
}

/* What was set before stays, whatever is refused: another first one, a change of the registration, the poll's descriptor. */
static void deadlines(struct walk *walk) {
        unsigned timeouts[PLACES] = { 0 }, triggers[PLACES] = { 0 };
        bool has_one[PLACES] = { false };
        int outer;

        for (unsigned i = 0; i < PLACES; i++)
                walk_register(walk, i, i % 2 ? WEIR_READABLE : WEIR_READABLE | WEIR_LEVEL);
        for (unsigned round = 0; round < 3; round++) {
                for (unsigned i = 0; i < PLACES; i++) {
                        int fd = walk->places[i].fd, r;

                        if (!walk->places[i].registered)
                                continue;
                        /* It has passed already. Only a number that never had one needs memory. */
                        r = weir_set_deadline(walk->registry, fd, 1);
                        WANT(walk, r == 0 || !has_one[i]);
                        has_one[i] = walk_allowed(walk, r);
                        WANT(walk, weir_trigger(walk->registry, fd) == 0);
                        timeouts[i] += has_one[i];
                        triggers[i]++;
                }
                for (unsigned i = 0; round == 1 && i < PLACES; i++)
                        walk_reregister(walk, i, WEIR_READABLE);
                if (round == 2) {
                        outer = weir_poll_fd(walk->poll);
                        walk_allowed(walk, outer < 0 ? outer : 0);
                }
                while (walk_wait(walk, walk->narrow, 0) > 0)
                        walk_read(walk, walk->narrow, 2);
                for (unsigned i = 0; i < PLACES; i++)
                        WANT(walk, walk->places[i].timeouts == timeouts[i] && walk->places[i].triggers == triggers[i]);
        }
}

/* An outer set hears each kind of readiness, and goes on hearing after a refused call. */
static void nesting(struct walk *walk) {
        bool woke;
        int fd, r;

        walk_register(walk, 0, WEIR_READABLE);
        woke = walk_waker(walk, 0);
        fd = weir_poll_fd(walk->poll);
        if (!walk_allowed(walk, fd)) {
                walk_verify(walk);
                fd = weir_poll_fd(walk->poll);
                if (!walk_allowed(walk, fd))
                        return;
        }
        WANT(walk, weir_registry_fd(walk->registry) == fd);
        r = weir_register(walk->registry, fd, 1, WEIR_READABLE);
        WANT(walk, r == -EINVAL);
        for (unsigned round = 0; round < 3; round++) {
                while (walk_wait(walk, walk->events, 0) > 0)
                        walk_read(walk, walk->events, BATCH);
                put(walk->places[0].peer);
                if (walk->places[0].registered) {
                        WANT(walk, polls_readable(fd, DEADLINE_MS));
                        WANT(walk, walk_wait(walk, walk->events, 0) == 1);
                        walk_read(walk, walk->events, BATCH);
                }
                if (woke) {
                        WANT(walk, weir_waker_wake(walk->wakers[0]) == 0);
                        WANT(walk, polls_readable(fd, DEADLINE_MS));
                        WANT(walk, walk_wait(walk, walk->events, 0) == 1);
                        walk_read(walk, walk->events, BATCH);
                        WANT(walk, walk->wakes_seen[0] == round + 1);
                }
        }
        walk_verify(walk);
}

/*
 * Level-triggered ghosts beside the living, with an outer set looking on. The move to a new set may stop at any of its
 * calls; everything must go on as if it had not begun. EPOLL_CTL_DEL fails here only when the user
 * closed the descriptor, and so does EPOLL_CTL_ADD, but for want of room: then the kernel's word counts, and at most that one
 * registration is over.
 */
static void ghosts(struct walk *walk) {
        int copies[COPIES], fd;

        walk->may_vanish = walk->kinds == FAULT_DEL ||
                           (walk->kinds == FAULT_ADD && walk->error != ENOMEM && walk->error != ENOSPC);
        fd = weir_poll_fd(walk->poll);
        if (!walk_allowed(walk, fd))
                fd = -1;
        for (unsigned i = 1; i < PLACES; i++)
                walk_register(walk, i, WEIR_READABLE | (i == 1 ? WEIR_LEVEL : i == 2 ? WEIR_ONESHOT : 0));
        for (unsigned round = 0; round < COPIES; round++) {
                walk_ghost(walk, 0, &copies[round]);
                walk_wait(walk, walk->narrow, 0);
                walk_read(walk, walk->narrow, 1);
                walk_wait(walk, walk->narrow, 0);
                walk_wait(walk, walk->events, MS);
                walk_read(walk, walk->events, BATCH);
                walk_rearm(walk, 2, RW);
                walk_reregister(walk, 3, round % 2 ? WEIR_READABLE : RW | WEIR_LEVEL);
                walk_deregister(walk, 4);
                walk_register(walk, 4, WEIR_READABLE | WEIR_ONESHOT);
                walk_register(walk, 0, WEIR_READABLE);
                walk_verify(walk);
                walk_deregister(walk, 0);
                for (unsigned waits = 0; waits < 4; waits++) {
                        walk_wait(walk, walk->narrow, 0);
                        walk_read(walk, walk->narrow, 2);
                }
                walk_verify(walk);
        }
        weir_events_clear(walk->events);
        weir_events_clear(walk->narrow);
        if (fd >= 0 && walk->places[5].registered && !walk->may_vanish) {
                put(walk->places[5].peer);
                WANT(walk, polls_readable(fd, DEADLINE_MS));
        }
        walk_verify(walk);
        if (!walk->lasting && !walk->may_vanish) {
                /* One failure does not keep the ghosts for ever: a second later they are gone. */
                uint64_t stale;

                walk_deregister(walk, 3); /* it is ready all the time, and a ghost behind it does no harm */
                for (unsigned waits = 0; waits < 6; waits++) {
                        if (waits % 3 == 0)
                                fault_pass_time(1000 * MS); /* once more, for the call may be one of these */
                        walk_wait(walk, walk->events, 0);
                        walk_read(walk, walk->events, BATCH);
                }
                stale = stats_of(walk->registry).stale;
                for (unsigned waits = 0; waits < 3; waits++) {
                        walk_wait(walk, walk->events, 0);
                        walk_read(walk, walk->events, BATCH);
                }
                WANT(walk, stats_of(walk->registry).stale == stale);
        }
        for (unsigned round = 0; round < COPIES; round++)
                if (copies[round] >= 0)
                        close(copies[round]);
}

/* The parts end before the whole, in every order, with a batch open and a function waiting for it. */
static void lifetimes(struct walk *walk) {
        struct weir_registry *clone = weir_registry_clone(walk->registry);
        struct note note = { 0 };
        unsigned order = (unsigned)(walk->n % 3);
        bool woke;

        for (unsigned i = 0; i < PLACES; i++)
                walk_register(walk, i, WEIR_READABLE | (i % 2 ? WEIR_ONESHOT : 0));
        woke = walk_waker(walk, 0);
        for (unsigned i = 0; i < PLACES; i++)
                put(walk->places[i].peer);
        bool open = walk_wait(walk, walk->events, 0) > 0;
        if (order == 0)
                weir_poll_destroy(walk->poll);
        weir_defer(clone, &note.node, note_run);
        WANT(walk, note_runs(&note) == !open);
        if (order == 1)
                weir_poll_destroy(walk->poll);
        walk_deregister(walk, 0);
        if (order == 2) {
                weir_events_destroy(walk->events);
                weir_poll_destroy(walk->poll);
                walk->events = NULL;
        } else {
                WANT(walk, !open || note_runs(&note) == 0);
                WANT(walk, walk_read(walk, walk->events, BATCH) == 0);
                weir_events_clear(walk->events);
        }
        WANT(walk, note_runs(&note) == 1);
        WANT(walk, weir_register(clone, walk->places[0].fd, 1, WEIR_READABLE) == -ESHUTDOWN);
        WANT(walk, weir_reregister(clone, walk->places[1].fd, 1, WEIR_READABLE) == -ESHUTDOWN);
        WANT(walk, weir_registry_fd(clone) == -ESHUTDOWN);
        if (woke)
                WANT(walk, weir_waker_wake(walk->wakers[0]) == -ESHUTDOWN);
        WANT(walk, weir_synchronize(clone) == 0);
        for (unsigned i = 1; i < PLACES; i++) {
                walk->registry = clone;
                walk_deregister(walk, i);
        }
        weir_registry_release(clone);
        walk->poll = NULL;
}

/* ---------------------------------------------------------------- the loop over n */

struct fault {
        const char *kind;
        unsigned kinds;
        int errors[8];
        bool lasting;
};

static const struct fault faults[] = {
        { "epoll_create", FAULT_CREATE, { EMFILE, ENFILE, ENOMEM }, false },
        { "eventfd", FAULT_EVENTFD, { EMFILE, ENFILE, ENOMEM }, false },
        { "EPOLL_CTL_ADD", FAULT_ADD, { ENOMEM, ENOSPC, EBADF, EEXIST, EPERM, ELOOP }, false },
        { "EPOLL_CTL_MOD", FAULT_MOD, { ENOMEM, ENOENT, EBADF }, false },
        { "EPOLL_CTL_DEL", FAULT_DEL, { ENOENT, EBADF }, false },
        { "epoll_wait", FAULT_WAIT, { EINTR }, false },
        { "dup3", FAULT_REPLACE, { EBUSY, EMFILE }, false },
        { "a reading of /proc", FAULT_ENTRIES, { ENOENT, EMFILE, EACCES }, false },
        { "a nap", FAULT_NAP, { EINTR }, false },
        { "the making of a timer", FAULT_TIMER, { EMFILE, ENFILE, ENOMEM }, false },
        { "an allocation", FAULT_ALLOC, { ENOMEM }, false },
        { "the page of the life word", FAULT_LIFE, { ENOMEM }, false },
        { "EPOLL_CTL_ADD", FAULT_ADD, { ENOMEM, ENOSPC }, true },
        { "EPOLL_CTL_MOD", FAULT_MOD, { ENOMEM }, true },
        { "an allocation", FAULT_ALLOC | FAULT_LIFE, { ENOMEM }, true },
        { "dup3", FAULT_REPLACE, { EMFILE }, true },
        { "a reading of /proc", FAULT_ENTRIES, { ENOENT }, true },
        { "what makes a descriptor", FAULT_CREATE | FAULT_EVENTFD, { EMFILE }, true },
        { "what takes memory",
          FAULT_CREATE | FAULT_EVENTFD | FAULT_ADD | FAULT_MOD | FAULT_ALLOC | FAULT_LIFE,
          { ENOMEM },
          true },
};

/* One walk. Returns how many calls were made to fail. */
static uint64_t walk_once(const char *name, void (*scenario)(struct walk *), const struct fault *fault, int error,
                          uint64_t n) {
        struct walk walk = { .scenario = name,
                             .kind = fault->kind,
                             .kinds = fault->kinds,
                             .error = error,
                             .n = n,
                             .lasting = fault->lasting };
        unsigned open_before = count_descriptors();
        uint64_t held_before = fault_memory();

        walk_plan(&walk);
        if (walk_begin(&walk)) {
                scenario(&walk);
                walk_end(&walk);
        }
        walk.fired += fault_off();
        WANT(&walk, walk.refused <= walk.fired + walk.vanished);
        WANT(&walk, count_descriptors() == open_before);
        WANT(&walk, fault_memory() == held_before);
        return walk.fired;
}

static void run(const char *name, void (*scenario)(struct walk *)) {
        uint64_t walks = 0, fired = 0, deepest = 0, r;

        for (unsigned f = 0; f < ARRAY_LEN(faults); f++)
                for (unsigned e = 0; e < ARRAY_LEN(faults[f].errors) && faults[f].errors[e]; e++) {
                        uint64_t n = 0;

                        do {
                                r = walk_once(name, scenario, &faults[f], faults[f].errors[e], ++n);
                                fired += r;
                                walks++;
                        } while (r);
                        deepest = n > deepest ? n : deepest;
                }
        print_message("%s: %llu walks, %llu calls failed, up to call %llu\n", name, (unsigned long long)walks,
                      (unsigned long long)fired, (unsigned long long)deepest - 1);
        assert_true(fired > 0);
}

#define SCENARIO(name)                                   \
        static void g7_g10_##name##_hold(void **state) { \
                (void)state;                             \
                alarm(120);                              \
                run(#name, name);                        \
                alarm(0);                                \
        }

SCENARIO(modes)
SCENARIO(batches)
SCENARIO(wakers)
SCENARIO(timeouts)
SCENARIO(deadlines)
SCENARIO(nesting)
SCENARIO(ghosts)
SCENARIO(lifetimes)

int main(void) {
        const struct CMUnitTest cases[] = {
                cmocka_unit_test(g7_g10_modes_hold),     cmocka_unit_test(g7_g10_batches_hold),
                cmocka_unit_test(g7_g10_wakers_hold),    cmocka_unit_test(g7_g10_timeouts_hold),
                cmocka_unit_test(g7_g10_deadlines_hold), cmocka_unit_test(g7_g10_nesting_hold),
                cmocka_unit_test(g7_g10_ghosts_hold),    cmocka_unit_test(g7_g10_lifetimes_hold),
        };

        return cmocka_run_group_tests_name("fault", cases, NULL, NULL);
}
