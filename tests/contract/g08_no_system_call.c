/* SPDX-License-Identifier: MIT */
/*
 * G8 and G9 where they speak of system calls: rearm, retoken, disarm, and a wake of a poll that is not asleep make none; a rearm
 * makes one where readiness was met while the descriptor was owned. (g08_epoll_ctl.c tells the cases of it apart.)
 */
#include "../silent.h"

static int body_rearm(struct silent *silent) {
        for (unsigned i = 0; i < 100; i++)
                REQUIRE(weir_rearm(silent->fx->registry, silent->fd, WEIR_READABLE) == 0);
        return 0;
}

static void g8_rearm_of_known_directions_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };

        silent.fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, silent.fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 1);
        drain(silent.fd);
        expect_no_call(&silent, body_rearm);
        /* And yet it is armed. */
        ring(silent.fd);
        expect_soon(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, silent.fd), 0);
        close(silent.fd);
}

static int body_rearm_once(struct silent *silent) {
        REQUIRE(weir_rearm(silent->fx->registry, silent->fd, WEIR_READABLE) == 0);
        return 0;
}

static void g8_rearm_with_readiness_in_the_meantime_makes_one_system_call_at_most(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx, .most = 1 };

        silent.fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, silent.fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 1);
        drain(silent.fd);
        ring(silent.fd);
        expect_silence(fx);
        expect_no_call(&silent, body_rearm_once);
        expect_one(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, silent.fd), 0);
        close(silent.fd);
}

static void g8_rearm_with_readiness_that_nobody_met_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };

        silent.fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, silent.fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 1);
        drain(silent.fd);
        ring(silent.fd);
        expect_no_call(&silent, body_rearm);
        expect_one(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, silent.fd), 0);
        close(silent.fd);
}

static int body_disarm(struct silent *silent) {
        for (unsigned i = 0; i < 100; i++) {
                REQUIRE(weir_disarm(silent->fx->registry, silent->fd) == 1);
                REQUIRE(weir_disarm(silent->fx->registry, silent->fd) == 0);
                REQUIRE(weir_rearm(silent->fx->registry, silent->fd, i % 2 ? WEIR_READABLE : 0) == 0);
        }
        return 0;
}

static void g8_disarm_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };

        silent.fd = make_eventfd(0);
        assert_int_equal(weir_register(fx->registry, silent.fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_no_call(&silent, body_disarm);
        ring(silent.fd);
        expect_one(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, silent.fd), 0);
        close(silent.fd);
}

static int body_disarm_pending(struct silent *silent) {
        REQUIRE(weir_disarm(silent->fx->registry, silent->fd) == 1);
        return 0;
}

static void g8_disarm_of_what_was_fetched_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };

        silent.fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, silent.fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        fetch(fx, 1);
        expect_no_call(&silent, body_disarm_pending);
        expect_drained_batch(fx);
        expect_silence(fx);
        assert_int_equal(weir_deregister(fx->registry, silent.fd), 0);
        close(silent.fd);
}

static void g8_first_rearm_of_a_held_oneshot_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };

        silent.fd = make_eventfd(0);
        assert_int_equal(weir_register(fx->registry, silent.fd, 1, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), 0);
        expect_no_call(&silent, body_rearm_once);
        ring(silent.fd);
        expect_one(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, silent.fd), 0);
        close(silent.fd);
}

static int body_rearm_both(struct silent *silent) {
        REQUIRE(weir_rearm(silent->fx->registry, silent->fd, WEIR_READABLE | WEIR_WRITABLE) == 0);
        REQUIRE(weir_rearm(silent->fx->registry, silent->fd, WEIR_WRITABLE) == 0);
        REQUIRE(weir_rearm(silent->fx->registry, silent->fd, WEIR_READABLE) == 0);
        return 0;
}

static void g8_direction_asked_for_by_an_earlier_rearm_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };
        int pair[2];

        make_socketpair(pair);
        silent.fd = pair[0];
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        put(pair[1]);
        expect_one(fx, 1);
        drain(pair[0]);
        /* Costs its call here, never again for this registration. */
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_WRITABLE), 0);
        expect_one(fx, 1);
        fill(pair[0]);
        expect_no_call(&silent, body_rearm_both);
        put(pair[1]);
        expect_soon(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

static int body_retoken(struct silent *silent) {
        struct weir_registry *clone;

        for (unsigned i = 0; i < 100; i++)
                REQUIRE(weir_retoken(silent->fx->registry, silent->fd, i) == 0);
        clone = weir_registry_clone(silent->fx->registry);
        weir_registry_release(clone);
        return 0;
}

static void g8_retoken_and_clone_make_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };

        silent.fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, silent.fd, 1, WEIR_READABLE), 0);
        expect_no_call(&silent, body_retoken);
        expect_soon(fx, 99);
        assert_int_equal(weir_deregister(fx->registry, silent.fd), 0);
        close(silent.fd);
}

static int body_wake(struct silent *silent) {
        for (unsigned i = 0; i < 100; i++)
                for (unsigned w = 0; w < 2; w++)
                        REQUIRE(weir_waker_wake(silent->wakers[w]) == 0);
        return 0;
}

static void g9_wake_of_a_poll_that_is_not_asleep_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };
        unsigned counts[2] = { 0 };

        for (unsigned w = 0; w < 2; w++)
                assert_int_equal(weir_waker_create(fx->registry, w, &silent.wakers[w]), 0);
        expect_no_call(&silent, body_wake);
        assert_int_equal(tally(fx->poll, fx->events, DEADLINE_MS, counts, 2), 2);
        /* Once more beside an open batch. */
        assert_int_equal(weir_waker_wake(silent.wakers[0]), 0);
        fetch(fx, 1);
        expect_no_call(&silent, body_wake);
        weir_events_clear(fx->events);
        for (unsigned w = 0; w < 2; w++)
                weir_waker_destroy(silent.wakers[w]);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_rearm_of_known_directions_makes_no_system_call),
                CASE(g8_rearm_with_readiness_in_the_meantime_makes_one_system_call_at_most),
                CASE(g8_direction_asked_for_by_an_earlier_rearm_makes_no_system_call),
                CASE(g8_rearm_with_readiness_that_nobody_met_makes_no_system_call),
                CASE(g8_disarm_makes_no_system_call),
                CASE(g8_disarm_of_what_was_fetched_makes_no_system_call),
                CASE(g8_first_rearm_of_a_held_oneshot_makes_no_system_call),
                CASE(g8_retoken_and_clone_make_no_system_call),
                CASE(g9_wake_of_a_poll_that_is_not_asleep_makes_no_system_call),
        };

        return cmocka_run_group_tests_name("g08_no_system_call", cases, NULL, NULL);
}
