/* SPDX-License-Identifier: MIT */
/*
 * G13 where it speaks of system calls and of memory: moving a deadline later, or taking it away, makes no call at all; another
 * set, and a trigger, none but to wake a sleeper. The first deadline of a number may allocate, later ones never.
 */
#include "../silent.h"

#include "g13.h"

#include <sys/mman.h>

static int watched_fd(struct fixture *fx, weir_interest interest) {
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, 1, interest), 0);
        return fd;
}

static void end(struct fixture *fx, int fd) {
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static int body_later(struct silent *silent) {
        for (int64_t i = 0; i < 100; i++) {
                REQUIRE(weir_set_deadline(silent->fx->registry, silent->fd,
                                          weir_registry_moment(silent->fx->registry) + 3600 * 1000 * MS + i * MS) == 0);
                REQUIRE(weir_waker_set_deadline(silent->wakers[0], weir_now() + 3600 * 1000 * MS + i * MS) == 0);
        }
        REQUIRE(weir_set_deadline(silent->fx->registry, silent->fd, WEIR_NEVER) == 0);
        REQUIRE(weir_waker_set_deadline(silent->wakers[0], WEIR_NEVER) == 0);
        return 0;
}

static int body_any(struct silent *silent) {
        for (int64_t i = 0; i < 100; i++) {
                REQUIRE(weir_set_deadline(silent->fx->registry, silent->fd, (100 - i) * MS) == 0);
                REQUIRE(weir_set_deadline(silent->fx->registry, silent->fd, far_off()) == 0);
                REQUIRE(weir_waker_set_deadline(silent->wakers[0], i) == 0);
        }
        return 0;
}

static int body_trigger(struct silent *silent) {
        for (unsigned i = 0; i < 100; i++) {
                REQUIRE(weir_trigger(silent->fx->registry, silent->fd) == 0);
                REQUIRE(weir_trigger_all(silent->fx->registry) == 1);
        }
        return 0;
}

/* In a poll in which nobody waits, and then beside an open batch. */
static void expect_silent_bodies(struct fixture *fx, weir_interest interest) {
        int (*const bodies[])(struct silent *) = { body_later, body_any, body_trigger };
        struct silent silent = { .fx = fx, .fd = watched_fd(fx, interest) };
        struct weir_event got[BATCH];

        assert_int_equal(weir_waker_create(fx->registry, 2, &silent.wakers[0]), 0);
        assert_int_equal(weir_set_deadline(fx->registry, silent.fd, far_off()), 0);
        assert_int_equal(weir_waker_set_deadline(silent.wakers[0], far_off()), 0);
        (void)weir_registry_moment(fx->registry);
        for (unsigned open = 0; open < 2; open++) {
                for (unsigned i = 0; i < ARRAY_LEN(bodies); i++) {
                        assert_int_equal(weir_waker_wake(silent.wakers[0]), 0);
                        if (open)
                                assert_true(wait_ms(fx->poll, fx->events, DEADLINE_MS) > 0);
                        expect_no_call(&silent, bodies[i]);
                        assert_true(collect(fx->poll, fx->events, 0, got, BATCH) >= 0);
                }
        }
        weir_waker_destroy(silent.wakers[0]);
        end(fx, silent.fd);
}

static void g13_set_and_trigger_of_a_poll_that_is_not_asleep_make_no_system_call(void **state) {
        const weir_interest modes[] = { WEIR_READABLE, WEIR_READABLE | WEIR_LEVEL, WEIR_READABLE | WEIR_ONESHOT,
                                        WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD };

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++)
                expect_silent_bodies(*state, modes[m]);
}

static int body_rearm_in_time(struct silent *silent) {
        REQUIRE(weir_rearm(silent->fx->registry, silent->fd, WEIR_READABLE) == 0);
        return 0;
}

/* The idle limit passes while a handler is slow; it sets a new one. Nobody is to be woken for the old one. */
static void g13_rearm_after_a_new_deadline_wakes_nobody_for_the_old_one(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx, .fd = watched_fd(fx, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD) };
        struct waiter waiter;

        assert_int_equal(weir_waker_create(fx->registry, 2, &silent.wakers[0]), 0);
        assert_int_equal(weir_set_deadline(fx->registry, silent.fd, PASSED), 0);
        expect_silence(fx);
        assert_int_equal(weir_set_deadline(fx->registry, silent.fd, far_off()), 0);
        waiter_start(&waiter, fx->poll);
        worker_settle(&waiter.worker);
        expect_no_call(&silent, body_rearm_in_time);
        assert_int_equal(weir_waker_wake(silent.wakers[0]), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(waiter.got[0].token, 2);
        weir_waker_destroy(silent.wakers[0]);
        end(fx, silent.fd);
}

static int body_beside_a_sleeper(struct silent *silent) {
        /* It sleeps until the first place, which these do not move, and stays so. */
        for (int64_t i = 0; i < 100; i++)
                REQUIRE(weir_set_deadline(silent->fx->registry, silent->fd, far_off() + i * MS) == 0);
        REQUIRE(weir_set_deadline(silent->fx->registry, silent->fd, WEIR_NEVER) == 0);
        return 0;
}

