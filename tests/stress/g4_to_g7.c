/* SPDX-License-Identifier: MIT */
/*
 * G4 to G7 under fire, in numbers. Workers register, change, close, reuse and deregister descriptors of several kinds,
 * and leave ghosts behind; readers take turns as the one waiter and read their batches beside each other. A token is
 * the address of a record, which is poisoned by the function that weir_defer() runs, and never used again. Counted are
 *
 *   late      events that a weir_events_next() handed out which began after the registration had ended: must be 0
 *   poisoned  events whose record was already given up for freeing: must be 0
 *   lost      records with readiness that nobody saw before the deadline: must be 0
 *   runs      deferred functions: exactly one per record
 *
 * What ends a record is a call that has returned: deregister, reregister or retoken with another record, or a register
 * of its number after a close. The worker then draws a ticket; a reader notes the last ticket before each next.
 *
 * WEIR_STRESS multiplies the operations, WEIR_STRESS_THREADS sets the workers, WEIR_STRESS_SEED repeats a run.
 */
#include <sys/eventfd.h>

#include "../support.h"

#define SLOTS      8 /* descriptors that a worker has at a time */
#define GHOSTS     4 /* duplicates that a worker keeps alive at a time */
#define READERS    3
#define OPERATIONS 6000 /* per worker */

#define ALIVE    UINT32_C(0xa11fea11)
#define POISONED UINT32_C(0xdeadfeed)

struct record {
        struct weir_deferred node;
        uint32_t magic; /* plain: only a right library keeps the last reader and the deferred function apart */
        unsigned runs;
        atomic_uint seen;
        atomic_ulong ended; /* the ticket, or 0 */
};

struct slot {
        struct record *record; /* NULL: empty */
        int fd, peer;          /* peer == -1: an eventfd */
        weir_interest mode;
        bool due;              /* readiness that must be seen */
        unsigned seen;         /* by how many, when it became due */
        struct record *former; /* of the token before a retoken: may have been handed what is due, or NULL */
        unsigned former_seen;
};

struct stress {
        struct weir_poll *poll;
        struct weir_registry *registry;
        unsigned long operations, seed;
        unsigned n_workers;
        atomic_ulong tickets;
        struct latch stop;
        /* Held for writing while a number is closed and still registered: nobody else may open it then. */
        pthread_rwlock_t numbers;
};

struct stress_worker {
        struct stress *stress;
        struct worker worker;
        struct weir_registry *registry;
        struct record *records;
        unsigned long n_records, used;
        uint64_t random;
        struct slot slots[SLOTS];
        int ghosts[GHOSTS][2];
        unsigned next_ghost;
        unsigned long lost, made_ghosts, reused;
};

struct reader {
        struct stress *stress;
        struct worker worker;
        unsigned capacity;
        unsigned long late, poisoned, taken;
};

/* ---------------------------------------------------------------- records */

static unsigned draw(struct stress_worker *w, unsigned n) {
        w->random ^= w->random << 13;
        w->random ^= w->random >> 7;
        w->random ^= w->random << 17;
        return (unsigned)(w->random >> 33) % n;
}

static struct record *record_new(struct stress_worker *w) {
        struct record *record;

        if (w->used == w->n_records)
                abort();
        record = &w->records[w->used++];
        record->magic = ALIVE;
        return record;
}

static void record_give_up(struct weir_deferred *node) {
        struct record *record = (struct record *)node;

        record->runs++;
        record->magic = POISONED;
}

/* The call that ended it has returned. */
static void record_ended(struct stress_worker *w, struct record *record) {
        unsigned long ticket;

        ticket = atomic_fetch_add_explicit(&w->stress->tickets, 1, memory_order_seq_cst) + 1;
        atomic_store_explicit(&record->ended, ticket, memory_order_seq_cst);
        weir_defer(w->registry, &record->node, record_give_up);
}

static unsigned record_seen(struct record *record) {
        return atomic_load_explicit(&record->seen, memory_order_relaxed);
}

/* ---------------------------------------------------------------- what workers do */

