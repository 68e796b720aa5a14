/* SPDX-License-Identifier: MIT */
/*
 * G10 after weir_poll_destroy(): what still works and what gets -ESHUTDOWN, how long an open batch lives on, and what
 * becomes of a thread that is blocked in the wait.
 */
#include "../support.h"

static int never_called(struct weir_registry *registry, struct weir_source *source, weir_token token,
                        weir_interest interest) {
        (void)registry, (void)source, (void)token, (void)interest;
        return -EXDEV;
}

static void g10_calls_get_eshutdown_after_the_poll_is_gone(void **state) {
        static const struct weir_source_ops ops = { .register_source = never_called,
                                                    .reregister_source = never_called };
        struct weir_source source = { .ops = &ops };
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL, *other = (struct weir_waker *)&waker;
        struct weir_registry *clone, *second;
        int fd, oneshot;

        fd = make_eventfd(1);
        oneshot = make_eventfd(1);
        clone = weir_registry_clone(fx->registry);
        assert_int_equal(weir_waker_create(clone, 1, &waker), 0);
        assert_int_equal(weir_register(clone, oneshot, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        fixture_end_poll(fx);

        assert_int_equal(weir_register(clone, fd, 1, WEIR_READABLE), -ESHUTDOWN);
        assert_int_equal(weir_reregister(clone, oneshot, 1, WEIR_READABLE), -ESHUTDOWN);
        assert_int_equal(weir_rearm(clone, oneshot, WEIR_READABLE), -ESHUTDOWN);
        assert_int_equal(weir_retoken(clone, oneshot, 2), -ESHUTDOWN);
        assert_int_equal(weir_disarm(clone, oneshot), -ESHUTDOWN);
        assert_int_equal(weir_disarm(clone, fd), -ESHUTDOWN);
        assert_int_equal(weir_register(clone, fd, 1, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), -ESHUTDOWN);
        assert_int_equal(weir_waker_create(clone, 2, &other), -ESHUTDOWN);
        assert_ptr_equal(other, &waker);
        assert_int_equal(weir_waker_wake(waker), -ESHUTDOWN);
        assert_int_equal(weir_source_register(clone, &source, 1, WEIR_READABLE), -ESHUTDOWN);
        assert_int_equal(weir_source_reregister(clone, &source, 1, WEIR_READABLE), -ESHUTDOWN);
        assert_int_equal(weir_registry_fd(clone), -ESHUTDOWN);

        /* A clone of a clone is as good as the first one. */
        second = weir_registry_clone(clone);
        assert_non_null(second);
        weir_registry_release(clone);
        assert_int_equal(weir_register(second, fd, 1, WEIR_READABLE), -ESHUTDOWN);
        assert_int_equal(weir_deregister(second, oneshot), 0);
        weir_registry_release(second);
        weir_waker_destroy(waker);
        close(fd);
        close(oneshot);
}

/* So that it can be taken out of the loop in which it was put. */
static void g10_descriptor_for_nesting_outlasts_the_poll(void **state) {
        struct epoll_event event = { .events = EPOLLIN };
        struct fixture *fx = *state;
        struct weir_registry *clone = weir_registry_clone(fx->registry);
        int outer = epoll_create1(EPOLL_CLOEXEC), fd = weir_poll_fd(fx->poll);

        assert_true(fd >= 0);
        assert_int_equal(weir_registry_fd(clone), fd);
        assert_int_equal(epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event), 0);
        assert_int_equal(epoll_wait(outer, &event, 1, 0), 0);
        fixture_end_poll(fx);
        assert_int_equal(weir_registry_fd(clone), fd);
        assert_int_equal(epoll_wait(outer, &event, 1, DEADLINE_MS), 1);
        assert_int_equal(epoll_ctl(outer, EPOLL_CTL_DEL, weir_registry_fd(clone), NULL), 0);
        weir_registry_release(clone);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
        close(outer);
}

static void g10_wake_after_the_poll_is_gone_gets_eshutdown_without_any_registry(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fixture_end_poll(fx);
        assert_int_equal(weir_waker_wake(waker), -ESHUTDOWN);
        assert_int_equal(weir_waker_wake(waker), -ESHUTDOWN);
        weir_waker_destroy(waker);
}

static void g10_deregister_and_defer_work_after_the_poll_is_gone(void **state) {
        struct fixture *fx = *state;
        struct weir_registry *clone;
        struct note note = { 0 };
        int fds[3];

        clone = weir_registry_clone(fx->registry);
        for (unsigned i = 0; i < 3; i++) {
                fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(clone, fds[i], i, WEIR_READABLE), 0);
        }
        fixture_end_poll(fx);
        assert_int_equal(weir_deregister(clone, fds[0]), 0);
        assert_int_equal(weir_deregister(clone, fds[0]), -ENOENT);
        close(fds[1]);
        assert_int_equal(weir_deregister(clone, fds[1]), 0);
        assert_int_equal(weir_deregister(clone, fds[1]), -EBADF);
        weir_defer(clone, &note.node, note_run);
        assert_int_equal(note_runs(&note), 1);
        /* The third is never deregistered at all. */
        weir_registry_release(clone);
        close(fds[0]);
        close(fds[2]);
}

