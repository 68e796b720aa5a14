/* SPDX-License-Identifier: MIT */
/*
 * What others do while the registrations move: calls between two steps of the move, calls that are in the middle when it
 * ends, and an outer set that watches.
 */
#include "crowd.h"

#include "ghost.h"
#include "poll.h"
#include "sets.h"

/* ---------------------------------------------------------------- calls between two steps */

struct intruder {
        struct fixture *fx;
        struct crowd *crowd;
        int fds[2];
        int results[3];
        bool came;
};

static void intrude(void *arg) {
        struct intruder *intruder = arg;
        struct weir_registry *registry = intruder->fx->registry;

        /* Not beside a lock that this thread itself holds. */
        intruder->came = !atomic_load(&registry->nest_lock.word) &&
                         !(word_at(intruder->fx, intruder->crowd->pairs[3][0]) & SLOT_LOCKED) &&
                         !(word_at(intruder->fx, intruder->crowd->pairs[2][0]) & SLOT_LOCKED);
        if (!intruder->came)
                return;
        intruder->results[0] = weir_register(registry, intruder->fds[0], 5, WEIR_READABLE | WEIR_LEVEL);
        intruder->results[1] = weir_deregister(registry, intruder->crowd->pairs[3][0]);
        intruder->results[2] = weir_reregister(registry, intruder->crowd->pairs[2][0], 6, WEIR_READABLE | WEIR_LEVEL);
}

/* Between any two steps of the move. All that others called stands, in the set that is on the number. */
static void calls_during_the_move_are_kept(void **state) {
        for (unsigned n = 1;; ++n) {
                struct fixture *fx = *state;
                struct intruder intruder = { .fx = fx };
                unsigned counts[7] = { 0 };
                struct crowd crowd;
                uint64_t fired;

                crowd_make(fx, &crowd);
                make_socketpair(intruder.fds);
                intruder.crowd = &crowd;
                fault_hook(FAULT_CREATE | FAULT_ADD | FAULT_REPLACE | FAULT_YIELD, n, intrude, &intruder);
                assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
                fired = fault_off();
                if (!intruder.came)
                        intrude(&intruder);
                for (unsigned i = 0; i < ARRAY_LEN(intruder.results); ++i)
                        assert_int_equal(intruder.results[i], 0);
                assert_false(word_at(fx, crowd.pairs[3][0]) & SLOT_REGISTERED);
                assert_not_in_kernel(fx, crowd.pairs[3][0]);
                for (unsigned i = 0; i < MEMBERS; ++i)
                        put(crowd.pairs[i][1]);
                put(intruder.fds[1]);
                assert_true(tally(fx->poll, fx->events, 0, counts, 7) > 0);
                assert_true(counts[0] && counts[1] && counts[5] && counts[6]);
                assert_false(counts[2] || counts[3] || counts[4]);
                for (unsigned i = 0; i < 3; ++i)
                        assert_int_equal(weir_deregister(fx->registry, crowd.pairs[i][0]), 0);
                assert_int_equal(weir_deregister(fx->registry, intruder.fds[0]), 0);
                close_pair(intruder.fds);
                crowd_end(&crowd);
                if (!fired)
                        break;
        }
}

static void intrude_without_room(void *arg) {
        struct intruder *intruder = arg;

        fault_at(FAULT_ADD, 2, ENOSPC); /* of a register: the first is to the present set */
        intruder->results[0] = weir_register(intruder->fx->registry, intruder->fds[0], 5, WEIR_READABLE | WEIR_LEVEL);
        intruder->results[1] = (int)fault_off();
}

