/* SPDX-License-Identifier: MIT */
/*
 * The changing threads. They register, change, close, reuse, reopen and deregister descriptors of three kinds, leave
 * ghosts behind, and make, wake and destroy wakers. A spot holds a descriptor and belongs to whoever sets its busy
 * bit, so the calls about one descriptor come from all threads, one after another.
 *
 * Half of the registrations are quiet: nothing makes them ready. An event under the token of a quiet one was meant
 * for an older registration of the number. Of the others, each that must be seen is waited for, now or before it
 * ends.
 */
#include <sys/eventfd.h>

#include "torture.h"

#define SEEN_MS \
        (FILTER_OFF ? 20 : DEADLINE_MS) /* a stale event may take the place of a true one when the filter is off */

static unsigned draw(struct churner *c, unsigned n) {
        return torture_draw(&c->random, n);
}

static void set_fate(int fd, enum fate fate) {
        atomic_store_explicit(&torture_numbers[fd].fate, (int)fate, memory_order_relaxed);
}

/* ---------------------------------------------------------------- descriptors */

static int open_kind(unsigned kind, int *ret_fd, int *ret_peer) {
        int fds[2] = { -1, -1 };

        if (kind == 0)
                REQUIRE(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
        else if (kind == 1)
                REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
        else
                REQUIRE((fds[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) >= 0);
        REQUIRE(fds[0] < NUMBERS && fds[1] < NUMBERS);
        *ret_fd = fds[0];
        *ret_peer = fds[1];
        return 0;
}

/* New descriptors, and a duplicate of an old one unless copy_of is -1, while no closed number is still registered. */
static int open_some(struct churner *c, int copy_of, int *ret_fd, int *ret_peer, int *ret_copy) {
        int r = 0;

        pthread_rwlock_rdlock(&c->torture->numbers);
        if (ret_fd)
                r = open_kind(draw(c, 3), ret_fd, ret_peer);
        if (copy_of >= 0)
                *ret_copy = fcntl(copy_of, F_DUPFD_CLOEXEC, 0);
        pthread_rwlock_unlock(&c->torture->numbers);
        REQUIRE(r == 0 && (copy_of < 0 || *ret_copy >= 0));
        return 0;
}

static void make_ready(struct spot *spot) {
        if (spot->peer < 0)
                ring(spot->fd);
        else
                put(spot->peer);
}

static void close_number(int fd) {
        if (fd < 0)
                return;
        set_fate(fd, CLOSED);
        close(fd);
}

/* A duplicate that keeps a registration alive in the kernel, with what makes it ready. */
static void ghost_keep(struct churner *c, int copy, int peer) {
        int *ghost = c->ghosts[c->next_ghost++ % GHOSTS];

        close_number(ghost[0]);
        close_number(ghost[1]);
        ghost[0] = copy;
        ghost[1] = peer;
        c->ghosts_made += copy >= 0;
}

/* ---------------------------------------------------------------- what must be seen */

/* seen is the count of the record before what must be seen could come. */
static void set_due(struct churner *c, struct spot *spot, unsigned seen) {
        spot->due = true;
        spot->seen = seen;
        spot->former_seen = spot->former ? record_seen(spot->former) : 0;
        c->due++;
}

static bool was_seen(const struct spot *spot) {
        return record_seen(spot->record) != spot->seen ||
               (spot->former && record_seen(spot->former) != spot->former_seen);
}

static void drop_former(struct churner *c, struct spot *spot) {
        if (spot->former)
                record_give_up(c, spot->former);
        spot->former = NULL;
}

/* Until the deadline, which means that it is lost, or until somebody else has lost what was due. */
static bool is_patient(struct churner *c, uint64_t end) {
        if (atomic_load_explicit(&c->torture->given_up, memory_order_relaxed))
                return false;
        if (now_ns() < end)
                return true;
        if (!FILTER_OFF) {
                c->lost++;
                atomic_fetch_add_explicit(&c->torture->given_up, 1, memory_order_relaxed);
        }
        return false;
}

/* Returns whether what was due, if anything, was seen. */
static bool await_due(struct churner *c, struct spot *spot) {
        uint64_t end = now_ns() + UINT64_C(1000000) * SEEN_MS;
        bool seen = true;

        while (spot->due && !was_seen(spot)) {
                if (!is_patient(c, end)) {
                        seen = false;
                        break;
                }
                sched_yield();
        }
        c->met += spot->due && seen;
        spot->fired |= spot->due && seen;
        spot->due = false;
        drop_former(c, spot);
        /* Else the next waits bring it again and again, and nobody sleeps. */
        if (spot->mode == WEIR_LEVEL)
                drain(spot->fd);
        return seen;
}

/* ---------------------------------------------------------------- begin */

/* The spot's descriptor under a new record. Quiet only if nothing makes it ready. */
static int spot_register(struct churner *c, struct spot *spot, bool quiet) {
        const weir_interest modes[] = { 0, 0, 0, WEIR_ONESHOT, WEIR_ONESHOT, WEIR_LEVEL };
        bool before = !quiet && draw(c, 2), after = !quiet && (!before || draw(c, 2));

        spot->mode = modes[draw(c, ARRAY_LEN(modes))];
        spot->record = record_begin(c, (unsigned)spot->fd, quiet, spot->mode == WEIR_ONESHOT);
        spot->due = spot->fired = false;
        REQUIRE(spot->record);
        if (before)
                make_ready(spot);
        REQUIRE(weir_register(c->registry, spot->fd, spot->record->body[0], WEIR_READABLE | spot->mode) == 0);
        if (quiet)
                return 0;
        set_due(c, spot, 0);
        yield_here();
        if (after)
                make_ready(spot);
        return 0;
}

static int spot_open(struct churner *c, struct spot *spot) {
        struct number *number;
        int r;

        r = open_some(c, -1, &spot->fd, &spot->peer, NULL);
        if (r)
                return r;
        number = &torture_numbers[spot->fd];
        if (atomic_load_explicit(&number->fate, memory_order_relaxed) == CLOSED)
                set_fate(spot->fd, REOPENED);
        return spot_register(c, spot, draw(c, 2));
}

/* ---------------------------------------------------------------- end */

/* About to make the call that ends it. */
static struct record *ending(struct churner *c, struct spot *spot) {
        if (draw(c, 2))
                await_due(c, spot);
        atomic_store_explicit(&spot->record->ending, true, memory_order_relaxed);
        return spot->record;
}

/* It has returned. */
static void has_ended(struct churner *c, struct spot *spot, struct record *record) {
        record_ended(c, record);
        drop_former(c, spot);
        record_give_up(c, record);
        if (spot->record == record)
                spot->record = NULL;
}

static int end_then_close(struct churner *c, struct spot *spot) {
        struct record *record = ending(c, spot);

        set_fate(spot->fd, KEPT);
        REQUIRE(weir_deregister(c->registry, spot->fd) == 0);
        has_ended(c, spot, record);
        close_number(spot->fd);
        close_number(spot->peer);
        return 0;
}

/* Deregistered when the kernel has nothing to remove, or, with a duplicate alive, cannot. */
static int close_then_end(struct churner *c, struct spot *spot, bool ghost) {
        struct record *record = ending(c, spot);
        int copy = -1, r;

        if (ghost)
                REQUIRE(open_some(c, spot->fd, NULL, NULL, &copy) == 0);
        pthread_rwlock_wrlock(&c->torture->numbers);
        close_number(spot->fd);
        yield_here();
        r = weir_deregister(c->registry, spot->fd);
        pthread_rwlock_unlock(&c->torture->numbers);
        REQUIRE(r == 0);
        has_ended(c, spot, record);
        if (!ghost) {
                close_number(spot->peer);
                return 0;
        }
        if (spot->peer >= 0)
                put(spot->peer);
        else
                ring(copy);
        ghost_keep(c, copy, spot->peer);
        return 0;
}

/* The file stays, and is registered anew at once. */
static int end_and_begin(struct churner *c, struct spot *spot) {
        struct record *record = ending(c, spot);

        set_fate(spot->fd, KEPT);
        REQUIRE(weir_deregister(c->registry, spot->fd) == 0);
        has_ended(c, spot, record);
        drain(spot->fd);
        return spot_register(c, spot, draw(c, 2));
}

/* The number goes to a new file and is registered anew, while nobody deregistered the old one. */
static int reuse(struct churner *c, struct spot *spot) {
        struct record *record = ending(c, spot);
        int copy = -1, fd, peer, r;

        REQUIRE(open_some(c, draw(c, 2) ? spot->fd : -1, &fd, &peer, &copy) == 0);
        set_fate(spot->fd, REUSED);
        set_fate(fd, CLOSED);
        /* In one step, as the number may not be free for a moment: the library opens descriptors too. */
        move_descriptor(fd, spot->fd);
        if (copy >= 0)
                ghost_keep(c, copy, spot->peer);
        else
                close_number(spot->peer);
        spot->peer = peer;
        drop_former(c, spot);
        r = spot_register(c, spot, draw(c, 2));
        if (r)
                return r;
        has_ended(c, spot, record);
        c->reused++;
        return 0;
}

/* ---------------------------------------------------------------- change */

static int retoken(struct churner *c, struct spot *spot) {
        struct record *old = spot->record, *record;
        bool due = spot->due;

        /* With the one before it still waited for: one at a time. */
        if (spot->former)
                await_due(c, spot);
        record = record_begin(c, (unsigned)spot->fd, old->quiet, spot->mode == WEIR_ONESHOT);
        REQUIRE(record);
        atomic_store_explicit(&old->ending, true, memory_order_relaxed);
        spot->record = record;
        REQUIRE(weir_retoken(c->registry, spot->fd, record->body[0]) == 0);
        record_ended(c, old);
        if (!due || !spot->due) {
                record_give_up(c, old);
                return 0;
        }
        /* What was due is seen under either. */
        spot->former = old;
        spot->former_seen = spot->seen;
        spot->seen = 0;
        return 0;
}

static int reregister(struct churner *c, struct spot *spot) {
        const weir_interest modes[] = { 0, WEIR_ONESHOT, WEIR_LEVEL };
        bool quiet = draw(c, 2);
        struct record *old = ending(c, spot), *record;

        spot->mode = modes[draw(c, ARRAY_LEN(modes))];
        spot->fired = false;
        record = record_begin(c, (unsigned)spot->fd, quiet, spot->mode == WEIR_ONESHOT);
        REQUIRE(record);
        /* It looks afresh, and finds the descriptor as it is now. A quiet one is made ready afterwards. */
        if (quiet)
                drain(spot->fd);
        else if (!old->quiet)
                make_ready(spot);
        spot->record = record;
        set_fate(spot->fd, KEPT);
        REQUIRE(weir_reregister(c->registry, spot->fd, record->body[0], WEIR_READABLE | spot->mode) == 0);
        if (!quiet && old->quiet)
                make_ready(spot);
        has_ended(c, spot, old);
        spot->due = false;
        if (!quiet)
                set_due(c, spot, 0);
        return 0;
}

static int rearm(struct churner *c, struct spot *spot) {
        weir_interest interest = WEIR_READABLE;

        if (spot->mode != WEIR_ONESHOT) {
                REQUIRE(weir_rearm(c->registry, spot->fd, WEIR_READABLE) == -EINVAL);
                return 0;
        }
        if (!await_due(c, spot) || !spot->fired)
                return 0;
        spot->fired = false;
        /* It fired and is disarmed: what comes after the drain must be seen, and after the rearm. */
        set_due(c, spot, record_seen(spot->record));
        drain(spot->fd);
        spot->record->arms++;
        if (draw(c, 2))
                make_ready(spot);
        else
                interest |= WEIR_PRIORITY; /* one that the kernel was not asked for */
        REQUIRE(weir_rearm(c->registry, spot->fd, interest) == 0);
        if (interest & WEIR_PRIORITY)
                make_ready(spot);
        return 0;
}

/* New data. One-shots may be disarmed; only rearm says anything about them. */
static int feed(struct churner *c, struct spot *spot) {
        if (spot->mode == WEIR_ONESHOT || spot->record->quiet)
                return 0;
        await_due(c, spot);
        set_due(c, spot, record_seen(spot->record));
        make_ready(spot);
        return 0;
}

/* ---------------------------------------------------------------- wakers */

static void await_wake(struct churner *c) {
        uint64_t end = now_ns() + UINT64_C(1000000) * SEEN_MS;

        while (c->waker_due && record_seen(c->waker_record) == c->waker_seen) {
                if (!is_patient(c, end))
                        c->waker_due = false;
                sched_yield();
        }
        c->met += c->waker_due;
        c->waker_due = false;
}

static int use_waker(struct churner *c) {
        if (!c->waker) {
                c->waker_record = record_begin(c, NUMBERS + c->id, draw(c, 2), false);
                REQUIRE(c->waker_record);
                return weir_waker_create(c->registry, c->waker_record->body[0], &c->waker) ? __LINE__ : 0;
        }
        if (draw(c, 4) == 0) {
                if (draw(c, 2))
                        await_wake(c);
                c->waker_due = false;
                atomic_store_explicit(&c->waker_record->ending, true, memory_order_relaxed);
                weir_waker_destroy(c->waker);
                c->waker = NULL;
                record_ended(c, c->waker_record);
                record_give_up(c, c->waker_record);
                return 0;
        }
        if (c->waker_record->quiet)
                return 0;
        await_wake(c);
        c->waker_seen = record_seen(c->waker_record);
        c->waker_due = true;
        c->due++;
        REQUIRE(weir_waker_wake(c->waker) == 0);
        return 0;
}

/* ---------------------------------------------------------------- the thread */

static int change(struct churner *c, struct spot *spot) {
        if (!spot->record)
                return spot_open(c, spot);
        switch (draw(c, 16)) {
        case 0:
        case 1:
                return end_then_close(c, spot);
        case 2:
        case 3:
                return close_then_end(c, spot, false);
        case 4:
                return close_then_end(c, spot, true);
        case 5:
                return end_and_begin(c, spot);
        case 6:
        case 7:
                return reuse(c, spot);
        case 8:
        case 9:
                return reregister(c, spot);
        case 10:
        case 11:
                return retoken(c, spot);
        case 12:
        case 13:
                return rearm(c, spot);
        case 14:
                return use_waker(c);
        default:
                return feed(c, spot);
        }
}

/* Alone, so that no other event makes up for a wake that is missed: what is due is seen, then one rearm or wake is. */
static int lull(struct churner *c, struct spot *spot) {
        int r;

        c->lulls++;
        r = use_waker(c);
        if (r)
                return r;
        await_wake(c);
        if (!spot->record)
                return 0;
        r = spot->mode == WEIR_ONESHOT ? rearm(c, spot) : feed(c, spot);
        await_due(c, spot);
        return r;
}

int churn(void *arg) {
        struct churner *c = arg;
        struct torture *t = c->torture;
        int r = 0;

        yield_seed(t->seed ^ c->id);
        while (r == 0 && !torture_is_over(t)) {
                struct spot *spot = &t->spots[draw(c, t->n_churners * SPOTS)];
                bool alone = draw(c, 256) == 0;

                if (alone)
                        pthread_rwlock_wrlock(&t->lull);
                else
                        pthread_rwlock_rdlock(&t->lull);
                /* Acquire and release: the spot goes from owner to owner. */
                if (!atomic_exchange_explicit(&spot->busy, true, memory_order_acquire)) {
                        r = alone ? lull(c, spot) : change(c, spot);
                        atomic_store_explicit(&spot->busy, false, memory_order_release);
                }
                pthread_rwlock_unlock(&t->lull);
        }
        return r;
}

int churn_end_all(struct churner *c) {
        struct torture *t = c->torture;
        int r = 0;

        for (unsigned i = 0; i < t->n_churners * SPOTS && r == 0; i++) {
                if (!t->spots[i].record)
                        continue;
                await_due(c, &t->spots[i]);
                r = end_then_close(c, &t->spots[i]);
        }
        for (unsigned i = 0; i < t->n_churners; i++) {
                struct churner *other = &t->churners[i];

                for (unsigned k = 0; k < GHOSTS; k++)
                        ghost_keep(other, -1, -1);
                if (!other->waker)
                        continue;
                await_wake(other);
                weir_waker_destroy(other->waker);
                record_ended(other, other->waker_record);
                record_give_up(other, other->waker_record);
        }
        return r;
}
