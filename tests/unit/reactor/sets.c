/* SPDX-License-Identifier: MIT */
/*
 * Moving to a new epoll set. The waiter is this thread, so weir_sets_rebuild(, WEIR_FOREVER) is called by hand, with a seam that
 * fails the n-th call. sets_calls.c has what other threads do meanwhile.
 */
#include "crowd.h"

#include <sys/mman.h>

#include "oneshot.h"
#include "sets.h"

static int spare_of(struct fixture *fx) {
        return atomic_load(&fx->registry->spare);
}

/* The word of a registration that stands as it stood; beside a ghost it may be in another turn. */
static void assert_stands(struct fixture *fx, int fd, uint64_t word) {
        assert_int_equal(word_at(fx, fd) & ~SLOT_TURNS, word & ~SLOT_TURNS);
        if (!atomic_load(&slot_at(fx, fd)->haunted))
                assert_word(slot_at(fx, fd), word);
}

static void assert_not_moving(struct fixture *fx) {
        assert_int_equal(atomic_load(&fx->registry->moving), MOVING_NOT);
}

/* ---------------------------------------------------------------- what is moved */

/* All but the ghost is in a set that is new, on the number of the former one; and so each time. */
static void rebuild_moves_every_registration(void **state) {
        struct fixture *fx = *state;
        const int set = fx->registry->set;
        struct crowd crowd;
        uint64_t words[MEMBERS];
        unsigned descriptors;
        int spare = -1;

        crowd_make(fx, &crowd);
        assert_int_equal(reported(set), 1); /* the ghost */
        descriptors = count_descriptors();
        for (uint64_t round = 1; round <= 3; ++round) {
                for (unsigned i = 0; i < MEMBERS; ++i)
                        words[i] = word_at(fx, crowd.pairs[i][0]);
                assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
                assert_not_moving(fx);
                assert_int_equal(fx->registry->set, set);
                assert_int_equal(fcntl(set, F_GETFD), FD_CLOEXEC);
                assert_int_equal(reported(set), 0);
                crowd_is_in(fx, &crowd, set);
                for (unsigned i = 0; i < MEMBERS; ++i)
                        assert_stands(fx, crowd.pairs[i][0], words[i]);
                assert_int_equal(stats_of(fx->registry).rebuilds, round);
                /* The number on which it was made stays, is the same set, and serves again. */
                assert_true(round == 1 || spare_of(fx) == spare);
                spare = spare_of(fx);
                assert_int_equal(fcntl(spare, F_GETFD), FD_CLOEXEC);
                crowd_is_in(fx, &crowd, spare);
                assert_int_equal(count_descriptors(), descriptors + 1);
                crowd_speaks(fx, &crowd);
        }
        crowd_end(&crowd);
}

/* The wait itself finds the ghost: one stale look makes it suspect, the second proves it. */
static void wait_cures_level_ghost(void **state) {
        struct fixture *fx = *state;
        int duplicate = make_ghost(fx, WEIR_READABLE | WEIR_LEVEL);
        uint64_t stale;

        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(stats_of(fx->registry).rebuilds, 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(stats_of(fx->registry).rebuilds, 1);
        stale = stats_of(fx->registry).stale;
        assert_int_equal(stale, 2);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(stats_of(fx->registry).stale, stale);
        close(duplicate);
}

/* Two of one number that speak in turn are no less ghosts. */
static void wait_cures_two_ghosts_of_a_number(void **state) {
        struct fixture *fx = *state;
        int duplicates[2], number = lowest_free_descriptor();

        for (unsigned i = 0; i < 2; ++i) {
                duplicates[i] = make_ghost(fx, WEIR_READABLE | WEIR_LEVEL);
                move_descriptor(duplicates[i], number + 50 + (int)i);
                duplicates[i] = number + 50 + (int)i;
                assert_int_equal(lowest_free_descriptor(), number);
        }
        assert_int_equal(reported(fx->registry->set), 2);
        for (int i = 0; i < 3; ++i)
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(stats_of(fx->registry).rebuilds, 1);
        assert_int_equal(reported(fx->registry->set), 0);
        close_pair(duplicates);
}

/* An edge ghost is silent after its look, and not worth a rebuild. */
static void wait_leaves_edge_ghost(void **state) {
        struct fixture *fx = *state;
        int duplicate = make_ghost(fx, WEIR_READABLE);

        for (int i = 0; i < 4; ++i)
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(stats_of(fx->registry).stale, 1);
        assert_int_equal(stats_of(fx->registry).rebuilds, 0);
        close(duplicate);
}

/* An exclusive registration may have been the one to be woken, in the set that is gone. */
static void exclusive_gets_a_spare_event(void **state) {
        struct fixture *fx = *state;
        int pair[2];

        make_pipe(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_EXCLUSIVE), 0);
        assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
        assert_true(word_at(fx, pair[0]) & SLOT_LINKED);
        assert_int_equal(expect_one(fx, 1).readiness, EPOLLIN);
        expect_silence(fx);
        put(pair[1]);
        (void)expect_one(fx, 1);
        close_pair(pair);
}

