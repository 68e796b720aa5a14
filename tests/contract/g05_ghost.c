/* SPDX-License-Identifier: MIT */
/*
 * G5 for ghosts: a registration that a duplicate keeps alive in the kernel after its number was closed. Its events go
 * nowhere, end no wait early and do not spin the poll; what is registered beside it, and a stranger that sits on a
 * closed number, are not touched by the cure.
 */
#include "../support.h"

/* A pipe whose reading end was registered, duplicated and closed. */
struct ghost {
        int number; /* free now */
        int copy;
        int writer;
};

static void ghost_make(struct ghost *ghost, struct weir_registry *registry, weir_token token, weir_interest mode) {
        int fds[2];

        make_pipe(fds);
        assert_int_equal(weir_register(registry, fds[0], token, WEIR_READABLE | mode), 0);
        ghost->copy = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
        assert_true(ghost->copy >= 0);
        ghost->number = fds[0];
        ghost->writer = fds[1];
        close(fds[0]);
}

static void ghost_end(struct ghost *ghost) {
        close(ghost->copy);
        close(ghost->writer);
}

/* Waits beside the ghost until one wait meets nothing stale any more. Returns how many events were handed out. */
static int cure(struct fixture *fx) {
        struct weir_event got[BATCH];
        uint64_t before;
        int total = 0, n;

        for (unsigned tries = 0; tries < 100; tries++) {
                before = stats_of(fx->registry).stale;
                n = collect(fx->poll, fx->events, 20, got, BATCH);
                assert_true(n >= 0);
                total += n;
                if (n == 0 && stats_of(fx->registry).stale == before)
                        return total;
        }
        fail_msg("%s", "the ghost still comes");
        return total;
}

static void expect_cure(struct fixture *fx) {
        assert_int_equal(cure(fx), 0);
}

static void g5_edge_triggered_ghost_is_silent(void **state) {
        struct fixture *fx = *state;
        struct ghost ghost;

        ghost_make(&ghost, fx->registry, 1, 0);
        assert_int_equal(weir_deregister(fx->registry, ghost.number), 0);
        for (unsigned i = 0; i < 100; i++) {
                put(ghost.writer);
                expect_silence(fx);
        }
        ghost_end(&ghost);
}

static void g5_stale_events_never_end_a_wait_early(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct ghost ghosts[ARRAY_LEN(modes)];
        uint64_t start;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                ghost_make(&ghosts[m], fx->registry, 1, modes[m]);
                assert_int_equal(weir_deregister(fx->registry, ghosts[m].number), 0);
                put(ghosts[m].writer);
        }
        start = now_ns();
        assert_int_equal(wait_ms(fx->poll, fx->events, 100), 0);
        assert_true(now_ns() - start >= UINT64_C(100000000));
        for (unsigned m = 0; m < ARRAY_LEN(modes); m++)
                ghost_end(&ghosts[m]);
}

static void g5_level_triggered_ghost_does_not_spin_the_poll(void **state) {
        struct fixture *fx = *state;
        struct ghost ghost;
        uint64_t before;

        ghost_make(&ghost, fx->registry, 1, WEIR_LEVEL);
        assert_int_equal(weir_deregister(fx->registry, ghost.number), 0);
        put(ghost.writer);
        before = stats_of(fx->registry).stale;
        assert_int_equal(wait_ms(fx->poll, fx->events, 300), 0);
        /* A spinning poll meets it hundreds of thousands of times. */
        assert_in_range(stats_of(fx->registry).stale - before, 0, 2000);
        expect_cure(fx);
        expect_silence(fx);
        ghost_end(&ghost);
}

static void g5_ghost_of_a_number_registered_anew_is_cured_too(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct ghost ghost;
        int fd;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                for (unsigned deregister = 0; deregister < 2; deregister++) {
                        ghost_make(&ghost, fx->registry, 1, modes[m]);
                        put(ghost.writer);
                        if (deregister)
                                assert_int_equal(weir_deregister(fx->registry, ghost.number), 0);
                        fd = ghost.number;
                        move_descriptor(make_eventfd(0), fd);
                        assert_int_equal(weir_register(fx->registry, fd, 2, WEIR_READABLE | modes[m]), 0);
                        /* Both sit in the kernel under one number now. */
                        expect_silence(fx);
                        expect_cure(fx);
                        put(ghost.writer);
                        expect_silence(fx);
                        ring(fd);
                        expect_one(fx, 2);
                        assert_int_equal(weir_deregister(fx->registry, fd), 0);
                        expect_silence(fx);
                        close(fd);
                        ghost_end(&ghost);
                }
        }
}

