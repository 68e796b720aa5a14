/* SPDX-License-Identifier: MIT */
/*
 * G13 for bad input, for the end of the poll and for forked children: a definite errno in the order of all calls, and what was
 * set before stays.
 */
#include "g13.h"

static void g13_bad_arguments_get_einval(void **state) {
        const weir_time bad[] = { -1, -1000000000, INT64_MIN, INT64_MIN + 1 };
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        assert_int_equal(weir_waker_create(fx->registry, 2, &waker), 0);
        assert_int_equal(weir_set_deadline(NULL, fd, 1), -EINVAL);
        assert_int_equal(weir_waker_set_deadline(NULL, 1), -EINVAL);
        assert_int_equal(weir_trigger(NULL, fd), -EINVAL);
        assert_int_equal(weir_trigger_all(NULL), -EINVAL);
        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
        assert_int_equal(weir_waker_set_deadline(waker, far_off()), 0);
        for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
                assert_int_equal(weir_set_deadline(fx->registry, fd, bad[i]), -EINVAL);
                assert_int_equal(weir_waker_set_deadline(waker, bad[i]), -EINVAL);
                /* Also where the descriptor is none. */
                assert_int_equal(weir_set_deadline(fx->registry, -1, bad[i]), -EINVAL);
        }
        expect_timeout(fx, 1);
        expect_silence(fx);
        weir_waker_destroy(waker);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g13_descriptors_without_registration_get_enoent_or_ebadf(void **state) {
        const int wild[] = { -1, INT32_MIN, INT32_MAX, 1 << 26, (1 << 26) - 1 };
        struct fixture *fx = *state;
        int fd = make_eventfd(0), free = lowest_free_descriptor();

        for (unsigned round = 0; round < 2; round++) {
                assert_int_equal(weir_set_deadline(fx->registry, fd, 1), -ENOENT);
                assert_int_equal(weir_set_deadline(fx->registry, fd, WEIR_NEVER), -ENOENT);
                assert_int_equal(weir_trigger(fx->registry, fd), -ENOENT);
                assert_int_equal(weir_set_deadline(fx->registry, free, 1), -EBADF);
                assert_int_equal(weir_trigger(fx->registry, free), -EBADF);
                for (unsigned i = 0; i < ARRAY_LEN(wild); i++) {
                        assert_int_equal(weir_set_deadline(fx->registry, wild[i], 1), -EBADF);
                        assert_int_equal(weir_trigger(fx->registry, wild[i]), -EBADF);
                }
                expect_silence(fx);
                /* Once more, of one that was registered. */
                assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
                assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
        }
        close(fd);
        assert_int_equal(weir_set_deadline(fx->registry, fd, 1), -EBADF);
        assert_int_equal(weir_trigger(fx->registry, fd), -EBADF);
}

static void g13_after_the_poll_is_gone_calls_get_eshutdown(void **state) {
        struct fixture *fx = *state;
        struct weir_registry *clone = weir_registry_clone(fx->registry);
        struct weir_waker *waker = NULL;
        int fd = make_eventfd(0), other = make_eventfd(0);

        assert_int_equal(weir_register(clone, fd, 1, WEIR_READABLE), 0);
        assert_int_equal(weir_waker_create(clone, 2, &waker), 0);
        assert_int_equal(weir_set_deadline(clone, fd, far_off()), 0);
        assert_int_equal(weir_waker_set_deadline(waker, PASSED), 0);
        fetch(fx, 1);
        fixture_end_poll(fx);
        /* An open batch hands out nothing more. */
        expect_drained_batch(fx);
        assert_int_equal(weir_set_deadline(clone, fd, 1), -ESHUTDOWN);
        assert_int_equal(weir_set_deadline(clone, fd, WEIR_NEVER), -ESHUTDOWN);
        assert_int_equal(weir_set_deadline(clone, other, 1), -ESHUTDOWN);
        assert_int_equal(weir_waker_set_deadline(waker, 1), -ESHUTDOWN);
        assert_int_equal(weir_trigger(clone, fd), -ESHUTDOWN);
        assert_int_equal(weir_trigger(clone, other), -ESHUTDOWN);
        assert_int_equal(weir_trigger_all(clone), -ESHUTDOWN);
        assert_int_equal(weir_set_deadline(clone, fd, -1), -EINVAL);
        assert_int_equal(weir_deregister(clone, fd), 0);
        weir_waker_destroy(waker);
        weir_registry_release(clone);
        close(fd);
        close(other);
}

/* ---------------------------------------------------------------- fork */

struct family {
        struct fixture *fx;
        struct weir_waker *waker;
        int fd, poll_fd;
};

static int child_calls(void *arg) {
        struct family *family = arg;
        struct weir_event event;

        REQUIRE(weir_set_deadline(family->fx->registry, family->fd, 1) == -ECHILD);
        REQUIRE(weir_set_deadline(family->fx->registry, family->fd, WEIR_NEVER) == -ECHILD);
        REQUIRE(weir_set_deadline(family->fx->registry, -1, 1) == -ECHILD);
        REQUIRE(weir_set_deadline(family->fx->registry, family->fd, -1) == -EINVAL);
        REQUIRE(weir_waker_set_deadline(family->waker, 1) == -ECHILD);
        REQUIRE(weir_trigger(family->fx->registry, family->fd) == -ECHILD);
        REQUIRE(weir_trigger_all(family->fx->registry) == -ECHILD);
        REQUIRE(weir_registry_moment(family->fx->registry) == 0);
        REQUIRE(weir_now() > 0);
        REQUIRE(!weir_events_next(family->fx->events, &event));
        weir_waker_destroy(family->waker);
        weir_poll_destroy(family->fx->poll);
        return 0;
}

static void g13_child_gets_echild_and_touches_nothing(void **state) {
        struct fixture *fx = *state;

        for (unsigned nested = 0; nested < 2; nested++) {
                struct family family = { .fx = fx, .fd = make_eventfd(0) };
                weir_time moment;

                if (nested)
                        family.poll_fd = weir_poll_fd(fx->poll);
                assert_int_equal(weir_register(fx->registry, family.fd, 1, WEIR_READABLE), 0);
                assert_int_equal(weir_waker_create(fx->registry, 2, &family.waker), 0);
                assert_int_equal(weir_waker_set_deadline(family.waker, PASSED), 0);
                fetch(fx, 1);
                moment = in_ms(20);
                assert_int_equal(weir_set_deadline(fx->registry, family.fd, moment), 0);
                assert_int_equal(run_child(child_calls, &family), 0);
                take_bits(fx, 2, TIMEOUT);
                weir_events_clear(fx->events);
                if (nested)
                        assert_true(polls_readable(family.poll_fd, DEADLINE_MS));
                expect_timeout(fx, 1);
                assert_true(weir_now() >= moment);
                assert_int_equal(weir_trigger_all(fx->registry), 1);
                expect_trigger(fx, 1);
                weir_waker_destroy(family.waker);
                assert_int_equal(weir_deregister(fx->registry, family.fd), 0);
                close(family.fd);
        }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g13_bad_arguments_get_einval),
                CASE(g13_descriptors_without_registration_get_enoent_or_ebadf),
                CASE(g13_after_the_poll_is_gone_calls_get_eshutdown),
                CASE(g13_child_gets_echild_and_touches_nothing),
        };

        return cmocka_run_group_tests_name("g13_errors", cases, NULL, NULL);
}