/* One whose kernel is silent until its rearm stays so, and an armed one stays armed. */
static void quiet_oneshots_move_as_they_are(void **state) {
        struct fixture *fx = *state;
        struct weir_slot *slot;
        int pair[2];

        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        slot = slot_at(fx, pair[0]);
        put(pair[1]);
        (void)expect_one(fx, 1);
        weir_oneshot_hush(fx->registry, slot, GEN(2) | (uint64_t)pair[0]);
        assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
        assert_in_kernel(fx, pair[0], (uint32_t)EPOLLET | (uint32_t)EPOLLONESHOT, GEN(2) | (uint64_t)pair[0]);
        expect_silence(fx);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
        assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
        assert_in_kernel(fx, pair[0], EPOLLIN | EPOLLRDHUP | (uint32_t)EPOLLET | (uint32_t)EPOLLONESHOT,
                         GEN(2) | TURN(1) | (uint64_t)pair[0]);
        (void)expect_one(fx, 1);
        close_pair(pair);
}

/* ---------------------------------------------------------------- all or nothing */

/* Whichever call fails, everything is as it was: the same set, with what it had, the ghost, too. */
static void failed_rebuild_changes_nothing(void **state) {
        /* The making of the set, of its watch, the move of each member, and the flip. Of three ADDs two are questions. */
        static const struct {
                unsigned kind;
                uint64_t n;
                int error;
        } calls[] = {
                { FAULT_CREATE, 1, EMFILE }, { FAULT_ADD, 1, ENOSPC },     { FAULT_ADD, 2, ENOSPC },
                { FAULT_ADD, 5, ENOMEM },    { FAULT_ADD, 8, ENOSPC },     { FAULT_ADD, 11, ENOMEM },
                { FAULT_REPLACE, 1, EBUSY }, { FAULT_ENTRIES, 1, EMFILE },
        };
        struct fixture *fx = *state;
        struct crowd crowd;

        for (unsigned again = 0; again < 2; ++again) {
                crowd_make(fx, &crowd);
                for (size_t i = 0; i < ARRAY_LEN(calls); ++i) {
                        uint64_t rebuilds = stats_of(fx->registry).rebuilds, words[MEMBERS];

                        for (unsigned k = 0; k < MEMBERS; ++k)
                                words[k] = word_at(fx, crowd.pairs[k][0]);
                        /* The spare that is there already is replaced first. */
                        fault_at(calls[i].kind, calls[i].n + (again && calls[i].kind == FAULT_REPLACE), calls[i].error);
                        assert_false(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
                        assert_int_equal(fault_off(), 1);
                        assert_not_moving(fx);
                        assert_int_equal(stats_of(fx->registry).rebuilds, rebuilds);
                        crowd_is_in(fx, &crowd, fx->registry->set);
                        for (unsigned k = 0; k < MEMBERS; ++k)
                                assert_stands(fx, crowd.pairs[k][0], words[k]);
                        assert_int_equal(reported(fx->registry->set), 1);
                        /* The number of what was given up keeps no set of registrations alive. */
                        if (spare_of(fx) >= 0 && calls[i].kind != FAULT_ENTRIES && calls[i].kind != FAULT_CREATE &&
                            calls[i].n > 1)
                                assert_int_equal(
                                        weir_sys_epoll_ctl(spare_of(fx), EPOLL_CTL_DEL, crowd.pairs[0][0], 0, 0),
                                        -EINVAL);
                        again = again || spare_of(fx) >= 0;
                }
                assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
                crowd_speaks(fx, &crowd);
                for (unsigned k = 0; k < MEMBERS; ++k)
                        assert_int_equal(weir_deregister(fx->registry, crowd.pairs[k][0]), 0);
                crowd_end(&crowd);
        }
}

/* A failure at any member stops at once: the next would fail as well, and each costs a call. */
static void failed_rebuild_stops_at_once(void **state) {
        struct fixture *fx = *state;
        struct crowd crowd;
        uint64_t adds;

        crowd_make(fx, &crowd);
        adds = fault_count(FAULT_ADD);
        fault_at(FAULT_ADD, 2, ENOSPC);
        assert_false(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
        assert_int_equal(fault_off(), 1);
        assert_int_equal(fault_count(FAULT_ADD),
                         adds + 3); /* the eventfd, and the first member and the question about it */
        crowd_end(&crowd);
}

/* ---------------------------------------------------------------- patience */

struct holder {
        struct fixture *fx;
        struct weir_slot *slot;
        unsigned wakes;
};

/* Another lock is given up, a few times: that ends a sleep for this one, too. In the end this one is. */
static void wake_and_unlock(void *arg) {
        struct holder *holder = arg;

        if (holder->wakes-- == 0) {
                assert_false(weir_slot_unlock(holder->fx->registry->life, holder->slot, 0, 0, 0));
                return;
        }
        weir_unlocked(holder->fx->registry->life);
        fault_hook(FAULT_FUTEX_WAIT, 1, wake_and_unlock, holder);
}

static void hold(struct holder *holder, int fd) {
        uint64_t word;

        holder->slot = slot_at(holder->fx, fd);
        assert_int_equal(weir_slot_lock(holder->fx->registry->life, holder->slot, 0, 0, 0, 0, &word), 0);
}

/* A move waits for a call that holds a registration, but no longer than it has patience, whatever ends its sleeps. */
static void move_waits_as_long_as_it_has_patience(void **state) {
        struct fixture *fx = *state;
        struct holder holder = { .fx = fx };
        uint64_t sleeps = fault_count(FAULT_FUTEX_WAIT), began;
        struct crowd crowd;

        crowd_make(fx, &crowd);
        hold(&holder, crowd.pairs[1][0]);
        assert_false(weir_sets_rebuild(fx->registry, 0));
        assert_int_equal(fault_count(FAULT_FUTEX_WAIT), sleeps);
        began = now_ns();
        assert_false(weir_sets_rebuild(fx->registry, 2000000));
        assert_true(now_ns() - began >= 2000000);
        assert_true(fault_timeout(FAULT_FUTEX_WAIT) <= 2000000);
        assert_not_moving(fx);
        assert_int_equal(stats_of(fx->registry).rebuilds, 0);
        assert_true(word_at(fx, crowd.pairs[1][0]) & SLOT_LOCKED);
        for (unsigned wakes = 0; wakes < 5; ++wakes) {
                holder.wakes = wakes;
                sleeps = fault_count(FAULT_FUTEX_WAIT);
                fault_hook(FAULT_FUTEX_WAIT, 1, wake_and_unlock, &holder);
                assert_true(weir_sets_rebuild(fx->registry, wakes % 2 ? WEIR_FOREVER : INT64_C(1000000) * DEADLINE_MS));
                (void)fault_off();
                assert_int_equal(fault_count(FAULT_FUTEX_WAIT), sleeps + wakes + 1);
                hold(&holder, crowd.pairs[1][0]);
        }
        assert_false(weir_slot_unlock(fx->registry->life, holder.slot, 0, 0, 0));
        crowd_speaks(fx, &crowd);
        crowd_end(&crowd);
}

/* A free slot that a call holds, which will register it or not, is waited for, too. */
static void move_waits_for_a_call_about_a_free_number(void **state) {
        struct fixture *fx = *state;
        struct holder holder = { .fx = fx };
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        hold(&holder, fd);
        assert_false(weir_sets_rebuild(fx->registry, 0));
        fault_hook(FAULT_FUTEX_WAIT, 1, wake_and_unlock, &holder);
        assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
        assert_int_equal(fault_off(), 1);
        close(fd);
}

/* ---------------------------------------------------------------- strangers */

/* A registration whose descriptor was closed and its number taken by stranger. Returns the number. */
static int make_closed(struct fixture *fx, weir_interest interest, int *ret_duplicate) {
        int pair[2];

        make_socketpair(pair);
        *ret_duplicate = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
        assert_int_equal(weir_register(fx->registry, pair[0], MEMBERS, interest), 0);
        put(pair[1]);
        close(pair[1]);
        close(pair[0]);
        return pair[0];
}

static void stranger_is_not_adopted(void **state) {
        struct fixture *fx = *state;

        for (unsigned failing = 0; failing < 3; ++failing) {
                int duplicate, number = make_closed(fx, WEIR_READABLE | WEIR_LEVEL, &duplicate);
                uint64_t word = word_at(fx, number);

                move_descriptor(make_eventfd(1), number);
                /* Neither if it cannot be added to either set: it is no registration that was left behind. */
                fault_at(FAULT_ADD, failing ? 1 + failing : UINT64_MAX, ENOMEM);
                assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
                assert_int_equal(fault_off(), !!failing);
                /* It may have slipped in for a moment, under a generation that has ended, and that is not the next call's. */
                assert_int_equal(word_at(fx, number), word + 3 * SLOT_GENERATION);
                expect_silence(fx);
                assert_not_in_kernel(fx, number);
                /* The number may still be deregistered, or registered anew. */
                if (failing)
                        assert_int_equal(weir_deregister(fx->registry, number), 0);
                assert_int_equal(weir_register(fx->registry, number, 7, WEIR_READABLE), 0);
                assert_int_equal(expect_one(fx, 7).readiness, EPOLLIN);
                assert_int_equal(weir_deregister(fx->registry, number), 0);
                close(number);
                close(duplicate);
        }
}

static void closed_number_does_not_stop_the_move(void **state) {
        struct fixture *fx = *state;
        int below = make_eventfd(0); /* where the new set is made */
        int duplicate, number = make_closed(fx, WEIR_READABLE | WEIR_LEVEL, &duplicate);

        assert_true(below < number);
        close(below);
        assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
        assert_int_equal(spare_of(fx), below);
        assert_int_equal(weir_deregister(fx->registry, number), 0);
        close(duplicate);
}

/* The new set is itself the stranger on a closed number. */
static void set_on_a_closed_number_does_not_stop_the_move(void **state) {
        struct fixture *fx = *state;
        int duplicate, number = make_closed(fx, WEIR_READABLE | WEIR_LEVEL, &duplicate);

        for (int round = 0; round < 3; ++round) {
                assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
                assert_int_equal(spare_of(fx), number);
        }
        assert_int_equal(weir_deregister(fx->registry, number), 0);
        close(duplicate);
}

/* A stranger that cannot be polled refuses every epoll_ctl(2); it is no registration that stayed behind. */
static void unpollable_stranger_does_not_stop_the_move(void **state) {
        struct fixture *fx = *state;
        int duplicate, file, number = make_closed(fx, WEIR_READABLE | WEIR_LEVEL, &duplicate);

        file = memfd_create("stranger", MFD_CLOEXEC);
        assert_true(file >= 0);
        move_descriptor(file, number);
        assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
        assert_int_equal(weir_deregister(fx->registry, number), 0);
        close(number);
        close(duplicate);
}

/* A late call about a number that is the poll's now leaves that alone. */
static void own_descriptors_are_left_alone(void **state) {
        struct fixture *fx = *state;
        int pair[2], stays[2], number, outer = weir_poll_fd(fx->poll);

        make_pipe(pair);
        make_pipe(stays);
        number = pair[0];
        assert_int_equal(weir_register(fx->registry, number, 2, WEIR_READABLE), 0);
        assert_int_equal(weir_register(fx->registry, stays[0], 1, WEIR_READABLE), 0);
        close_pair(pair);
        assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER)); /* the new set is made on the number */
        assert_int_equal(spare_of(fx), number);
        assert_int_equal(weir_reregister(fx->registry, number, 2, WEIR_READABLE), -EBADF);
        assert_int_equal(weir_register(fx->registry, number, 2, WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_deregister(fx->registry, number), 0);
        put(stays[1]);
        assert_int_equal(expect_one(fx, 1).readiness, EPOLLIN);
        put(stays[1]);
        assert_true(polls_readable(outer, DEADLINE_MS)); /* and the outer set still hears it */
        close_pair(stays);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(rebuild_moves_every_registration),
                CASE(wait_cures_level_ghost),
                CASE(wait_cures_two_ghosts_of_a_number),
                CASE(wait_leaves_edge_ghost),
                CASE(exclusive_gets_a_spare_event),
                CASE(quiet_oneshots_move_as_they_are),
                CASE(failed_rebuild_changes_nothing),
                CASE(failed_rebuild_stops_at_once),
                CASE(move_waits_as_long_as_it_has_patience),
                CASE(move_waits_for_a_call_about_a_free_number),
                CASE(stranger_is_not_adopted),
                CASE(closed_number_does_not_stop_the_move),
                CASE(set_on_a_closed_number_does_not_stop_the_move),
                CASE(unpollable_stranger_does_not_stop_the_move),
                CASE(own_descriptors_are_left_alone),
        };

        return cmocka_run_group_tests_name("sets", tests, NULL, NULL);
}