static void g10_open_batch_hands_out_nothing_more_but_holds_up_what_was_deferred(void **state) {
        struct fixture *fx = *state;
        struct note before = { 0 }, after = { 0 };
        struct weir_registry *clone;
        struct weir_waker *waker = NULL;
        struct weir_event event;
        int fds[2];

        clone = weir_registry_clone(fx->registry);
        for (unsigned i = 0; i < 2; i++) {
                fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(clone, fds[i], i, WEIR_READABLE), 0);
        }
        assert_int_equal(weir_waker_create(clone, 2, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 3);
        assert_true(weir_events_next(fx->events, &event));
        weir_defer(clone, &before.node, note_run);
        fixture_end_poll(fx);
        assert_false(weir_events_next(fx->events, &event));
        weir_defer(clone, &after.node, note_run);
        assert_int_equal(note_runs(&before), 0);
        assert_int_equal(note_runs(&after), 0);
        weir_events_clear(fx->events);
        assert_int_equal(note_runs(&before), 1);
        assert_int_equal(note_runs(&after), 1);
        assert_false(weir_events_next(fx->events, &event));
        weir_registry_release(clone);
        weir_waker_destroy(waker);
        close_pair(fds);
}

static void g10_open_batch_of_a_gone_poll_has_nothing_left_to_read(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        fetch(fx, 1);
        assert_false(weir_events_is_empty(fx->events));
        fixture_end_poll(fx);
        /* A loop on it would not end otherwise. */
        expect_drained_batch(fx);
        close(fd);
}

static void g10_events_object_of_a_gone_poll_serves_another_one(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct weir_poll *other = NULL;
        struct weir_event got[BATCH];
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        fetch(fx, 1);
        fixture_end_poll(fx);
        assert_int_equal(weir_poll_create(&other), 0);
        assert_int_equal(weir_waker_create(weir_poll_registry(other), 2, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(collect(other, fx->events, DEADLINE_MS, got, BATCH), 1);
        assert_int_equal(got[0].token, 2);
        weir_waker_destroy(waker);
        weir_poll_destroy(other);
        close(fd);
}

/* ---------------------------------------------------------------- a wait in progress */

static void g10_destroy_ends_a_blocked_wait_with_eshutdown(void **state) {
        struct fixture *fx = *state;

        for (unsigned i = 0; i < 50; i++) {
                struct weir_registry *clone;
                struct weir_poll *poll = NULL;
                struct waiter waiter;
                int fd = -1;

                assert_int_equal(weir_poll_create(&poll), 0);
                clone = weir_registry_clone(weir_poll_registry(poll));
                if (i % 2) {
                        fd = make_eventfd(0);
                        assert_int_equal(weir_register(clone, fd, 1, WEIR_READABLE), 0);
                }
                if (i % 3 == 0)
                        assert_true(weir_poll_fd(poll) >= 0);
                if (i % 3 == 0)
                        /* It may call once for nothing. */
                        for (unsigned k = 0; k < 3; k++)
                                assert_int_equal(wait_ms(poll, fx->events, 0), 0);
                waiter_start(&waiter, poll);
                weir_poll_destroy(poll);
                assert_int_equal(waiter_join(&waiter), -ESHUTDOWN);
                if (fd >= 0) {
                        assert_int_equal(weir_deregister(clone, fd), 0);
                        close(fd);
                }
                weir_registry_release(clone);
        }
}

struct ender {
        struct weir_deferred node;
        struct weir_poll *poll;
};

static void end_poll(struct weir_deferred *node) {
        weir_poll_destroy(((struct ender *)node)->poll);
}

static void g10_poll_destroyed_by_a_deferred_function_at_the_beginning_of_its_wait(void **state) {
        struct fixture *fx = *state;
        struct ender ender = { .poll = fx->poll };
        struct weir_registry *clone;
        struct weir_event event;
        int fd;

        fd = make_eventfd(1);
        clone = weir_registry_clone(fx->registry);
        assert_int_equal(weir_register(clone, fd, 1, WEIR_READABLE | WEIR_LEVEL), 0);
        fetch(fx, 1);
        weir_defer(clone, &ender.node, end_poll);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), -ESHUTDOWN);
        fx->poll = NULL;
        fx->registry = NULL;
        assert_false(weir_events_next(fx->events, &event));
        assert_int_equal(weir_deregister(clone, fd), 0);
        weir_registry_release(clone);
        close(fd);
}