/* A call that the new set cannot take gives the move up, and succeeds. */
static void move_is_given_up_for_a_call(void **state) {
        struct fixture *fx = *state;
        struct intruder intruder = { .fx = fx };
        struct crowd crowd;

        crowd_make(fx, &crowd);
        make_socketpair(intruder.fds);
        fault_hook(FAULT_ADD, 5, intrude_without_room, &intruder); /* of the second member */
        assert_false(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
        assert_int_equal(intruder.results[0], 0);
        assert_int_equal(intruder.results[1], 1);
        assert_int_equal(atomic_load(&fx->registry->moving), MOVING_NOT);
        assert_int_equal(stats_of(fx->registry).rebuilds, 0);
        crowd_is_in(fx, &crowd, fx->registry->set);
        put(intruder.fds[1]);
        (void)expect_one(fx, 5);
        drain(intruder.fds[0]);
        assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
        put(intruder.fds[1]);
        (void)expect_one(fx, 5);
        drain(intruder.fds[0]);
        crowd_is_in(fx, &crowd, fx->registry->set);
        close_pair(intruder.fds);
        crowd_end(&crowd);
}

/* ---------------------------------------------------------------- calls that the end of the move meets */

/* Where a call stands still. */
#define STEPS (FAULT_YIELD | FAULT_CTL | FAULT_ENTRIES)

#define LOCK_CONTENDED 2 /* as mutex.c has it */

/* A call, and what is to be registered afterwards. */
struct call {
        int (*fn)(struct weir_registry *registry, int fd);
        weir_interest before; /* of what was registered, as token 4, unless it is UINT32_MAX */
        int result;
        uint32_t events;
        weir_token token; /* 0: nothing is registered */
};

static int call_register(struct weir_registry *registry, int fd) {
        return weir_register(registry, fd, 5, WEIR_READABLE);
}

static int call_reregister(struct weir_registry *registry, int fd) {
        return weir_reregister(registry, fd, 5, WEIR_READABLE);
}

static int call_rearm(struct weir_registry *registry, int fd) {
        return weir_rearm(registry, fd, WEIR_READABLE | WEIR_WRITABLE);
}

#define EDGES ((uint32_t)EPOLLET | EPOLLRDHUP)

static const struct call calls[] = {
        { call_register, UINT32_MAX, 0, EPOLLIN | EDGES, 5 },
        { call_reregister, 0, 0, EPOLLIN | EDGES, 5 },
        { call_rearm, WEIR_ONESHOT, 0, INOUT | EDGES, 4 },
        { weir_deregister, 0, 0, 0, 0 },
        { call_register, 0, -EEXIST, EPOLLIN | EDGES, 4 },
        { call_register, WEIR_ONESHOT, -EEXIST, EPOLLIN | EDGES, 4 },
        { call_register, WEIR_EXCLUSIVE, -EEXIST, EPOLLIN | EPOLLEXCLUSIVE | (uint32_t)EPOLLET, 4 },
};

/*
 * A thread that makes a call, and stands still at the n-th step of it, from the last step before the move ends until it has ended,
 * or until the waiter waits for it.
 */
struct straggler {
        struct fixture *fx;
        const struct call *call;
        struct worker worker;
        struct latch stands, goes_on;
        int pair[2];
        unsigned n;
};

static _Thread_local bool is_straggler;

/* Whether somebody sleeps until a lock is given up that the straggler may hold. */
static bool is_waited_for(struct straggler *straggler) {
        struct weir_registry *registry = straggler->fx->registry;
        struct weir_slot *slot = weir_table_find(&registry->fds, (uint32_t)straggler->pair[0]);

        return atomic_load(&registry->nest_lock.word) & LOCK_CONTENDED ||
               atomic_load(&registry->ghost_lock.word) & LOCK_CONTENDED ||
               (slot && atomic_load(&slot->word) & SLOT_CONTENDED);
}

static void stand_still(void *arg) {
        struct straggler *straggler = arg;

        if (!is_straggler) {
                fault_hook(STEPS, 1, stand_still, straggler);
                return;
        }
        latch_set(&straggler->stands);
        while (!latch_is_set(&straggler->goes_on) && !is_waited_for(straggler))
                sched_yield();
}

static int straggle(void *arg) {
        struct straggler *straggler = arg;

        is_straggler = true;
        return straggler->call->fn(straggler->fx->registry, straggler->pair[0]);
}

/* Starts it, and returns when it stands still, or is done, or sleeps because the waiter holds a lock. */
static void start_straggler(void *arg) {
        struct straggler *straggler = arg;
        fault_hook(STEPS, straggler->n, stand_still, straggler);
        worker_start(&straggler->worker, straggle, straggler);
        while (!latch_is_set(&straggler->stands) && !atomic_load(&straggler->worker.done) && !is_waited_for(straggler))
                sched_yield();
}

/* A ghost, which is gone by now, had the number: so the call has to look what that leads to. */
static void haunt(struct straggler *straggler) {
        if (straggler->call->before != UINT32_MAX)
                atomic_store(&slot_at(straggler->fx, straggler->pair[0])->haunted, HAUNTED_IS);
}

static void straggler_make(struct straggler *straggler, bool haunted) {
        const struct call *call = straggler->call;

        make_socketpair(straggler->pair);
        if (call->before != UINT32_MAX)
                assert_int_equal(
                        weir_register(straggler->fx->registry, straggler->pair[0], 4, WEIR_READABLE | call->before), 0);
        if (haunted)
                haunt(straggler);
}

static void straggler_end(struct straggler *straggler) {
        const struct call *call = straggler->call;
        struct fixture *fx = straggler->fx;
        int fd = straggler->pair[0];

        if (call->token) {
                assert_in_kernel(fx, fd, call->events, (word_at(fx, fd) & ~BELOW_TURN) | (uint64_t)fd);
                put(straggler->pair[1]);
                (void)expect_one(fx, call->token);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
        } else {
                assert_not_in_kernel(fx, fd);
        }
        atomic_store(&slot_at(fx, fd)->haunted, HAUNTED_NOT);
        close_pair(straggler->pair);
}

/* Its change of the present set must be in the new one, too, though the waiter has passed its slot. */
static void calls_that_meet_the_end_are_kept(void **state, bool haunted, bool twice) {
        struct fixture *fx = *state;

        for (unsigned k = 0; k < 2 * ARRAY_LEN(calls); ++k)
                for (unsigned n = 1;; ++n) {
                        struct straggler straggler = { .fx = fx, .call = &calls[k / 2], .n = n };
                        uint64_t steps;

                        straggler_make(&straggler, haunted);
                        steps = fault_count(FAULT_YIELD);
                        assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
                        steps = fault_count(FAULT_YIELD) - steps;
                        if (haunted)
                                haunt(&straggler);
                        /* Before the lock is taken for the flip, which is given up in the last step; and with it held. */
                        if (k % 2)
                                fault_hook(FAULT_YIELD, steps - 1, start_straggler, &straggler);
                        else
                                fault_hook(FAULT_REPLACE, 2, start_straggler, &straggler);
                        /* An exclusive one cannot be changed in both sets at once. */
                        assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER) ||
                                    straggler.call->before == WEIR_EXCLUSIVE);
                        if (twice)
                                (void)weir_sets_rebuild(fx->registry, WEIR_FOREVER); /* it may be given up */
                        latch_set(&straggler.goes_on);
                        assert_int_equal(worker_join(&straggler.worker), straggler.call->result);
                        (void)fault_off();
                        straggler_end(&straggler);
                        if (!latch_is_set(&straggler.stands))
                                break;
                }
}

