/* SPDX-License-Identifier: MIT */
/*
 * G4 for what replaces: a token replaced by reregister or retoken, an interest withdrawn by reregister, and a destroyed
 * waker are as silent as a deregistered descriptor, and the readiness under them is not lost.
 */
#include "../support.h"

static void g4_token_replaced_by_reregister_after_the_fetch_is_not_handed_out(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct weir_event event;
        int fd;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                fd = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | modes[m]), 0);
                fetch(fx, 1);
                assert_int_equal(weir_reregister(fx->registry, fd, 2, WEIR_READABLE | modes[m]), 0);
                /* Reregister looks afresh, and the descriptor is ready. */
                event = expect_soon(fx, 2);
                assert_true(weir_event_is_readable(&event));
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
                expect_silence(fx);
                close(fd);
        }
}

static void g4_token_replaced_by_retoken_after_the_fetch_is_not_handed_out(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct weir_event event;
        int fd;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                fd = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | modes[m]), 0);
                fetch(fx, 1);
                assert_int_equal(weir_retoken(fx->registry, fd, 2), 0);
                event = expect_soon(fx, 2);
                assert_true(weir_event_is_readable(&event));
                if (modes[m] != WEIR_LEVEL)
                        expect_silence(fx);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
                close(fd);
        }
}

static void g4_readiness_pending_in_the_kernel_at_a_retoken_comes_under_the_new_token(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        int fd;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                fd = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | modes[m]), 0);
                assert_int_equal(weir_retoken(fx->registry, fd, 2), 0);
                assert_int_equal(weir_retoken(fx->registry, fd, 3), 0);
                expect_soon(fx, 3);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
                close(fd);
        }
}

static void g4_leftovers_of_a_half_read_batch_come_under_the_new_token(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct weir_event event;
        unsigned counts[4], other;
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
                assert_int_equal(weir_retoken(fx->registry, fds[other], 3), 0);
                assert_int_equal(weir_deregister(fx->registry, fds[event.token]), 0);
                memset(counts, 0, sizeof(counts));
                for (unsigned tries = 0; counts[3] == 0; tries++) {
                        assert_true(tries < 100);
                        assert_true(tally(fx->poll, fx->events, DEADLINE_MS, counts, 4) >= 0);
                }
                assert_int_equal(counts[0] + counts[1], 0);
                assert_int_equal(weir_deregister(fx->registry, fds[other]), 0);
                close_pair(fds);
        }
}

static void g4_retoken_of_an_idle_registration_asks_nothing_of_the_descriptor(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(0);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        assert_int_equal(weir_retoken(fx->registry, fd, 2), 0);
        expect_silence(fx);
        ring(fd);
        expect_one(fx, 2);
        /* Undrained and already handed out: a new token is no new readiness. */
        assert_int_equal(weir_retoken(fx->registry, fd, 3), 0);
        expect_silence(fx);
        ring(fd);
        expect_one(fx, 3);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

struct changer {
        struct fixture *fx;
        struct latch fetched, go;
        struct weir_event got[4];
        int n;
};

static int take_late(void *arg) {
        struct changer *c = arg;

        REQUIRE(wait_ms(c->fx->poll, c->fx->events, DEADLINE_MS) == 2);
        latch_set(&c->fetched);
        REQUIRE(latch_within(&c->go, DEADLINE_MS));
        while (c->n < 4 && weir_events_next(c->fx->events, &c->got[c->n]))
                c->n++;
        weir_events_clear(c->fx->events);
        return 0;
}

static void g4_token_replaced_while_another_thread_holds_the_batch_is_not_handed_out(void **state) {
        struct fixture *fx = *state;
        struct changer c = { .fx = fx };
        unsigned seen[4] = { 0 };
        struct worker worker;
        int fds[2];

        for (unsigned i = 0; i < 2; i++) {
                fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE), 0);
        }
        worker_start(&worker, take_late, &c);
        assert_true(latch_within(&c.fetched, DEADLINE_MS));
        assert_int_equal(weir_retoken(fx->registry, fds[0], 2), 0);
        assert_int_equal(weir_reregister(fx->registry, fds[1], 3, WEIR_READABLE), 0);
        latch_set(&c.go);
        assert_int_equal(worker_join(&worker), 0);
        for (int i = 0; i < c.n; i++) {
                assert_true(c.got[i].token == 2 || c.got[i].token == 3);
                seen[c.got[i].token]++;
        }
        for (unsigned tries = 0; !seen[2] || !seen[3]; tries++) {
                assert_true(tries < 100);
                assert_true(tally(fx->poll, fx->events, DEADLINE_MS, seen, 4) >= 0);
        }
        assert_int_equal(seen[0] + seen[1], 0);
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
        close_pair(fds);
}

/* ---------------------------------------------------------------- interest */

