/* SPDX-License-Identifier: MIT */
/*
 * G2: the waiting role as an object. While it is kept no plain wait comes between, and its own waits do all that others do.
 */
#include "../support.h"

static int wait_as(struct weir_role *role, struct weir_events *events, int timeout_ms) {
        const struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

        return weir_role_wait(role, events, timeout_ms < 0 ? NULL : &timeout);
}

static void g2_kept_role_refuses_plain_waits_until_it_is_left(void **state) {
        struct fixture *fx = *state;
        struct weir_role *role = NULL;

        assert_int_equal(weir_role_create(fx->poll, &role), 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(weir_role_keep(role), 0);
        assert_int_equal(weir_role_keep(role), 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), -EBUSY);
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, 0), -EBUSY);
        assert_int_equal(wait_as(role, fx->events, 0), 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), -EBUSY);
        weir_role_leave(role);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(weir_role_keep(role), 0);
        weir_role_destroy(role);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
}

static void g2_plain_wait_of_who_reads_a_batch_of_the_role_gets_edeadlk(void **state) {
        struct fixture *fx = *state;
        struct weir_events *plain = NULL;
        struct weir_role *role = NULL;
        int fd = make_eventfd(1);

        assert_int_equal(weir_events_create(BATCH, &plain), 0);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        assert_int_equal(wait_ms(fx->poll, plain, 0), 1);
        ring(fd);
        assert_int_equal(weir_role_create(fx->poll, &role), 0);
        assert_int_equal(weir_role_keep(role), 0);
        assert_int_equal(wait_ms(fx->poll, plain, 0), -EBUSY); /* its own batch is a plain one */
        assert_int_equal(wait_as(role, fx->events, 0), 1);
        assert_int_equal(wait_ms(fx->poll, plain, 0), -EDEADLK);
        weir_events_clear(fx->events);
        assert_int_equal(wait_ms(fx->poll, plain, 0), -EBUSY);
        weir_role_destroy(role);
        weir_events_destroy(plain);
        close(fd);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
}

static void g2_role_is_refused_beside_a_wait_and_beside_another_role(void **state) {
        struct fixture *fx = *state;
        struct weir_role *role = NULL, *other = NULL;
        struct waiter waiter;

        assert_int_equal(weir_role_create(fx->poll, &role), 0);
        assert_int_equal(weir_role_create(fx->poll, &other), -EBUSY);
        assert_null(other);
        waiter_start(&waiter, fx->poll);
        assert_int_equal(weir_role_keep(role), -EBUSY);
        assert_int_equal(weir_poll_interrupt(fx->poll), 0);
        assert_int_equal(waiter_join(&waiter), -EINTR);
        assert_int_equal(weir_role_keep(role), 0);
        weir_role_destroy(role);
        assert_int_equal(weir_role_create(fx->poll, &role), 0);
        weir_role_destroy(role);
}

static void g2_interrupt_ends_the_wait_of_a_role_and_is_over_when_that_is_left(void **state) {
        struct fixture *fx = *state;
        struct weir_role *role = NULL;

        assert_int_equal(weir_role_create(fx->poll, &role), 0);
        assert_int_equal(weir_role_keep(role), 0);
        assert_int_equal(weir_role_interrupt(role), 0);
        assert_int_equal(wait_as(role, fx->events, -1), -EINTR);
        assert_int_equal(wait_as(role, fx->events, 0), 0);
        assert_int_equal(weir_role_interrupt(role), 0);
        weir_role_leave(role);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        weir_role_destroy(role);
}

static void g2_role_refuses_bad_input(void **state) {
        const struct timespec bad = { .tv_sec = 0, .tv_nsec = -1 };
        struct fixture *fx = *state;
        struct weir_role *role = NULL;

        assert_int_equal(weir_role_create(NULL, &role), -EINVAL);
        assert_int_equal(weir_role_create(fx->poll, NULL), -EINVAL);
        assert_int_equal(weir_role_keep(NULL), -EINVAL);
        assert_int_equal(weir_role_interrupt(NULL), -EINVAL);
        assert_int_equal(weir_role_create(fx->poll, &role), 0);
        assert_int_equal(wait_as(role, fx->events, 0), -EINVAL); /* not kept */
        assert_int_equal(weir_role_keep(role), 0);
        assert_int_equal(wait_as(NULL, fx->events, 0), -EINVAL);
        assert_int_equal(wait_as(role, NULL, 0), -EINVAL);
        assert_int_equal(weir_role_wait(role, fx->events, &bad), -EINVAL);
        weir_role_destroy(role);
        weir_role_destroy(NULL);
        weir_role_leave(NULL);
}

struct endless {
        struct weir_role *role;
        struct weir_events *events;
};

static int wait_endlessly(void *arg) {
        struct endless *endless = arg;

        REQUIRE(wait_as(endless->role, endless->events, -1) == -ESHUTDOWN);
        return 0;
}

static void g10_role_outlives_the_poll(void **state) {
        struct fixture *fx = *state;
        struct endless endless = { .events = fx->events };
        struct weir_role *role = NULL;
        struct worker worker;

        assert_int_equal(weir_role_create(fx->poll, &role), 0);
        assert_int_equal(weir_role_keep(role), 0);
        endless.role = role;
        worker_start(&worker, wait_endlessly, &endless);
        worker_settle(&worker);
        fixture_end_poll(fx);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(wait_as(role, fx->events, -1), -ESHUTDOWN);
        assert_int_equal(weir_role_interrupt(role), -ESHUTDOWN);
        weir_role_leave(role);
        assert_int_equal(weir_role_keep(role), -ESHUTDOWN);
        weir_role_destroy(role);
}

static int end_role(void *arg) {
        struct weir_role *role = arg;

        REQUIRE(weir_role_keep(role) == -ECHILD);
        REQUIRE(weir_role_interrupt(role) == -ECHILD);
        weir_role_leave(role);
        weir_role_destroy(role);
        return 0;
}

static void g11_child_has_no_role(void **state) {
        struct fixture *fx = *state;
        struct weir_role *role = NULL;

        assert_int_equal(weir_role_create(fx->poll, &role), 0);
        assert_int_equal(weir_role_keep(role), 0);
        assert_int_equal(run_child(end_role, role), 0);
        assert_int_equal(wait_as(role, fx->events, 0), 0);
        weir_role_destroy(role);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g2_kept_role_refuses_plain_waits_until_it_is_left),
                CASE(g2_plain_wait_of_who_reads_a_batch_of_the_role_gets_edeadlk),
                CASE(g2_role_is_refused_beside_a_wait_and_beside_another_role),
                CASE(g2_interrupt_ends_the_wait_of_a_role_and_is_over_when_that_is_left),
                CASE(g2_role_refuses_bad_input),
                CASE(g10_role_outlives_the_poll),
                CASE(g11_child_has_no_role),
        };

        return cmocka_run_group_tests_name("g02_role", cases, NULL, NULL);
}
