/* SPDX-License-Identifier: MIT */
/*
 * Moving to a new epoll set. The waiter is this thread, so weir_sets_rebuild() is called by hand, with a seam that
 * fails the n-th call or lets somebody else's call come between two of the rebuild's own.
 */
#include "fault.h"
#include "support.h"

#include <sys/mman.h>

#include "registry.h"
#include "sets.h"

#define MEMBERS 4

/* Sockets that are writable, in every mode, and one level ghost to be got rid of. */
struct crowd {
        int pairs[MEMBERS][2];
        int duplicate;
        unsigned counts[MEMBERS + 1];
};

static const weir_interest modes[MEMBERS] = { 0, WEIR_LEVEL, WEIR_ONESHOT, WEIR_LEVEL };

static uint64_t word_at(struct fixture *fx, int fd) {
        struct weir_slot *slot = weir_table_find(&fx->registry->fds, (uint32_t)fd);

        assert_non_null(slot);
        return atomic_load(&slot->word);
}

/* A registration that the kernel still holds and no call can remove; returns the descriptor that keeps it alive. */
static int make_ghost(struct fixture *fx, weir_interest interest) {
        int pair[2], duplicate;

        make_socketpair(pair);
        duplicate = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
        assert_true(duplicate >= 0);
        assert_int_equal(weir_register(fx->registry, pair[0], MEMBERS, interest), 0);
        close(pair[0]);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close(pair[1]);
        return duplicate;
}

static void crowd_make(struct fixture *fx, struct crowd *crowd) {
        *crowd = (struct crowd){ .duplicate = make_ghost(fx, WEIR_READABLE | WEIR_LEVEL) };
        for (unsigned i = 0; i < MEMBERS; ++i) {
                make_socketpair(crowd->pairs[i]);
                assert_int_equal(weir_register(fx->registry, crowd->pairs[i][0], i, WEIR_READABLE | modes[i]), 0);
        }
}

/* Each member gets a byte and each must tell. */
static void crowd_speaks(struct fixture *fx, struct crowd *crowd) {
        memset(crowd->counts, 0, sizeof crowd->counts);
        for (unsigned i = 0; i < MEMBERS; ++i)
                put(crowd->pairs[i][1]);
        for (int waits = 0; waits < 4 * MEMBERS; ++waits)
                assert_true(tally(fx->poll, fx->events, 0, crowd->counts, MEMBERS + 1) >= 0);
        for (unsigned i = 0; i < MEMBERS; ++i) {
                assert_true(crowd->counts[i] > 0);
                assert_int_equal(drain(crowd->pairs[i][0]), 1);
        }
        assert_int_equal(crowd->counts[MEMBERS], 0);
        assert_int_equal(weir_rearm(fx->registry, crowd->pairs[2][0], WEIR_READABLE), 0);
}

static void crowd_end(struct crowd *crowd) {
        for (unsigned i = 0; i < MEMBERS; ++i)
                close_pair(crowd->pairs[i]);
        close(crowd->duplicate);
}

/* How many entries one set reports, marks left out. */
static int reported(int set) {
        struct epoll_event entries[BATCH];
        int n = weir_sys_epoll_wait(set, entries, BATCH, 0), count = 0;

        for (int i = 0; i < n; ++i)
                count += entries[i].data.u64 != DATA_EVENTFD;
        return count;
}

