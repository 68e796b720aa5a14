/* SPDX-License-Identifier: MIT */
/*
 * G8 for WEIR_HELD: a one-shot is registered as if its event had just been taken. The caller owns it until its first rearm, and
 * what came before that is told then.
 */
#include "../support.h"

static void g8_held_oneshot_is_silent_until_its_first_rearm(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[2];

        /* The data comes before the register, after it, or after the rearm; nobody reads it meanwhile. */
        for (unsigned when = 0; when < 3; when++) {
                for (unsigned fetched = 0; fetched < 2; fetched++) {
                        make_socketpair(fds);
                        if (when == 0)
                                put(fds[1]);
                        assert_int_equal(
                                weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), 0);
                        if (when == 1)
                                put(fds[1]);
                        if (fetched)
                                expect_silence(fx);
                        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                        if (when == 2)
                                put(fds[1]);
                        event = expect_soon(fx, 1);
                        assert_true(weir_event_is_readable(&event));
                        /* From then on it is a one-shot like another. */
                        expect_silence(fx);
                        drain(fds[0]);
                        put(fds[1]);
                        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                        expect_soon(fx, 1);
                        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
                        close_pair(fds);
                }
        }
}

static void g8_held_oneshot_that_was_drained_is_told_what_came_after(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[2];

        for (unsigned i = 0; i < 20; i++) {
                make_pipe(fds);
                put(fds[1]);
                assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), 0);
                if (i % 2)
                        expect_silence(fx);
                assert_int_equal(drain(fds[0]), 1);
                if (i % 4 < 2)
                        put(fds[1]);
                assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                if (i % 4 >= 2)
                        put(fds[1]);
                event = expect_soon(fx, 1);
                assert_true(weir_event_is_readable(&event));
                assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
                close_pair(fds);
        }
}

static void g8_held_oneshot_does_not_end_a_wait(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct waiter waiter;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_waker_create(fx->registry, 2, &waker), 0);
        waiter_start(&waiter, fx->poll);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), 0);
        assert_false(worker_done_within(&waiter.worker, 20));
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(waiter.got[0].token, 2);
        /* But its rearm does. */
        waiter_start(&waiter, fx->poll);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(waiter.got[0].token, 1);
        weir_waker_destroy(waker);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g8_held_oneshot_is_owned(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), 0);
        assert_int_equal(weir_disarm(fx->registry, fd), 0);
        assert_int_equal(weir_retoken(fx->registry, fd, 2), 0);
        expect_silence(fx);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        expect_soon(fx, 2);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);

        /* A reregister arms it, too. */
        assert_int_equal(weir_register(fx->registry, fd, 3, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), 0);
        assert_int_equal(weir_reregister(fx->registry, fd, 4, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 4);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);

        /* It may go as it came. */
        assert_int_equal(weir_register(fx->registry, fd, 5, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), 0);
        assert_int_equal(weir_register(fx->registry, fd, 6, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), -EEXIST);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        expect_silence(fx);
        close(fd);
}

static void g8_held_oneshot_takes_its_directions_from_the_first_rearm(void **state) {
        const weir_interest interests[] = { 0, WEIR_READABLE, WEIR_WRITABLE, WEIR_READABLE | WEIR_WRITABLE };
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        for (unsigned first = 0; first < ARRAY_LEN(interests); first++) {
                for (unsigned then = 1; then < ARRAY_LEN(interests); then++) {
                        make_socketpair(pair);
                        put(pair[1]);
                        assert_int_equal(
                                weir_register(fx->registry, pair[0], 1, interests[first] | WEIR_ONESHOT | WEIR_HELD),
                                0);
                        expect_silence(fx);
                        assert_int_equal(weir_rearm(fx->registry, pair[0], interests[then]), 0);
                        event = expect_soon(fx, 1);
                        if (!(interests[then] & WEIR_READABLE))
                                assert_false(weir_event_is_readable(&event));
                        if (!(interests[then] & WEIR_WRITABLE))
                                assert_false(weir_event_is_writable(&event));
                        assert_true(weir_event_is_readable(&event) || weir_event_is_writable(&event));
                        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                        close_pair(pair);
                }
        }
}

static void g8_hang_up_of_a_held_oneshot_comes_at_its_rearm(void **state) {
        const weir_interest rearms[] = { 0, WEIR_READABLE };
        struct fixture *fx = *state;
        struct weir_event event;
        int pair[2];

        for (unsigned way = 0; way < 4; way++) {
                make_socketpair(pair);
                if (way & 1)
                        close(pair[1]);
                assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), 0);
                if (!(way & 1))
                        close(pair[1]);
                expect_silence(fx);
                assert_int_equal(weir_rearm(fx->registry, pair[0], rearms[way / 2]), 0);
                event = expect_soon(fx, 1);
                assert_true(weir_event_is_read_closed(&event));
                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                close(pair[0]);
        }
}

static void g12_held_goes_with_oneshot_in_register_alone(void **state) {
        const weir_interest others[] = { 0, WEIR_LEVEL, WEIR_EXCLUSIVE, WEIR_LEVEL | WEIR_ONESHOT };
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        for (unsigned i = 0; i < ARRAY_LEN(others); i++)
                assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_HELD | others[i]), -EINVAL);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        fetch(fx, 1);
        assert_int_equal(weir_reregister(fx->registry, fd, 2, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), -EINVAL);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE | WEIR_HELD), -EINVAL);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_HELD), -EINVAL);
        /* Nothing has changed by that. */
        expect_soon(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_held_oneshot_is_silent_until_its_first_rearm),
                CASE(g8_held_oneshot_that_was_drained_is_told_what_came_after),
                CASE(g8_held_oneshot_does_not_end_a_wait),
                CASE(g8_held_oneshot_is_owned),
                CASE(g8_held_oneshot_takes_its_directions_from_the_first_rearm),
                CASE(g8_hang_up_of_a_held_oneshot_comes_at_its_rearm),
                CASE(g12_held_goes_with_oneshot_in_register_alone),
        };

        return cmocka_run_group_tests_name("g08_held", cases, NULL, NULL);
}