static int open_kind(unsigned kind, int *ret_fd, int *ret_peer) {
        int fds[2] = { -1, -1 };

        if (kind == 0)
                REQUIRE(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
        else if (kind == 1)
                REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
        else
                REQUIRE((fds[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) >= 0);
        *ret_fd = fds[0];
        *ret_peer = fds[1];
        return 0;
}

static void make_ready(struct slot *slot) {
        if (slot->peer < 0)
                ring(slot->fd);
        else
                put(slot->peer);
}

static void set_due(struct slot *slot, unsigned seen) {
        slot->due = true;
        slot->seen = seen;
        slot->former = NULL;
}

static bool is_seen(const struct slot *slot) {
        return record_seen(slot->record) != slot->seen ||
               (slot->former && record_seen(slot->former) != slot->former_seen);
}

/* Waits for what is due. Level-triggered or not, somebody must have seen it since. */
static void await_due(struct stress_worker *w, struct slot *slot) {
        uint64_t end = now_ns() + UINT64_C(1000000) * DEADLINE_MS;

        /* After a loss the worker waits for nothing more, so that the run comes to its end. */
        while (slot->due && !w->lost && !is_seen(slot)) {
                w->lost += now_ns() > end;
                sched_yield();
        }
        slot->due = false;
}

static int slot_open(struct stress_worker *w, struct slot *slot) {
        const weir_interest modes[] = { 0, 0, WEIR_ONESHOT, WEIR_ONESHOT, WEIR_LEVEL };
        bool before = draw(w, 2), after = draw(w, 2);
        int r;

        pthread_rwlock_rdlock(&w->stress->numbers);
        r = open_kind(draw(w, 3), &slot->fd, &slot->peer);
        pthread_rwlock_unlock(&w->stress->numbers);
        if (r)
                return r;
        slot->mode = modes[draw(w, ARRAY_LEN(modes))];
        slot->record = record_new(w);
        slot->due = false;
        if (before)
                make_ready(slot);
        REQUIRE(weir_register(w->registry, slot->fd, weir_ptr_token(slot->record), WEIR_READABLE | slot->mode) == 0);
        if (after)
                make_ready(slot);
        if (before || after)
                set_due(slot, 0);
        return 0;
}

static void slot_close(struct slot *slot) {
        close(slot->fd);
        if (slot->peer >= 0)
                close(slot->peer);
        slot->record = NULL;
}

static void ghost_keep(struct stress_worker *w, int copy, int peer) {
        int *ghost = w->ghosts[w->next_ghost++ % GHOSTS];

        for (unsigned i = 0; i < 2; i++)
                if (ghost[i] >= 0)
                        close(ghost[i]);
        ghost[0] = copy;
        ghost[1] = peer;
}

/* Deregister in all ways: before the close, after it, and with a duplicate that lives on. */
static int slot_end(struct stress_worker *w, struct slot *slot) {
        struct record *record = slot->record;
        unsigned how = draw(w, 4);
        int copy = -1, r;

        if (draw(w, 2))
                await_due(w, slot);
        if (how == 3) {
                pthread_rwlock_rdlock(&w->stress->numbers);
                copy = fcntl(slot->fd, F_DUPFD_CLOEXEC, 0);
                pthread_rwlock_unlock(&w->stress->numbers);
                REQUIRE(copy >= 0);
        }
        if (how < 2) {
                REQUIRE(weir_deregister(w->registry, slot->fd) == 0);
                record_ended(w, record);
                slot_close(slot);
                return 0;
        }
        pthread_rwlock_wrlock(&w->stress->numbers);
        close(slot->fd);
        r = weir_deregister(w->registry, slot->fd);
        pthread_rwlock_unlock(&w->stress->numbers);
        REQUIRE(r == 0);
        record_ended(w, record);
        if (copy >= 0) {
                if (slot->peer >= 0)
                        put(slot->peer);
                else
                        ring(copy);
                ghost_keep(w, copy, slot->peer);
                w->made_ghosts++;
        } else if (slot->peer >= 0) {
                close(slot->peer);
        }
        slot->record = NULL;
        return 0;
}

/* The number goes to a new file and is registered anew, while nobody deregistered the old one. */
static int slot_reuse(struct stress_worker *w, struct slot *slot) {
        struct record *old = slot->record;
        int copy = -1, fd, peer, r;

        pthread_rwlock_rdlock(&w->stress->numbers);
        r = open_kind(draw(w, 3), &fd, &peer);
        if (draw(w, 2))
                copy = fcntl(slot->fd, F_DUPFD_CLOEXEC, 0);
        pthread_rwlock_unlock(&w->stress->numbers);
        if (r)
                return r;
        /* In one step, as the number may not be free for a moment: the library opens descriptors too. */
        move_descriptor(fd, slot->fd);
        if (copy >= 0)
                ghost_keep(w, copy, slot->peer);
        else if (slot->peer >= 0)
                close(slot->peer);
        slot->peer = peer;
        slot->record = record_new(w);
        slot->due = false;
        REQUIRE(weir_register(w->registry, slot->fd, weir_ptr_token(slot->record), WEIR_READABLE | slot->mode) == 0);
        record_ended(w, old);
        w->reused++;
        return 0;
}

static int slot_replace(struct stress_worker *w, struct slot *slot) {
        const weir_interest modes[] = { 0, WEIR_ONESHOT, WEIR_LEVEL };
        struct record *old = slot->record;
        struct slot before = *slot;

        slot->record = record_new(w);
        if (draw(w, 2)) {
                if (before.former)
                        await_due(w, &before);
                REQUIRE(weir_retoken(w->registry, slot->fd, weir_ptr_token(slot->record)) == 0);
                record_ended(w, old);
                /* Comes under the new token, unless a reader was handed the old one and has not come to say so. */
                slot->due = before.due;
                slot->seen = 0;
                slot->former = old;
                slot->former_seen = before.seen;
                return 0;
        }
        slot->mode = modes[draw(w, ARRAY_LEN(modes))];
        make_ready(slot);
        REQUIRE(weir_reregister(w->registry, slot->fd, weir_ptr_token(slot->record), WEIR_READABLE | slot->mode) == 0);
        record_ended(w, old);
        /* It looks afresh, and the descriptor is ready. */
        set_due(slot, 0);
        return 0;
}

static int slot_rearm(struct stress_worker *w, struct slot *slot) {
        unsigned seen;

        if (slot->mode != WEIR_ONESHOT) {
                REQUIRE(weir_rearm(w->registry, slot->fd, WEIR_READABLE) == -EINVAL);
                return 0;
        }
        if (slot->due)
                await_due(w, slot);
        if (record_seen(slot->record) == 0)
                return 0;
        /* Disarmed, so nobody sees it before the rearm, and what comes after the drain must be seen after it. */
        seen = record_seen(slot->record);
        drain(slot->fd);
        make_ready(slot);
        REQUIRE(weir_rearm(w->registry, slot->fd, WEIR_READABLE) == 0);
        set_due(slot, seen);
        return 0;
}

static int slot_feed(struct stress_worker *w, struct slot *slot) {
        /* One-shots may be disarmed; only rearm says anything about them. */
        if (slot->mode == WEIR_ONESHOT)
                return 0;
        if (slot->due)
                await_due(w, slot);
        set_due(slot, record_seen(slot->record));
        make_ready(slot);
        return 0;
}

static int work(void *arg) {
        struct stress_worker *w = arg;
        int r = 0;

        for (unsigned long i = 0; i < w->stress->operations && r == 0; i++) {
                struct slot *slot = &w->slots[draw(w, SLOTS)];

                if (!slot->record) {
                        r = slot_open(w, slot);
                        continue;
                }
                switch (draw(w, 8)) {
                case 0:
                case 1:
                case 2:
                        r = slot_end(w, slot);
                        break;
                case 3:
                        r = slot_reuse(w, slot);
                        break;
                case 4:
                case 5:
                        r = slot_replace(w, slot);
                        break;
                case 6:
                        r = slot_rearm(w, slot);
                        break;
                default:
                        r = slot_feed(w, slot);
                }
        }
        for (unsigned i = 0; i < SLOTS && r == 0; i++)
                if (w->slots[i].record)
                        r = slot_end(w, &w->slots[i]);
        for (unsigned i = 0; i < GHOSTS; i++)
                ghost_keep(w, -1, -1);
        weir_registry_release(w->registry);
        return r;
}

/* ---------------------------------------------------------------- what readers do */

static int read_batches(void *arg) {
        struct reader *reader = arg;
        struct stress *stress = reader->stress;
        struct weir_events *events = NULL;
        struct weir_event event;
        unsigned long turn = 0, tickets, ended;
        struct record *record;
        int r;

        REQUIRE(weir_events_create(reader->capacity, &events) == 0);
        while (!latch_is_set(&stress->stop)) {
                r = wait_ms(stress->poll, events, 1);
                if (r == -EBUSY) {
                        sched_yield();
                        continue;
                }
                REQUIRE(r >= 0);
                turn++;
                for (unsigned n = 0;; n++) {
                        if (turn % 4 == 0 && n == reader->capacity / 2)
                                /* Leaves the rest unread. */
                                break;
                        tickets = atomic_load_explicit(&stress->tickets, memory_order_seq_cst);
                        if (!weir_events_next(events, &event))
                                break;
                        record = weir_token_ptr(event.token);
                        ended = atomic_load_explicit(&record->ended, memory_order_seq_cst);
                        reader->late += ended != 0 && ended <= tickets;
                        reader->poisoned += record->magic != ALIVE;
                        reader->taken++;
                        atomic_fetch_add_explicit(&record->seen, 1, memory_order_relaxed);
                }
                if (turn % 3 == 0)
                        weir_events_clear(events);
        }
        weir_events_destroy(events);
        return 0;
}

/* ---------------------------------------------------------------- the run */

static unsigned long from_env(const char *name, unsigned long otherwise) {
        const char *value = getenv(name);

        return value && *value ? strtoul(value, NULL, 0) : otherwise;
}

static void worker_make(struct stress_worker *w, struct stress *stress, unsigned id) {
        memset(w, 0, sizeof(*w));
        w->stress = stress;
        w->registry = weir_registry_clone(stress->registry);
        /* Each operation needs one at most. */
        w->n_records = stress->operations + SLOTS;
        w->records = calloc(w->n_records, sizeof(*w->records));
        assert_non_null(w->records);
        w->random = (stress->seed + id + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
        memset(w->ghosts, 0xff, sizeof(w->ghosts));
}

static void g4_to_g7_hold_for_threads_that_churn_and_read(void **state) {
        struct fixture *fx = *state;
        struct stress stress = { .poll = fx->poll, .registry = fx->registry };
        const unsigned capacities[READERS] = { 1, 7, 64 };
        struct reader readers[READERS];
        struct stress_worker *workers;
        struct weir_stats stats;
        unsigned long late = 0, poisoned = 0, taken = 0, lost = 0, ghosts = 0, reused = 0, records = 0;
        unsigned long not_once = 0;
        double scale = getenv("WEIR_STRESS") ? strtod(getenv("WEIR_STRESS"), NULL) : 1.0;

        stress.operations = (unsigned long)(OPERATIONS * (scale > 0 ? scale : 1.0));
        stress.n_workers = (unsigned)from_env("WEIR_STRESS_THREADS", 4);
        stress.seed = from_env("WEIR_STRESS_SEED", 1);
        print_message("seed %lu, %u workers, %lu operations each\n", stress.seed, stress.n_workers, stress.operations);
        /* The watchdog of a case grows with the run. */
        alarm(60 + (unsigned)(scale * 30));

        assert_int_equal(pthread_rwlock_init(&stress.numbers, NULL), 0);
        workers = calloc(stress.n_workers, sizeof(*workers));
        assert_non_null(workers);
        for (unsigned i = 0; i < stress.n_workers; i++)
                worker_make(&workers[i], &stress, i);
        for (unsigned i = 0; i < READERS; i++) {
                readers[i] = (struct reader){ .stress = &stress, .capacity = capacities[i] };
                worker_start(&readers[i].worker, read_batches, &readers[i]);
        }
        for (unsigned i = 0; i < stress.n_workers; i++)
                worker_start(&workers[i].worker, work, &workers[i]);
        for (unsigned i = 0; i < stress.n_workers; i++)
                assert_int_equal(worker_join(&workers[i].worker), 0);
        latch_set(&stress.stop);
        for (unsigned i = 0; i < READERS; i++) {
                assert_int_equal(worker_join(&readers[i].worker), 0);
                late += readers[i].late;
                poisoned += readers[i].poisoned;
                taken += readers[i].taken;
        }

        /* Every batch is closed, so everything that was deferred has run. */
        for (unsigned i = 0; i < stress.n_workers; i++) {
                lost += workers[i].lost;
                ghosts += workers[i].made_ghosts;
                reused += workers[i].reused;
                records += workers[i].used;
                for (unsigned long k = 0; k < workers[i].used; k++)
                        not_once += workers[i].records[k].runs != 1 || workers[i].records[k].magic != POISONED;
                free(workers[i].records);
        }
        free(workers);
        pthread_rwlock_destroy(&stress.numbers);
        stats = stats_of(fx->registry);
        print_message("%lu records, %lu ghosts, %lu reused, %lu events\n", records, ghosts, reused, taken);
        print_message("stale %llu, requeued %llu, rebuilds %llu; late %lu, poisoned %lu, lost %lu, not once %lu\n",
                      (unsigned long long)stats.stale, (unsigned long long)stats.requeued,
                      (unsigned long long)stats.rebuilds, late, poisoned, lost, not_once);
        assert_int_equal(late, 0);
        assert_int_equal(poisoned, 0);
        assert_int_equal(lost, 0);
        assert_int_equal(not_once, 0);
        assert_int_equal(stats.registered, 0);
        assert_int_equal(stats.batches, 0);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g4_to_g7_hold_for_threads_that_churn_and_read),
        };

        return cmocka_run_group_tests_name("g4_to_g7", cases, NULL, NULL);
}
