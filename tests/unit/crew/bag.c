/* SPDX-License-Identifier: MIT */
/* The bag: who may have the events object, in each of its states. */
#include "hands.h"

#include "fault.h"

static void fill_bag(struct fixture *fx, struct weir_bag *bag, int *fds, int n) {
        *bag = (struct weir_bag){ .events = fx->events };
        for (int i = 0; i < n; i++) {
                fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fds[i], (weir_token)i, WEIR_READABLE), 0);
        }
        fetch(fx, n);
        weir_bag_set(bag, BAG_HELD);
}

static void close_fds(struct fixture *fx, int *fds, int n) {
        for (int i = 0; i < n; i++) {
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                close(fds[i]);
        }
}

static void bag_is_robbed_only_when_open(void **state) {
        struct fixture *fx = *state;
        struct weir_bag bag;
        int fds[3];

        fill_bag(fx, &bag, fds, 3);
        assert_int_equal(weir_bag_rob(&bag), 0);
        weir_bag_set(&bag, BAG_EMPTY);
        assert_int_equal(weir_bag_rob(&bag), 0);
        for (uint32_t other = BAG_ROBBED; other <= BAG_AWAITED; other++) {
                weir_bag_set(&bag, other);
                assert_int_equal(weir_bag_rob(&bag), 0);
                assert_int_equal(bag.state, other);
        }
        weir_bag_open(&bag);
        assert_int_equal(weir_bag_rob(&bag), 3);
        assert_true(weir_bag_is_empty(&bag));
        assert_int_equal(weir_bag_rob(&bag), 0);
        close_fds(fx, fds, 3);
}

static void owner_finds_its_bag_as_it_left_it(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        struct weir_bag bag;
        int fds[3];

        fill_bag(fx, &bag, fds, 3);
        for (int i = 0; i < 3; i++) {
                weir_bag_open(&bag);
                assert_false(weir_bag_is_empty(&bag));
                assert_true(weir_bag_close(&bag));
                assert_int_equal(bag.state, BAG_HELD);
                assert_true(weir_events_next(fx->events, &event));
        }
        close_fds(fx, fds, 3);
}

static void owner_learns_that_it_was_robbed(void **state) {
        struct fixture *fx = *state;
        struct weir_bag bag;
        int fds[3];

        sleeps = 0;
        fill_bag(fx, &bag, fds, 3);
        weir_bag_open(&bag);
        assert_int_equal(weir_bag_rob(&bag), 3);
        assert_false(weir_bag_close(&bag));
        assert_true(weir_events_is_empty(fx->events));
        assert_int_equal(sleeps, 0);
        close_fds(fx, fds, 3);
}

/* The robber comes to its end while the owner sleeps. */
static void end_robbery(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout) {
        assert_int_equal(expected, BAG_AWAITED);
        assert_true(timeout == CREW_FOREVER);
        atomic_store(word, sleeps == 1 ? BAG_AWAITED : BAG_EMPTY); /* the first time it wakes for no reason */
}

static void owner_sleeps_while_it_is_robbed(void **state) {
        struct weir_bag bag = { .state = BAG_ROBBED };

        (void)state;
        sleeps = 0;
        on_sleep = end_robbery;
        assert_false(weir_bag_close(&bag));
        assert_int_equal(sleeps, 2);
}

static void robber_wakes_nobody_if_it_is_not_awaited(void **state) {
        struct fixture *fx = *state;
        struct weir_bag bag;
        int fds[3];

        fill_bag(fx, &bag, fds, 3);
        wakes = 0;
        weir_bag_open(&bag);
        assert_int_equal(weir_bag_rob(&bag), 3);
        assert_int_equal(wakes, 0);
        close_fds(fx, fds, 3);
}

/* The owner comes back while its events are given back, and sleeps. */
static void await_robber(void *arg) {
        struct weir_bag *bag = arg;

        assert_int_equal(bag->state, BAG_ROBBED);
        weir_bag_set(bag, BAG_AWAITED);
}

static void robber_wakes_the_owner_that_awaits_it(void **state) {
        struct fixture *fx = *state;
        struct weir_bag bag;
        int fds[3];

        fill_bag(fx, &bag, fds, 3);
        wakes = 0;
        weir_bag_open(&bag);
        fault_hook(FAULT_YIELD, 1, await_robber, &bag);
        assert_int_equal(weir_bag_rob(&bag), 3);
        assert_int_equal(fault_off(), 1);
        assert_int_equal(wakes, 1);
        assert_true(weir_bag_is_empty(&bag));
        close_fds(fx, fds, 3);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(bag_is_robbed_only_when_open),
                CASE(owner_finds_its_bag_as_it_left_it),
                CASE(owner_learns_that_it_was_robbed),
                CASE(owner_sleeps_while_it_is_robbed),
                CASE(robber_wakes_nobody_if_it_is_not_awaited),
                CASE(robber_wakes_the_owner_that_awaits_it),
        };

        return cmocka_run_group_tests_name("bag", cases, NULL, NULL);
}