static void calls_that_meet_the_flip_are_kept(void **state) {
        calls_that_meet_the_end_are_kept(state, false, false);
}

static void calls_beside_a_ghost_that_meet_the_flip_are_kept(void **state) {
        calls_that_meet_the_end_are_kept(state, true, false);
}

/* It stands still for so long that another move has begun, which waits for its lock then. */
static void calls_that_meet_two_moves_are_kept(void **state) {
        calls_that_meet_the_end_are_kept(state, false, true);
}

static void calls_beside_a_ghost_that_meet_two_moves_are_kept(void **state) {
        calls_that_meet_the_end_are_kept(state, true, true);
}

/* ---------------------------------------------------------------- nesting */

static void drain_poll(struct fixture *fx) {
        struct weir_event got[BATCH];

        while (collect(fx->poll, fx->events, 0, got, BATCH) > 0)
                ; /* the eventfd of each set has its own edge to tell of */
}

/* The descriptor for nesting is the same one before and after a move, and hears, whether that came to its end or not. */
static void outer_set_keeps_hearing(void **state) {
        static const struct {
                unsigned kind;
                uint64_t n;
                bool done;
        } rows[] = {
                { FAULT_ADD, UINT64_MAX, true }, { FAULT_ADD, 1, true },     { FAULT_ADD, 2, false },
                { FAULT_ADD, 3, false },         { FAULT_ADD, 7, false },    { FAULT_REPLACE, 2, false },
                { FAULT_ADD, UINT64_MAX, true }, { FAULT_CREATE, 1, false }, { FAULT_DEL, 1, true },
                { FAULT_ADD, UINT64_MAX, true },
        };
        struct fixture *fx = *state;
        struct crowd crowd;
        int outer = weir_poll_fd(fx->poll);

        assert_true(outer >= 0);
        crowd_make(fx, &crowd);
        move_descriptor(make_eventfd(0), crowd.duplicate); /* the ghost dies with its file: it would be heard, too */
        for (size_t row = 0; row < ARRAY_LEN(rows); ++row) {
                fault_at(rows[row].kind, rows[row].n, ENOSPC);
                assert_int_equal(weir_sets_rebuild(fx->registry, WEIR_FOREVER), rows[row].done);
                (void)fault_off();
                drain_poll(fx);
                for (unsigned i = 0; i < MEMBERS; ++i) {
                        assert_false(polls_readable(outer, 0));
                        put(crowd.pairs[i][1]);
                        assert_true(polls_readable(outer, DEADLINE_MS));
                        drain(crowd.pairs[i][0]);
                        drain_poll(fx);
                }
                assert_int_equal(weir_rearm(fx->registry, crowd.pairs[2][0], WEIR_READABLE), 0);
                drain_poll(fx);
        }
        assert_int_equal(weir_poll_fd(fx->poll), outer);
        crowd_end(&crowd);
}