static void g10_poll_destroyed_by_the_last_holder_of_anything_inside_its_wait(void **state) {
        struct fixture *fx = *state;
        struct ender ender = { .poll = fx->poll };
        struct weir_waker *waker = NULL;

        /* No clone keeps the core alive; the wait itself must. */
        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 1);
        weir_waker_destroy(waker);
        weir_defer(fx->registry, &ender.node, end_poll);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), -ESHUTDOWN);
        fx->poll = NULL;
        fx->registry = NULL;
}

/* ---------------------------------------------------------------- registries go on beside it */

struct tug {
        struct weir_registry *clone;
        struct latch stop;
        int fd;
        unsigned worked, refused;
};

static int tug_at_the_registry(void *arg) {
        struct tug *tug = arg;
        int r;

        while (!latch_is_set(&tug->stop)) {
                r = weir_register(tug->clone, tug->fd, 1, WEIR_READABLE);
                REQUIRE(r == 0 || r == -ESHUTDOWN);
                tug->worked += r == 0;
                tug->refused += r < 0;
                REQUIRE(weir_deregister(tug->clone, tug->fd) == (r == 0 ? 0 : -ENOENT));
        }
        weir_registry_release(tug->clone);
        return 0;
}

static void g10_registry_calls_race_with_the_end_of_the_poll(void **state) {
        (void)state;
        for (unsigned round = 0; round < 50; round++) {
                struct weir_poll *poll = NULL;
                struct worker worker;
                struct tug tug = { 0 };

                tug.fd = make_eventfd(1);
                assert_int_equal(weir_poll_create(&poll), 0);
                tug.clone = weir_registry_clone(weir_poll_registry(poll));
                worker_start(&worker, tug_at_the_registry, &tug);
                for (unsigned i = 0; i < round; i++)
                        sched_yield();
                weir_poll_destroy(poll);
                latch_set(&tug.stop);
                assert_int_equal(worker_join(&worker), 0);
                close(tug.fd);
        }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g10_descriptor_for_nesting_outlasts_the_poll),
                CASE(g10_calls_get_eshutdown_after_the_poll_is_gone),
                CASE(g10_wake_after_the_poll_is_gone_gets_eshutdown_without_any_registry),
                CASE(g10_deregister_and_defer_work_after_the_poll_is_gone),
                CASE(g10_open_batch_hands_out_nothing_more_but_holds_up_what_was_deferred),
                CASE(g10_open_batch_of_a_gone_poll_has_nothing_left_to_read),
                CASE(g10_events_object_of_a_gone_poll_serves_another_one),
                CASE(g10_destroy_ends_a_blocked_wait_with_eshutdown),
                CASE(g10_poll_destroyed_by_a_deferred_function_at_the_beginning_of_its_wait),
                CASE(g10_poll_destroyed_by_the_last_holder_of_anything_inside_its_wait),
                CASE(g10_registry_calls_race_with_the_end_of_the_poll),
        };

        return cmocka_run_group_tests_name("g10_after_the_poll", cases, NULL, NULL);
}