static void g5_registrations_beside_a_level_triggered_ghost_live_on(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT, WEIR_EXCLUSIVE };
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        unsigned counts[ARRAY_LEN(modes) + 1];
        int pipes[ARRAY_LEN(modes)][2];
        struct ghost ghost;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                make_pipe(pipes[m]);
                assert_int_equal(weir_register(fx->registry, pipes[m][0], m, WEIR_READABLE | modes[m]), 0);
        }
        assert_int_equal(weir_waker_create(fx->registry, ARRAY_LEN(modes), &waker), 0);
        ghost_make(&ghost, fx->registry, 99, WEIR_LEVEL);
        assert_int_equal(weir_deregister(fx->registry, ghost.number), 0);
        put(ghost.writer);
        /* An exclusive one cannot be moved quietly; spurious readiness is allowed, as long as it ends. */
        assert_in_range(cure(fx), 0, 10);

        for (unsigned round = 0; round < 3; round++) {
                memset(counts, 0, sizeof(counts));
                for (unsigned m = 0; m < ARRAY_LEN(modes); m++)
                        put(pipes[m][1]);
                assert_int_equal(weir_waker_wake(waker), 0);
                for (unsigned m = 0; m < ARRAY_LEN(counts);) {
                        assert_true(tally(fx->poll, fx->events, DEADLINE_MS, counts, ARRAY_LEN(counts)) >= 0);
                        while (m < ARRAY_LEN(counts) && counts[m])
                                m++;
                }
                for (unsigned m = 0; m < ARRAY_LEN(modes); m++)
                        drain(pipes[m][0]);
                assert_int_equal(counts[2], 1);
                assert_int_equal(weir_rearm(fx->registry, pipes[2][0], WEIR_READABLE), 0);
        }
        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                assert_int_equal(weir_deregister(fx->registry, pipes[m][0]), 0);
                put(pipes[m][1]);
        }
        expect_silence(fx);
        for (unsigned m = 0; m < ARRAY_LEN(modes); m++)
                close_pair(pipes[m]);
        weir_waker_destroy(waker);
        ghost_end(&ghost);
}

static void g5_readiness_pending_during_the_cure_is_not_lost(void **state) {
        struct fixture *fx = *state;
        unsigned counts[32] = { 0 };
        struct ghost ghost;
        int fds[32];

        ghost_make(&ghost, fx->registry, 99, WEIR_LEVEL);
        assert_int_equal(weir_deregister(fx->registry, ghost.number), 0);
        put(ghost.writer);
        for (unsigned i = 0; i < 32; i++) {
                fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | (i % 2 ? WEIR_ONESHOT : 0)), 0);
        }
        for (unsigned seen = 0, tries = 0; seen < 32; tries++) {
                assert_true(tries < 1000);
                assert_true(tally(fx->poll, fx->events, 10, counts, 32) >= 0);
                while (seen < 32 && counts[seen])
                        seen++;
        }
        for (unsigned i = 1; i < 32; i += 2)
                assert_int_equal(counts[i], 1);
        for (unsigned i = 0; i < 32; i++) {
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                close(fds[i]);
        }
        ghost_end(&ghost);
}

static void g5_oneshot_in_its_owners_hands_is_not_handed_out_by_the_cure(void **state) {
        struct fixture *fx = *state;
        struct ghost ghost;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 1);
        ghost_make(&ghost, fx->registry, 99, WEIR_LEVEL);
        assert_int_equal(weir_deregister(fx->registry, ghost.number), 0);
        put(ghost.writer);
        /* Ready and undrained, but disarmed. */
        expect_cure(fx);
        expect_silence(fx);
        drain(fd);
        ring(fd);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        expect_one(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
        ghost_end(&ghost);
}

static void g5_cure_does_not_adopt_a_stranger_on_a_closed_number(void **state) {
        struct fixture *fx = *state;
        struct ghost ghost, forgotten;
        int fds[2], closed;

        /* Two numbers that were registered and closed, and nobody said so: one died with its file, one is a ghost. */
        make_pipe(fds);
        closed = fds[0];
        assert_int_equal(weir_register(fx->registry, closed, 1, WEIR_READABLE | WEIR_LEVEL), 0);
        ghost_make(&forgotten, fx->registry, 2, WEIR_LEVEL);
        close_pair(fds);
        move_descriptor(make_eventfd(0), closed);
        move_descriptor(make_eventfd(0), forgotten.number);

        ghost_make(&ghost, fx->registry, 99, WEIR_LEVEL);
        assert_int_equal(weir_deregister(fx->registry, ghost.number), 0);
        put(ghost.writer);
        expect_cure(fx);
        ring(closed);
        ring(forgotten.number);
        expect_silence(fx);

        /* The strangers are nobody's yet, so they can be registered. */
        assert_int_equal(weir_register(fx->registry, closed, 3, WEIR_READABLE), 0);
        expect_one(fx, 3);
        assert_int_equal(weir_register(fx->registry, forgotten.number, 4, WEIR_READABLE), 0);
        expect_one(fx, 4);
        assert_int_equal(weir_deregister(fx->registry, closed), 0);
        assert_int_equal(weir_deregister(fx->registry, forgotten.number), 0);
        close(closed);
        close(forgotten.number);
        ghost_end(&forgotten);
        ghost_end(&ghost);
}