static void rebuild_moves_every_registration(void **state) {
        struct fixture *fx = *state;
        struct crowd crowd;
        int older = weir_sets_current(fx->registry);

        crowd_make(fx, &crowd);
        assert_int_equal(reported(older), 1); /* the ghost */
        for (uint64_t home = 1, round = 1; round <= 3; home = !home, ++round) {
                older = weir_sets_current(fx->registry);
                assert_true(weir_sets_rebuild(fx->registry));
                assert_int_equal(atomic_load(&fx->registry->home), home);
                assert_int_equal(weir_sets_older(fx->registry), -1);
                assert_true(weir_sets_current(fx->registry) >= 0);
                assert_false(weir_sys_is_open(older));
                assert_int_equal(reported(weir_sets_current(fx->registry)), 0);
                for (unsigned i = 0; i < MEMBERS; ++i) {
                        uint64_t word = word_at(fx, crowd.pairs[i][0]);

                        assert_int_equal(!!(word & SLOT_HOME), home);
                        assert_false(word & SLOT_LOCKED);
                }
                assert_int_equal(stats_of(fx->registry).rebuilds, round);
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

/* Whichever call of a rebuild fails for want of memory: nothing is lost, and a later one finishes. */
static void rebuild_survives_each_failure(void **state) {
        struct fixture *fx = *state;
        struct crowd crowd;
        uint64_t n, fired = 1;

        crowd_make(fx, &crowd);
        for (n = 1; fired; ++n) {
                uint64_t rebuilds = stats_of(fx->registry).rebuilds;
                bool complete;

                fault_at(FAULT_CREATE | FAULT_ADD, n, ENOMEM);
                complete = weir_sets_rebuild(fx->registry);
                fired = fault_off();
                assert_int_equal(complete, !fired);
                /* Whatever moves next, the crowd is heard wherever it is; a wait may finish the rebuild by itself. */
                crowd_speaks(fx, &crowd);
                assert_true(weir_sets_rebuild(fx->registry));
                assert_int_equal(weir_sets_older(fx->registry), -1);
                assert_true(stats_of(fx->registry).rebuilds > rebuilds);
                crowd_speaks(fx, &crowd);
        }
        /* The new set, the eventfd, and each member. */
        assert_int_equal(n - 2, 2 + MEMBERS);
        crowd_end(&crowd);
}

static void rebuild_without_descriptors_changes_nothing(void **state) {
        struct fixture *fx = *state;
        struct crowd crowd;
        int set = weir_sets_current(fx->registry);

        crowd_make(fx, &crowd);
        for (uint64_t n = 1; n <= 2; ++n) {
                fault_at(FAULT_CREATE | FAULT_ADD, n, n == 1 ? EMFILE : ENOSPC);
                assert_false(weir_sets_rebuild(fx->registry));
                assert_int_equal(fault_off(), 1);
                assert_int_equal(weir_sets_current(fx->registry), set);
                assert_int_equal(weir_sets_older(fx->registry), -1);
        }
        crowd_end(&crowd);
}

/* One member refuses to move: both sets are fetched from, even by a batch of one, and calls find the older set. */
static void two_sets_work_as_one(void **state) {
        struct fixture *fx = *state;
        struct weir_events *narrow = NULL;
        struct crowd crowd;
        uint64_t members[MEMBERS];

        crowd_make(fx, &crowd);
        assert_int_equal(weir_events_create(1, &narrow), 0);
        fault_from(FAULT_ADD, 4, ENOMEM); /* after the eventfd and two members */
        assert_false(weir_sets_rebuild(fx->registry));
        assert_int_equal(fault_off(), 1); /* it does not go on to the next, which would fail as well */
        assert_true(weir_sets_older(fx->registry) >= 0);
        for (unsigned i = 0; i < MEMBERS; ++i) {
                members[i] = word_at(fx, crowd.pairs[i][0]);
                put(crowd.pairs[i][1]);
        }
        assert_true(members[0] & SLOT_HOME && members[1] & SLOT_HOME);
        assert_false(members[2] & SLOT_HOME || members[3] & SLOT_HOME);

        fault_from(FAULT_ADD, 1, ENOMEM); /* the ghost shows itself to the waits, but must not be cured yet */
        for (int i = 0; i < 8 * MEMBERS; ++i)
                assert_true(tally(fx->poll, narrow, 0, crowd.counts, MEMBERS + 1) >= 0);
        for (unsigned i = 0; i < MEMBERS; ++i)
                assert_true(crowd.counts[i] > 0);
        (void)fault_off();

        /* Calls about the two that stayed go to the set that holds them. */
        assert_int_equal(weir_reregister(fx->registry, crowd.pairs[2][0], 2, WEIR_WRITABLE | WEIR_ONESHOT), 0);
        assert_int_equal(weir_rearm(fx->registry, crowd.pairs[2][0], WEIR_READABLE), 0);
        assert_int_equal(weir_deregister(fx->registry, crowd.pairs[3][0]), 0);
        assert_int_equal(weir_register(fx->registry, crowd.pairs[3][0], 3, WEIR_READABLE | WEIR_LEVEL), 0);
        assert_true(word_at(fx, crowd.pairs[3][0]) & SLOT_HOME);
        assert_true(weir_sets_rebuild(fx->registry));
        for (unsigned i = 0; i < MEMBERS; ++i)
                drain(crowd.pairs[i][0]);
        crowd_speaks(fx, &crowd);
        weir_events_destroy(narrow);
        crowd_end(&crowd);
}

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

/* A register asks the set that has the registration, be it the older one: it is refused, and replaces nothing. */
static void registered_in_either_set_is_registered(void **state) {
        struct fixture *fx = *state;
        struct crowd crowd;

        crowd_make(fx, &crowd);
        fault_from(FAULT_ADD, 4, ENOMEM); /* after the eventfd and two members */
        assert_false(weir_sets_rebuild(fx->registry));
        assert_int_equal(fault_off(), 1);
        assert_true(weir_sets_older(fx->registry) >= 0);
        for (unsigned i = 0; i < MEMBERS; ++i)
                assert_int_equal(weir_register(fx->registry, crowd.pairs[i][0], MEMBERS, WEIR_READABLE), -EEXIST);
        crowd_speaks(fx, &crowd);
        crowd_end(&crowd);
}

static void stranger_is_not_adopted(void **state) {
        struct fixture *fx = *state;

        for (unsigned failing = 0; failing < 2; ++failing) {
                int duplicate, number = make_closed(fx, WEIR_READABLE | WEIR_LEVEL, &duplicate);

                move_descriptor(make_eventfd(1), number);
                fault_at(FAULT_ADD, failing ? 2 : UINT64_MAX, ENOMEM);
                assert_true(weir_sets_rebuild(fx->registry));
                assert_int_equal(fault_off(), failing);
                expect_silence(fx);
                assert_int_equal(reported(weir_sets_current(fx->registry)), 0);
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
        int below = make_eventfd(0); /* where the new set goes */
        int duplicate, number = make_closed(fx, WEIR_READABLE | WEIR_LEVEL, &duplicate);

        assert_true(below < number);
        close(below);
        assert_true(weir_sets_rebuild(fx->registry));
        assert_int_equal(weir_sets_current(fx->registry), below);
        assert_int_equal(weir_sets_older(fx->registry), -1);
        assert_int_equal(weir_deregister(fx->registry, number), 0);
        close(duplicate);
}

/* The new set is itself the stranger on a closed number, and later the older set is. */
static void set_on_a_closed_number_does_not_stop_the_move(void **state) {
        struct fixture *fx = *state;
        int duplicate, number = make_closed(fx, WEIR_READABLE | WEIR_LEVEL, &duplicate);

        for (int round = 0; round < 3; ++round) {
                assert_true(weir_sets_rebuild(fx->registry));
                assert_int_equal(weir_sets_older(fx->registry), -1);
                if (round == 0)
                        assert_int_equal(weir_sets_current(fx->registry), number);
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
        assert_true(weir_sets_rebuild(fx->registry));
        assert_int_equal(weir_sets_older(fx->registry), -1);
        assert_int_equal(weir_deregister(fx->registry, number), 0);
        close(number);
        close(duplicate);
}
/* What another thread may do between two calls of the rebuild. */
struct intruder {
        struct fixture *fx;
        struct crowd *crowd;
        int fds[2];
};

static void intrude(void *arg) {
        struct intruder *intruder = arg;
        struct weir_registry *registry = intruder->fx->registry;

        assert_int_equal(weir_register(registry, intruder->fds[0], 5, WEIR_READABLE | WEIR_LEVEL), 0);
        assert_int_equal(weir_deregister(registry, intruder->crowd->pairs[3][0]), 0);
        assert_int_equal(weir_reregister(registry, intruder->crowd->pairs[2][0], 6, WEIR_READABLE | WEIR_LEVEL), 0);
}

static void calls_during_the_move_are_kept(void **state) {
        struct fixture *fx = *state;

        /* In the middle of moving the first member, and of the second: before the ADD, and before the DEL. */
        for (unsigned n = 1; n <= 4; ++n) {
                struct intruder intruder = { .fx = fx };
                unsigned counts[7] = { 0 };
                struct crowd crowd;
                uint64_t home;

                crowd_make(fx, &crowd);
                make_socketpair(intruder.fds);
                intruder.crowd = &crowd;
                fault_hook(FAULT_ADD | FAULT_DEL, 1 + n, intrude, &intruder);
                assert_true(weir_sets_rebuild(fx->registry));
                assert_int_equal(fault_off(), 1);
                home = atomic_load(&fx->registry->home);
                assert_int_equal(!!(word_at(fx, intruder.fds[0]) & SLOT_HOME), home);
                assert_int_equal(!!(word_at(fx, crowd.pairs[2][0]) & SLOT_HOME), home);
                assert_false(word_at(fx, crowd.pairs[3][0]) & SLOT_REGISTERED);
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
        }
}

/* An exclusive registration may have been the one to be woken, in the set that is gone. */
static void exclusive_gets_a_spare_event(void **state) {
        struct fixture *fx = *state;
        int pair[2];

        make_pipe(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_EXCLUSIVE), 0);
        assert_true(weir_sets_rebuild(fx->registry));
        assert_true(word_at(fx, pair[0]) & SLOT_LINKED);
        assert_int_equal(expect_one(fx, 1).readiness, EPOLLIN);
        expect_silence(fx);
        close_pair(pair);
}

/* The descriptor for nesting is the same one before and after, and watches both sets between. */
static void outer_set_keeps_hearing(void **state) {
        struct fixture *fx = *state;
        struct crowd crowd;
        struct weir_event got[BATCH];
        int outer = weir_poll_fd(fx->poll);

        assert_true(outer >= 0);
        crowd_make(fx, &crowd);
        move_descriptor(make_eventfd(0), crowd.duplicate); /* the ghost dies with its file: it would be heard, too */
        fault_from(FAULT_ADD, 5, ENOMEM);                  /* after the eventfd, the outer set, two members */
        assert_false(weir_sets_rebuild(fx->registry));
        (void)fault_off();
        assert_true(weir_sets_older(fx->registry) >= 0);
        assert_true(word_at(fx, crowd.pairs[1][0]) & SLOT_HOME);
        assert_false(word_at(fx, crowd.pairs[3][0]) & SLOT_HOME);
        for (int finished = 0; finished < 2; ++finished) {
                if (finished) {
                        (void)fault_off();
                        assert_true(weir_sets_rebuild(fx->registry));
                } else
                        fault_from(FAULT_ADD, 1, ENOMEM); /* the waits must not finish it yet */
                while (collect(fx->poll, fx->events, 0, got, BATCH) > 0)
                        ; /* the eventfd of each set has its own edge to tell of */
                for (unsigned i = 0; i < MEMBERS; ++i) {
                        assert_false(polls_readable(outer, 0));
                        put(crowd.pairs[i][1]);
                        assert_true(polls_readable(outer, DEADLINE_MS));
                        drain(crowd.pairs[i][0]);
                }
        }
        assert_int_equal(weir_poll_fd(fx->poll), outer);
        crowd_end(&crowd);
}

/* What cannot be had leaves no half of it behind. */
static void outer_set_fails_cleanly(void **state) {
        struct fixture *fx = *state;
        unsigned before = count_descriptors();

        fault_at(FAULT_CREATE, 1, EMFILE);
        assert_int_equal(weir_poll_fd(fx->poll), -EMFILE);
        fault_at(FAULT_ADD, 1, ENOSPC);
        assert_int_equal(weir_poll_fd(fx->poll), -ENOSPC);
        assert_int_equal(fault_off(), 1);
        assert_int_equal(count_descriptors(), before);
        assert_false(weir_queue_is_nested(&fx->registry->queue));
        assert_true(weir_poll_fd(fx->poll) >= 0);
        assert_true(weir_queue_is_nested(&fx->registry->queue));
}

/* The poll's own descriptors cannot be registered, and a late call about such a number leaves them alone. */
static void own_descriptors_are_left_alone(void **state) {
        struct fixture *fx = *state;
        int pair[2], stays[2], number, own[3];

        own[0] = fx->registry->eventfd;
        own[1] = weir_sets_current(fx->registry);
        own[2] = weir_poll_fd(fx->poll);
        for (unsigned i = 0; i < 3; ++i) {
                assert_int_equal(weir_register(fx->registry, own[i], 7, WEIR_READABLE), -EINVAL);
                assert_int_equal(weir_deregister(fx->registry, own[i]), -ENOENT);
        }

        make_pipe(pair);
        make_pipe(stays);
        number = pair[0];
        assert_int_equal(weir_register(fx->registry, number, 2, WEIR_READABLE), 0);
        assert_int_equal(weir_register(fx->registry, stays[0], 1, WEIR_READABLE), 0);
        close_pair(pair);
        assert_true(weir_sets_rebuild(fx->registry)); /* the new set takes the number */
        assert_int_equal(weir_sets_current(fx->registry), number);
        assert_int_equal(weir_reregister(fx->registry, number, 2, WEIR_READABLE), -EBADF);
        assert_int_equal(weir_deregister(fx->registry, number), 0);
        put(stays[1]);
        assert_int_equal(expect_one(fx, 1).readiness, EPOLLIN);
        put(stays[1]);
        assert_true(polls_readable(own[2], DEADLINE_MS)); /* and the outer set still hears it */
        close_pair(stays);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(own_descriptors_are_left_alone),
                CASE(rebuild_moves_every_registration),
                CASE(wait_cures_level_ghost),
                CASE(wait_leaves_edge_ghost),
                CASE(rebuild_survives_each_failure),
                CASE(rebuild_without_descriptors_changes_nothing),
                CASE(two_sets_work_as_one),
                CASE(registered_in_either_set_is_registered),
                CASE(stranger_is_not_adopted),
                CASE(closed_number_does_not_stop_the_move),
                CASE(set_on_a_closed_number_does_not_stop_the_move),
                CASE(unpollable_stranger_does_not_stop_the_move),
                CASE(calls_during_the_move_are_kept),
                CASE(exclusive_gets_a_spare_event),
                CASE(outer_set_keeps_hearing),
                CASE(outer_set_fails_cleanly),
        };

        return cmocka_run_group_tests_name("sets", tests, NULL, NULL);
}