static void g4_interest_withdrawn_by_reregister_after_the_fetch_is_not_handed_out(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                make_socketpair(pair);
                put(pair[1]);
                assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_WRITABLE | modes[m]), 0);
                fetch(fx, 1);
                /* The same token, so that only the readiness shows what was withdrawn. */
                assert_int_equal(weir_reregister(fx->registry, pair[0], 1, WEIR_WRITABLE | modes[m]), 0);
                event = expect_soon(fx, 1);
                assert_true(weir_event_is_writable(&event));
                assert_false(weir_event_is_readable(&event));
                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                close_pair(pair);
        }
}

static void g4_interest_withdrawn_whole_leaves_nothing_to_hand_out(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        make_socketpair(pair);
        fill(pair[0]);
        put(pair[1]);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE), 0);
        fetch(fx, 1);
        assert_int_equal(weir_reregister(fx->registry, pair[0], 1, WEIR_WRITABLE), 0);
        expect_drained_batch(fx);
        expect_silence(fx);
        drain(pair[1]);
        event = expect_one(fx, 1);
        assert_false(weir_event_is_readable(&event));
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

/* ---------------------------------------------------------------- wakers */

static void g4_destroyed_waker_with_a_pending_wake_is_silent(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        weir_waker_destroy(waker);
        expect_silence(fx);
}

static void g4_waker_destroyed_after_the_fetch_is_not_handed_out(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *wakers[3] = { 0 };
        unsigned counts[3] = { 0 };

        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
                assert_int_equal(weir_waker_wake(wakers[i]), 0);
        }
        fetch(fx, 3);
        weir_waker_destroy(wakers[1]);
        assert_int_equal(tally_batch(fx->events, counts, 3), 2);
        assert_int_equal(counts[1], 0);
        weir_events_clear(fx->events);
        expect_silence(fx);
        weir_waker_destroy(wakers[0]);
        weir_waker_destroy(wakers[2]);
}

static void g4_waker_destroyed_after_its_event_was_left_unread_is_silent(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *wakers[3] = { 0 };

        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
                assert_int_equal(weir_waker_wake(wakers[i]), 0);
        }
        fetch(fx, 3);
        weir_waker_destroy(wakers[0]);
        weir_events_clear(fx->events);
        weir_waker_destroy(wakers[1]);
        expect_one(fx, 2);
        weir_waker_destroy(wakers[2]);
        expect_silence(fx);
}

static int take_wakes(void *arg) {
        struct changer *c = arg;

        REQUIRE(wait_ms(c->fx->poll, c->fx->events, DEADLINE_MS) == 1);
        latch_set(&c->fetched);
        REQUIRE(latch_within(&c->go, DEADLINE_MS));
        while (c->n < 4 && weir_events_next(c->fx->events, &c->got[c->n]))
                c->n++;
        weir_events_clear(c->fx->events);
        return 0;
}

static void g4_waker_destroyed_while_another_thread_holds_the_batch_is_not_handed_out(void **state) {
        struct fixture *fx = *state;
        struct changer c = { .fx = fx };
        struct weir_waker *waker = NULL;
        struct worker worker;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        worker_start(&worker, take_wakes, &c);
        assert_true(latch_within(&c.fetched, DEADLINE_MS));
        weir_waker_destroy(waker);
        latch_set(&c.go);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(c.n, 0);
        expect_silence(fx);
}

static void g4_new_waker_in_the_place_of_a_destroyed_one_inherits_no_wake(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;

        for (unsigned i = 0; i < 200; i++) {
                assert_int_equal(weir_waker_create(fx->registry, i, &waker), 0);
                assert_int_equal(weir_waker_wake(waker), 0);
                if (i % 2)
                        fetch(fx, 1);
                weir_waker_destroy(waker);
                assert_int_equal(weir_waker_create(fx->registry, i + 1000, &waker), 0);
                if (i % 2)
                        expect_drained_batch(fx);
                expect_silence(fx);
                weir_waker_destroy(waker);
        }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g4_token_replaced_by_reregister_after_the_fetch_is_not_handed_out),
                CASE(g4_token_replaced_by_retoken_after_the_fetch_is_not_handed_out),
                CASE(g4_readiness_pending_in_the_kernel_at_a_retoken_comes_under_the_new_token),
                CASE(g4_leftovers_of_a_half_read_batch_come_under_the_new_token),
                CASE(g4_retoken_of_an_idle_registration_asks_nothing_of_the_descriptor),
                CASE(g4_token_replaced_while_another_thread_holds_the_batch_is_not_handed_out),
                CASE(g4_interest_withdrawn_by_reregister_after_the_fetch_is_not_handed_out),
                CASE(g4_interest_withdrawn_whole_leaves_nothing_to_hand_out),
                CASE(g4_destroyed_waker_with_a_pending_wake_is_silent),
                CASE(g4_waker_destroyed_after_the_fetch_is_not_handed_out),
                CASE(g4_waker_destroyed_after_its_event_was_left_unread_is_silent),
                CASE(g4_waker_destroyed_while_another_thread_holds_the_batch_is_not_handed_out),
                CASE(g4_new_waker_in_the_place_of_a_destroyed_one_inherits_no_wake),
        };

        return cmocka_run_group_tests_name("g04_replaced", cases, NULL, NULL);
}