static void g5_many_ghosts_are_cured_one_after_the_other(void **state) {
        struct fixture *fx = *state;
        struct ghost ghosts[20];
        int fd;

        fd = make_eventfd(0);
        assert_int_equal(weir_register(fx->registry, fd, 5, WEIR_READABLE), 0);
        for (unsigned i = 0; i < ARRAY_LEN(ghosts); i++) {
                ghost_make(&ghosts[i], fx->registry, 1, WEIR_LEVEL);
                assert_int_equal(weir_deregister(fx->registry, ghosts[i].number), 0);
                put(ghosts[i].writer);
                /* Some are met alone, some in a crowd. */
                if (i < 5)
                        expect_cure(fx);
        }
        expect_cure(fx);
        ring(fd);
        expect_one(fx, 5);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
        for (unsigned i = 0; i < ARRAY_LEN(ghosts); i++)
                ghost_end(&ghosts[i]);
}

static void g5_crowd_of_ghosts_does_not_hide_what_is_ready(void **state) {
        struct fixture *fx = *state;
        struct weir_events *single = NULL;
        struct ghost ghosts[20];
        unsigned counts[1] = { 0 };
        int fd;

        /* Room for one event, and all the ghosts are ready before the one that lives. */
        assert_int_equal(weir_events_create(1, &single), 0);
        for (unsigned i = 0; i < ARRAY_LEN(ghosts); i++) {
                ghost_make(&ghosts[i], fx->registry, 99, i % 2 ? WEIR_LEVEL : 0);
                assert_int_equal(weir_deregister(fx->registry, ghosts[i].number), 0);
                put(ghosts[i].writer);
        }
        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 0, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_int_equal(tally(fx->poll, single, -1, counts, 1), 1);
        assert_int_equal(counts[0], 1);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
        for (unsigned i = 0; i < ARRAY_LEN(ghosts); i++)
                ghost_end(&ghosts[i]);
        weir_events_destroy(single);
}

static void g5_file_of_a_ghost_that_comes_back_to_its_number_can_be_registered(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT, WEIR_EXCLUSIVE };
        struct fixture *fx = *state;
        struct ghost ghost;

        for (unsigned from = 0; from < ARRAY_LEN(modes); from++) {
                for (unsigned to = 0; to < ARRAY_LEN(modes); to++) {
                        /* The kernel still has number and file together, so it calls this a double registration. */
                        ghost_make(&ghost, fx->registry, 1, modes[from]);
                        assert_int_equal(weir_deregister(fx->registry, ghost.number), 0);
                        assert_int_equal(dup3(ghost.copy, ghost.number, O_CLOEXEC), ghost.number);
                        assert_int_equal(weir_register(fx->registry, ghost.number, 2, WEIR_READABLE | modes[to]), 0);
                        expect_silence(fx);
                        put(ghost.writer);
                        expect_one(fx, 2);
                        if (modes[to] == WEIR_LEVEL)
                                expect_one(fx, 2);
                        else
                                expect_silence(fx);
                        assert_int_equal(weir_deregister(fx->registry, ghost.number), 0);
                        expect_silence(fx);
                        close(ghost.number);
                        ghost_end(&ghost);
                }
        }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g5_edge_triggered_ghost_is_silent),
                CASE(g5_stale_events_never_end_a_wait_early),
                CASE(g5_level_triggered_ghost_does_not_spin_the_poll),
                CASE(g5_ghost_of_a_number_registered_anew_is_cured_too),
                CASE(g5_registrations_beside_a_level_triggered_ghost_live_on),
                CASE(g5_readiness_pending_during_the_cure_is_not_lost),
                CASE(g5_oneshot_in_its_owners_hands_is_not_handed_out_by_the_cure),
                CASE(g5_cure_does_not_adopt_a_stranger_on_a_closed_number),
                CASE(g5_many_ghosts_are_cured_one_after_the_other),
                CASE(g5_crowd_of_ghosts_does_not_hide_what_is_ready),
                CASE(g5_file_of_a_ghost_that_comes_back_to_its_number_can_be_registered),
        };

        return cmocka_run_group_tests_name("g05_ghost", cases, NULL, NULL);
}
