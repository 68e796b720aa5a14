/* SPDX-License-Identifier: MIT */
/*
 * G5: when a number is closed, reused and registered again, no event of the old registration comes out under the new
 * token. The new descriptors here are not ready, so that any event under their token is a wrong one.
 */
#include "../support.h"

/* Closes the number and opens an eventfd that is not ready on it. */
static void reopen_unready(int number) {
        close(number);
        move_descriptor(make_eventfd(0), number);
}

static void g5_event_fetched_before_close_and_reuse_is_not_handed_out(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        int fd;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                fd = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | modes[m]), 0);
                fetch(fx, 1);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
                reopen_unready(fd);
                assert_int_equal(weir_register(fx->registry, fd, 2, WEIR_READABLE | modes[m]), 0);
                expect_drained_batch(fx);
                expect_silence(fx);
                ring(fd);
                expect_one(fx, 2);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
                close(fd);
        }
}

static void g5_number_closed_without_deregister_can_be_registered_anew(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        int fd;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                fd = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | modes[m]), 0);
                fetch(fx, 1);
                reopen_unready(fd);
                assert_int_equal(weir_register(fx->registry, fd, 2, WEIR_READABLE | modes[m]), 0);
                assert_int_equal(stats_of(fx->registry).registered, 1);
                expect_drained_batch(fx);
                expect_silence(fx);
                ring(fd);
                expect_one(fx, 2);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
                assert_int_equal(weir_deregister(fx->registry, fd), -ENOENT);
                close(fd);
        }
}

static void g5_leftovers_of_a_half_read_batch_do_not_come_under_the_new_token(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct weir_event event;
        unsigned other;
        int fds[2];

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                for (unsigned i = 0; i < 2; i++) {
                        fds[i] = make_eventfd(1);
                        assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | modes[m]), 0);
                }
                fetch(fx, 2);
                assert_true(weir_events_next(fx->events, &event));
                weir_events_clear(fx->events);
                other = event.token == 0;
                assert_int_equal(weir_deregister(fx->registry, fds[event.token]), 0);
                reopen_unready(fds[other]);
                assert_int_equal(weir_register(fx->registry, fds[other], 2, WEIR_READABLE | modes[m]), 0);
                expect_silence(fx);
                assert_int_equal(weir_deregister(fx->registry, fds[other]), 0);
                close_pair(fds);
        }
}

static void g5_rearmed_readiness_does_not_come_under_the_new_token(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 1);
        drain(fd);
        ring(fd);
        assert_int_equal(collect(fx->poll, fx->events, 0, (struct weir_event[1]){ 0 }, 1), 0);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        reopen_unready(fd);
        assert_int_equal(weir_register(fx->registry, fd, 2, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_silence(fx);
        ring(fd);
        expect_one(fx, 2);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g5_reuse_many_times_beside_an_open_batch_hands_out_nothing_old(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        fetch(fx, 1);
        /* More often than a few bits of generation can count. */
        for (unsigned i = 0; i < 5000; i++) {
                if (i % 2)
                        assert_int_equal(weir_deregister(fx->registry, fd), 0);
                reopen_unready(fd);
                assert_int_equal(weir_register(fx->registry, fd, 2 + i, WEIR_READABLE), 0);
        }
        expect_drained_batch(fx);
        expect_silence(fx);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g5_duplicate_registered_beside_its_original_keeps_its_own_token(void **state) {
        struct fixture *fx = *state;
        unsigned counts[3] = { 0 };
        int fd, copy;

        fd = make_eventfd(1);
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        assert_true(copy >= 0);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        assert_int_equal(weir_register(fx->registry, copy, 2, WEIR_READABLE), 0);
        assert_int_equal(tally(fx->poll, fx->events, DEADLINE_MS, counts, 3), 2);
        assert_int_equal(counts[1], 1);
        assert_int_equal(counts[2], 1);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        ring(copy);
        expect_one(fx, 2);
        assert_int_equal(weir_deregister(fx->registry, copy), 0);
        close(fd);
        close(copy);
}

/* ---------------------------------------------------------------- several threads reuse, one reads */

#define REUSERS 3
#define REUSES  1500

struct reuser {
        struct fixture *fx;
        atomic_int *left;
        unsigned id;
};

/* A token is odd if its descriptor was never ready: such a one must not come out at all. */
static int reuse(void *arg) {
        struct reuser *reuser = arg;
        struct weir_registry *registry = reuser->fx->registry;
        int fds[2], fd;

        for (unsigned i = 0; i < REUSES; i++) {
                weir_token base = ((weir_token)reuser->id << 32 | i) << 1;
                weir_interest mode = i % 3 == 1 ? WEIR_LEVEL : i % 3 == 2 ? WEIR_ONESHOT : 0;

                REQUIRE(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
                fd = fds[0];
                put(fds[1]);
                REQUIRE(weir_register(registry, fd, base, WEIR_READABLE | mode) == 0);
                if (i % 4 < 2)
                        REQUIRE(weir_deregister(registry, fd) == 0);
                close_pair(fds);
                /* Some thread gets the number again, ready or not; here it is not. */
                REQUIRE(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
                fd = fds[0];
                REQUIRE(weir_register(registry, fd, base | 1, WEIR_READABLE | mode) == 0);
                if (i % 5 == 0)
                        sched_yield();
                REQUIRE(weir_deregister(registry, fd) == 0);
                close_pair(fds);
        }
        atomic_fetch_sub_explicit(reuser->left, 1, memory_order_relaxed);
        return 0;
}

static void g5_threads_that_reuse_numbers_never_see_an_event_under_an_unready_token(void **state) {
        struct fixture *fx = *state;
        struct reuser reusers[REUSERS];
        struct worker workers[REUSERS];
        struct weir_event event;
        atomic_int left = REUSERS;
        unsigned wrong = 0;
        int r;

        for (unsigned i = 0; i < REUSERS; i++) {
                reusers[i] = (struct reuser){ .fx = fx, .left = &left, .id = i };
                worker_start(&workers[i], reuse, &reusers[i]);
        }
        while (atomic_load_explicit(&left, memory_order_relaxed) > 0) {
                r = wait_ms(fx->poll, fx->events, 1);
                assert_true(r >= 0);
                while (weir_events_next(fx->events, &event))
                        wrong += event.token & 1;
                for (unsigned i = 0; i < REUSERS; i++)
                        if (worker_done_within(&workers[i], 0) && workers[i].result)
                                atomic_store_explicit(&left, 0, memory_order_relaxed);
        }
        for (unsigned i = 0; i < REUSERS; i++)
                assert_int_equal(worker_join(&workers[i]), 0);
        assert_int_equal(wrong, 0);
        weir_events_clear(fx->events);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g5_event_fetched_before_close_and_reuse_is_not_handed_out),
                CASE(g5_number_closed_without_deregister_can_be_registered_anew),
                CASE(g5_leftovers_of_a_half_read_batch_do_not_come_under_the_new_token),
                CASE(g5_rearmed_readiness_does_not_come_under_the_new_token),
                CASE(g5_reuse_many_times_beside_an_open_batch_hands_out_nothing_old),
                CASE(g5_duplicate_registered_beside_its_original_keeps_its_own_token),
                CASE(g5_threads_that_reuse_numbers_never_see_an_event_under_an_unready_token),
        };

        return cmocka_run_group_tests_name("g05_reuse", cases, NULL, NULL);
}