/* From some ADD on all fail: the outer set must not have forgotten the present set. */
static void outer_set_is_not_deafened_by_many_failures(void **state) {
        struct fixture *fx = *state;
        int outer = weir_poll_fd(fx->poll), pair[2];
        uint64_t n;

        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE), 0);
        /* The outer set's, twice, that of the eventfd, three of the registration, and the outer set's again. */
        for (n = 1; n <= 7; ++n) {
                fault_from(FAULT_ADD, n, ENOSPC);
                assert_int_equal(weir_sets_rebuild(fx->registry, WEIR_FOREVER),
                                 n > 4); /* what is there already is not refused for room */
                assert_true(fault_off() > 0);
                drain_poll(fx);
                assert_false(polls_readable(outer, 0));
                put(pair[1]);
                assert_true(polls_readable(outer, DEADLINE_MS));
                drain(pair[0]);
                drain_poll(fx);
        }
        close_pair(pair);
}

#define NESTING (FAULT_ADD | FAULT_YIELD)

/* At the next step at which the waiter, which is this thread, does not hold the lock itself. */
static void nest(void *arg) {
        if (atomic_load(&weir_poll_registry(arg)->nest_lock.word))
                fault_hook(NESTING, 1, nest, arg);
        else
                assert_true(weir_poll_fd(arg) >= 0);
}

/* It is asked for in the middle of a move: it watches what there is then, and after that. */
static void outer_set_is_made_during_the_move(void **state) {
        for (unsigned n = 1;; ++n) {
                struct fixture *fx = *state;
                struct weir_poll *poll;
                bool nested;
                int pair[2];

                make_socketpair(pair);
                assert_int_equal(weir_poll_create(&poll), 0);
                assert_int_equal(weir_register(weir_poll_registry(poll), pair[0], 1, WEIR_READABLE), 0);
                assert_int_equal(weir_register(weir_poll_registry(poll), pair[1], 2, WEIR_READABLE), 0);
                fault_hook(NESTING, n, nest, poll);
                assert_true(weir_sets_rebuild(weir_poll_registry(poll), WEIR_FOREVER));
                (void)fault_off();
                nested = weir_core_is_nested(weir_poll_registry(poll));
                while (wait_ms(poll, fx->events, 0) > 0)
                        ;
                assert_false(polls_readable(weir_poll_fd(poll), 0));
                put(pair[1]);
                assert_true(polls_readable(weir_poll_fd(poll), DEADLINE_MS));
                weir_events_clear(fx->events);
                weir_poll_destroy(poll);
                close_pair(pair);
                if (!nested)
                        break;
        }
}

/* What cannot be had leaves no half of it behind. */
static void outer_set_fails_cleanly(void **state) {
        struct fixture *fx = *state;
        unsigned before = count_descriptors();

        fault_at(FAULT_CREATE, 1, EMFILE);
        assert_int_equal(weir_poll_fd(fx->poll), -EMFILE);
        for (unsigned n = 1; n <= 2; ++n) {
                fault_at(FAULT_ADD, n, ENOSPC);
                assert_int_equal(weir_poll_fd(fx->poll), -ENOSPC);
                assert_int_equal(fault_off(), 1);
        }
        fault_at(FAULT_TIMER, 1, ENFILE);
        assert_int_equal(weir_poll_fd(fx->poll), -ENFILE);
        assert_int_equal(fault_off(), 1);
        assert_int_equal(count_descriptors(), before);
        assert_int_equal(atomic_load(&fx->registry->deadlines.timer), -1);
        assert_int_equal(atomic_load(&fx->registry->queue.head), 0);
        assert_false(weir_core_is_nested(fx->registry));
        assert_true(weir_poll_fd(fx->poll) >= 0);
        assert_int_equal(atomic_load(&fx->registry->queue.head), QUEUE_NESTED | QUEUE_PARKED);
        assert_true(weir_core_is_nested(fx->registry));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(calls_during_the_move_are_kept),
                CASE(move_is_given_up_for_a_call),
                CASE(calls_that_meet_the_flip_are_kept),
                CASE(calls_beside_a_ghost_that_meet_the_flip_are_kept),
                CASE(calls_that_meet_two_moves_are_kept),
                CASE(calls_beside_a_ghost_that_meet_two_moves_are_kept),
                CASE(outer_set_keeps_hearing),
                CASE(outer_set_is_not_deafened_by_many_failures),
                CASE(outer_set_is_made_during_the_move),
                CASE(outer_set_fails_cleanly),
        };

        return cmocka_run_group_tests_name("sets_calls", tests, NULL, NULL);
}