static void g13_moving_later_beside_a_sleeper_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx, .fd = watched_fd(fx, WEIR_READABLE) };
        struct waiter waiter;

        assert_int_equal(weir_waker_create(fx->registry, 2, &silent.wakers[0]), 0);
        assert_int_equal(weir_set_deadline(fx->registry, silent.fd, in_ms(3000 * 1000)), 0);
        waiter_start(&waiter, fx->poll);
        worker_settle(&waiter.worker);
        expect_no_call(&silent, body_beside_a_sleeper);
        assert_int_equal(weir_waker_wake(silent.wakers[0]), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        weir_waker_destroy(silent.wakers[0]);
        end(fx, silent.fd);
}

static int body_one_earlier(struct silent *silent) {
        REQUIRE(weir_set_deadline(silent->fx->registry, silent->fd, in_ms(1000 * 1000)) == 0);
        /* Those that are not the first. */
        REQUIRE(weir_waker_set_deadline(silent->wakers[0], in_ms(2000 * 1000)) == 0);
        REQUIRE(weir_waker_set_deadline(silent->wakers[1], in_ms(1500 * 1000)) == 0);
        return 0;
}

static void g13_earlier_deadline_of_a_nested_poll_makes_one_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx, .fd = watched_fd(fx, WEIR_READABLE), .most = 1 };

        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(weir_waker_create(fx->registry, 2 + i, &silent.wakers[i]), 0);
        assert_int_equal(weir_set_deadline(fx->registry, silent.fd, far_off()), 0);
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(weir_waker_set_deadline(silent.wakers[i], far_off()), 0);
        assert_true(weir_poll_fd(fx->poll) >= 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        expect_no_call(&silent, body_one_earlier);
        silent.most = 0;
        expect_no_call(&silent, body_later);
        for (unsigned i = 0; i < 2; i++)
                weir_waker_destroy(silent.wakers[i]);
        end(fx, silent.fd);
}

/* ---------------------------------------------------------------- memory */

static atomic_bool no_memory;

/* It has two names, for a build with a small off_t and for one with a large; some libcs have one alone. */
void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, long offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, long offset);
__attribute__((weak)) void *__real_mmap64(void *address, size_t size, int protection, int flags, int fd,
                                          int64_t offset);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, int64_t offset);

static bool is_refused(void) {
        if (atomic_load(&no_memory))
                errno = ENOMEM;
        return atomic_load(&no_memory);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, long offset) {
        return is_refused() ? MAP_FAILED : __real_mmap(address, size, protection, flags, fd, offset);
}

void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, int64_t offset) {
        return is_refused() ? MAP_FAILED : __real_mmap64(address, size, protection, flags, fd, offset);
}

static void g13_no_memory_is_met_by_the_first_deadline_alone(void **state) {
        struct fixture *fx = *state;
        int fd = watched_fd(fx, WEIR_READABLE);
        struct weir_waker *waker = NULL;

        assert_int_equal(weir_waker_create(fx->registry, 2, &waker), 0);
        /* Nothing is needed to have none. */
        atomic_store(&no_memory, true);
        assert_int_equal(weir_set_deadline(fx->registry, fd, WEIR_NEVER), 0);
        assert_int_equal(weir_waker_set_deadline(waker, WEIR_NEVER), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), -ENOMEM);
        assert_int_equal(weir_waker_set_deadline(waker, PASSED), -ENOMEM);
        assert_int_equal(weir_trigger(fx->registry, fd), 0);
        expect_trigger(fx, 1);
        expect_silence(fx);
        atomic_store(&no_memory, false);
        expect_silence(fx);
        assert_int_equal(weir_set_deadline(fx->registry, fd, far_off()), 0);
        assert_int_equal(weir_waker_set_deadline(waker, far_off()), 0);
        /* From now on there is always room, also for the next one of the number. */
        atomic_store(&no_memory, true);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
                expect_timeout(fx, 1);
                assert_int_equal(weir_waker_set_deadline(waker, PASSED), 0);
                expect_timeout(fx, 2);
        }
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        assert_int_equal(weir_register(fx->registry, fd, 3, WEIR_READABLE), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fd, PASSED), 0);
        expect_timeout(fx, 3);
        atomic_store(&no_memory, false);
        weir_waker_destroy(waker);
        end(fx, fd);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g13_set_and_trigger_of_a_poll_that_is_not_asleep_make_no_system_call),
                CASE(g13_rearm_after_a_new_deadline_wakes_nobody_for_the_old_one),
                CASE(g13_moving_later_beside_a_sleeper_makes_no_system_call),
                CASE(g13_earlier_deadline_of_a_nested_poll_makes_one_system_call),
                CASE(g13_no_memory_is_met_by_the_first_deadline_alone),
        };

        return cmocka_run_group_tests_name("g13_no_system_call", cases, NULL, NULL);
}
