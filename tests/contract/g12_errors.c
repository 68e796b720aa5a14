/* SPDX-License-Identifier: MIT */
/*
 * G12: bad input gets a definite negative errno, looked for in the order arguments, fork, poll gone, descriptor, and
 * outputs stay untouched. (The fork's place in the order is shown in g11_fork.c.)
 */
#include <signal.h>

#include "../support.h"

static void g12_null_arguments_get_einval(void **state) {
        struct fixture *fx = *state;
        struct weir_poll *poll = (struct weir_poll *)&fx;
        struct weir_events *events = (struct weir_events *)&fx;
        struct weir_waker *waker = (struct weir_waker *)&fx;
        struct weir_source source = { .ops = NULL };
        char text[8];
        int fd;

        fd = make_eventfd(0);
        assert_int_equal(weir_poll_create(NULL), -EINVAL);
        assert_int_equal(weir_poll_wait(NULL, fx->events, NULL), -EINVAL);
        assert_int_equal(weir_poll_wait(fx->poll, NULL, NULL), -EINVAL);
        assert_int_equal(weir_poll_wait_until(NULL, fx->events, WEIR_NEVER), -EINVAL);
        assert_int_equal(weir_poll_wait_until(fx->poll, NULL, WEIR_NEVER), -EINVAL);
        assert_int_equal(weir_poll_interrupt(NULL), -EINVAL);
        assert_int_equal(weir_poll_fd(NULL), -EINVAL);
        assert_int_equal(weir_registry_fd(NULL), -EINVAL);
        assert_int_equal(weir_register(NULL, fd, 1, WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_reregister(NULL, fd, 1, WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_rearm(NULL, fd, WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_retoken(NULL, fd, 1), -EINVAL);
        assert_int_equal(weir_disarm(NULL, fd), -EINVAL);
        assert_int_equal(weir_deregister(NULL, fd), -EINVAL);
        assert_int_equal(weir_source_register(NULL, &source, 1, WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_source_register(fx->registry, NULL, 1, WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_source_reregister(NULL, &source, 1, WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_source_reregister(fx->registry, NULL, 1, WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_source_deregister(NULL, &source), -EINVAL);
        assert_int_equal(weir_source_deregister(fx->registry, NULL), -EINVAL);
        assert_int_equal(weir_synchronize(NULL), -EINVAL);
        assert_int_equal(weir_events_create(4, NULL), -EINVAL);
        assert_int_equal(weir_waker_create(NULL, 1, &waker), -EINVAL);
        assert_int_equal(weir_waker_create(fx->registry, 1, NULL), -EINVAL);
        assert_int_equal(weir_waker_wake(NULL), -EINVAL);
        assert_int_equal(weir_event_format(NULL, text, sizeof(text)), -EINVAL);
        assert_int_equal(weir_registry_format(NULL, text, sizeof(text)), -EINVAL);
        assert_int_equal(weir_registry_format(fx->registry, NULL, 8), -EINVAL);
        assert_int_equal(weir_interest_format(WEIR_READABLE, NULL, 8), -EINVAL);
        /* Outputs are untouched. */
        assert_int_equal(weir_events_create(0, &events), -EINVAL);
        assert_ptr_equal(poll, &fx);
        assert_ptr_equal(events, &fx);
        assert_ptr_equal(waker, &fx);
        assert_int_equal(weir_epoch_now(NULL), 0);
        assert_int_equal(weir_events_capacity(NULL), 0);
        assert_false(weir_events_next(NULL, &(struct weir_event){ 0 }));
        close(fd);
}

static void g12_invalid_interests_get_einval(void **state) {
        const weir_interest both[] = {
                WEIR_LEVEL | WEIR_ONESHOT,
                WEIR_EXCLUSIVE,
                WEIR_LEVEL | WEIR_EXCLUSIVE,
                WEIR_READABLE | WEIR_LEVEL | WEIR_ONESHOT,
                WEIR_READABLE | WEIR_ONESHOT | WEIR_EXCLUSIVE,
                WEIR_PRIORITY | WEIR_EXCLUSIVE,
                WEIR_READABLE | WEIR_PRIORITY | WEIR_EXCLUSIVE,
                WEIR_READABLE | 0x8,
                WEIR_HELD,
                WEIR_READABLE | WEIR_HELD,
                WEIR_READABLE | WEIR_LEVEL | WEIR_HELD,
                WEIR_READABLE | WEIR_EXCLUSIVE | WEIR_HELD,
                WEIR_READABLE | 0x1000,
                WEIR_READABLE | UINT32_C(1) << 31,
                UINT32_MAX,
        };
        const weir_interest valid[] = {
                0,
                WEIR_LEVEL,
                WEIR_ONESHOT,
                WEIR_ONESHOT | WEIR_HELD,
                WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD,
                WEIR_READABLE,
                WEIR_WRITABLE,
                WEIR_PRIORITY,
                WEIR_READABLE | WEIR_WRITABLE | WEIR_PRIORITY,
                WEIR_READABLE | WEIR_WRITABLE | WEIR_PRIORITY | WEIR_LEVEL,
                WEIR_READABLE | WEIR_WRITABLE | WEIR_PRIORITY | WEIR_ONESHOT,
                WEIR_READABLE | WEIR_WRITABLE | WEIR_EXCLUSIVE,
                WEIR_READABLE | WEIR_EXCLUSIVE | WEIR_LEVEL,
        };
        struct fixture *fx = *state;
        int fds[2];

        make_pipe(fds);
        for (unsigned i = 0; i < ARRAY_LEN(both); i++) {
                assert_int_equal(weir_register(fx->registry, fds[0], 1, both[i]), -EINVAL);
                assert_int_equal(stats_of(fx->registry).registered, 0);
        }
        for (unsigned i = 0; i < ARRAY_LEN(valid); i++) {
                assert_int_equal(weir_register(fx->registry, fds[0], 1, valid[i]), 0);
                for (unsigned b = 0; b < ARRAY_LEN(both); b++)
                        assert_int_equal(weir_reregister(fx->registry, fds[0], 1, both[b]), -EINVAL);
                assert_int_equal(weir_reregister(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_EXCLUSIVE), -EINVAL);
                assert_int_equal(weir_reregister(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD),
                                 -EINVAL);
                assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        }
        close_pair(fds);
}

static void g12_invalid_capacities_get_einval(void **state) {
        const unsigned bad[] = { 0, UINT32_MAX, INT32_MAX, INT32_MAX / sizeof(struct epoll_event) + 1 };
        struct weir_events *events = NULL;

        (void)state;
        for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
                assert_int_equal(weir_events_create(bad[i], &events), -EINVAL);
                assert_null(events);
        }
        assert_int_equal(weir_events_create(1, &events), 0);
        assert_int_equal(weir_events_capacity(events), 1);
        assert_true(weir_events_is_empty(events));
        weir_events_destroy(events);
}

/* ---------------------------------------------------------------- descriptors */

static void g12_descriptor_that_is_not_open_gets_ebadf(void **state) {
        struct fixture *fx = *state;
        const int bad[] = { lowest_free_descriptor() + 100, INT32_MAX, -1, INT32_MIN };

        for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
                assert_int_equal(weir_register(fx->registry, bad[i], 1, WEIR_READABLE), -EBADF);
                assert_int_equal(weir_reregister(fx->registry, bad[i], 1, WEIR_READABLE), -EBADF);
                assert_int_equal(weir_rearm(fx->registry, bad[i], WEIR_READABLE), -EBADF);
                assert_int_equal(weir_retoken(fx->registry, bad[i], 1), -EBADF);
                assert_int_equal(weir_disarm(fx->registry, bad[i]), -EBADF);
                assert_int_equal(weir_deregister(fx->registry, bad[i]), -EBADF);
        }
        assert_int_equal(stats_of(fx->registry).registered, 0);
}

static void g12_descriptor_that_is_not_registered_gets_enoent(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_reregister(fx->registry, fd, 1, WEIR_READABLE), -ENOENT);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), -ENOENT);
        assert_int_equal(weir_retoken(fx->registry, fd, 1), -ENOENT);
        assert_int_equal(weir_disarm(fx->registry, fd), -ENOENT);
        assert_int_equal(weir_deregister(fx->registry, fd), -ENOENT);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), -EEXIST);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        assert_int_equal(weir_deregister(fx->registry, fd), -ENOENT);
        close(fd);
}

static void g12_reregister_of_a_closed_number_gets_ebadf_and_of_a_reused_one_enoent(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        close(fd);
        assert_int_equal(weir_reregister(fx->registry, fd, 2, WEIR_READABLE), -EBADF);
        move_descriptor(make_eventfd(1), fd);
        assert_int_equal(weir_reregister(fx->registry, fd, 2, WEIR_READABLE), -ENOENT);
        expect_silence(fx);
        assert_int_equal(weir_register(fx->registry, fd, 3, WEIR_READABLE), 0);
        expect_one(fx, 3);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g12_what_cannot_be_polled_gets_eperm(void **state) {
        struct fixture *fx = *state;
        int file;

        file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        assert_true(file >= 0);
        assert_int_equal(weir_register(fx->registry, file, 1, WEIR_READABLE), -EPERM);
        assert_int_equal(weir_deregister(fx->registry, file), -ENOENT);
        close(file);
        file = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(file >= 0);
        assert_int_equal(weir_register(fx->registry, file, 1, WEIR_READABLE), -EPERM);
        assert_int_equal(weir_register(fx->registry, file, 1, WEIR_READABLE), -EPERM);
        close(file);
        expect_silence(fx);
}

static void g12_own_descriptor_of_the_poll_gets_einval(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = weir_poll_fd(fx->poll);
        assert_true(fd >= 0);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), -EINVAL);
        assert_int_equal(stats_of(fx->registry).registered, 0);
}

static void g12_polls_that_watch_each_other_get_eloop(void **state) {
        struct fixture *fx = *state;
        struct weir_poll *other = NULL;

        assert_int_equal(weir_poll_create(&other), 0);
        assert_int_equal(weir_register(fx->registry, weir_poll_fd(other), 1, WEIR_READABLE), 0);
        assert_int_equal(weir_register(weir_poll_registry(other), weir_poll_fd(fx->poll), 1, WEIR_READABLE), -ELOOP);
        assert_int_equal(stats_of(weir_poll_registry(other)).registered, 0);
        assert_int_equal(weir_deregister(fx->registry, weir_poll_fd(other)), 0);
        weir_poll_destroy(other);
}

/* ---------------------------------------------------------------- order */

static void g12_arguments_come_before_the_end_of_the_poll_and_that_before_the_descriptor(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct weir_registry *clone;
        int fd, closed;

        fd = make_eventfd(1);
        clone = weir_registry_clone(fx->registry);
        assert_int_equal(weir_register(clone, fd, 1, WEIR_READABLE), 0);
        fixture_end_poll(fx);
        closed = lowest_free_descriptor() + 100;
        assert_int_equal(weir_register(clone, closed, 1, WEIR_LEVEL | WEIR_ONESHOT), -EINVAL);
        assert_int_equal(weir_register(clone, closed, 1, WEIR_READABLE | WEIR_HELD), -EINVAL);
        assert_int_equal(weir_reregister(clone, closed, 1, WEIR_EXCLUSIVE | WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_rearm(clone, closed, WEIR_ONESHOT | WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_waker_create(clone, 1, NULL), -EINVAL);
        assert_int_equal(weir_register(clone, closed, 1, WEIR_READABLE), -ESHUTDOWN);
        assert_int_equal(weir_register(clone, fd, 1, WEIR_READABLE), -ESHUTDOWN);
        assert_int_equal(weir_reregister(clone, closed, 1, WEIR_READABLE), -ESHUTDOWN);
        /* Not a one-shot, which is a matter of the descriptor. */
        assert_int_equal(weir_rearm(clone, fd, WEIR_READABLE), -ESHUTDOWN);
        assert_int_equal(weir_rearm(clone, closed, WEIR_READABLE), -ESHUTDOWN);
        assert_int_equal(weir_retoken(clone, closed, 1), -ESHUTDOWN);
        assert_int_equal(weir_disarm(clone, fd), -ESHUTDOWN);
        assert_int_equal(weir_disarm(clone, closed), -ESHUTDOWN);
        assert_int_equal(weir_waker_create(clone, 1, &waker), -ESHUTDOWN);
        assert_null(waker);
        weir_registry_release(clone);
        close(fd);
}

/* ---------------------------------------------------------------- limits */

/* Runs poll_create with room for so many descriptors. */
static int create_with_room(unsigned room, struct weir_poll **ret_poll) {
        struct rlimit before;
        int r;

        leave_room(room, &before);
        r = weir_poll_create(ret_poll);
        restore_room(&before);
        return r;
}

static void g12_poll_create_without_descriptors_gets_emfile_and_leaves_nothing(void **state) {
        struct weir_poll *poll = (struct weir_poll *)state;
        unsigned before = count_descriptors(), room;
        int r;

        for (room = 0;; room++) {
                assert_true(room < 16);
                r = create_with_room(room, &poll);
                if (r == 0)
                        break;
                assert_int_equal(r, -EMFILE);
                assert_ptr_equal(poll, state);
                assert_int_equal(count_descriptors(), before);
        }
        /* An epoll set and an eventfd at least. */
        assert_true(room >= 2);
        weir_poll_destroy(poll);
        assert_int_equal(count_descriptors(), before);
}

static void g12_poll_fd_without_descriptors_gets_emfile_or_the_descriptor(void **state) {
        struct fixture *fx = *state;
        struct rlimit before;
        int r;

        leave_room(0, &before);
        r = weir_poll_fd(fx->poll);
        restore_room(&before);
        assert_true(r >= 0 || r == -EMFILE);
        expect_silence(fx);
        assert_true(weir_poll_fd(fx->poll) >= 0);
}

/* ---------------------------------------------------------------- signal dispositions */

static void g12_signal_dispositions_are_not_changed(void **state) {
        struct sigaction before[65], after;
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct weir_poll *poll = NULL;
        sigset_t mask_before, mask_after;

        assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask_before), 0);
        for (int s = 1; s < 65; s++)
                (void)sigaction(s, NULL, &before[s]);
        assert_int_equal(weir_poll_create(&poll), 0);
        assert_int_equal(weir_waker_create(weir_poll_registry(poll), 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(&(struct fixture){ .poll = poll, .events = fx->events }, 1);
        weir_waker_destroy(waker);
        weir_events_clear(fx->events);
        weir_poll_destroy(poll);
        for (int s = 1; s < 65; s++)
                if (sigaction(s, NULL, &after) == 0)
                        assert_true(after.sa_handler == before[s].sa_handler);
        assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask_after), 0);
        assert_memory_equal(&mask_before, &mask_after, 8);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g12_null_arguments_get_einval),
                CASE(g12_invalid_interests_get_einval),
                CASE(g12_invalid_capacities_get_einval),
                CASE(g12_descriptor_that_is_not_open_gets_ebadf),
                CASE(g12_descriptor_that_is_not_registered_gets_enoent),
                CASE(g12_reregister_of_a_closed_number_gets_ebadf_and_of_a_reused_one_enoent),
                CASE(g12_what_cannot_be_polled_gets_eperm),
                CASE(g12_own_descriptor_of_the_poll_gets_einval),
                CASE(g12_polls_that_watch_each_other_get_eloop),
                CASE(g12_arguments_come_before_the_end_of_the_poll_and_that_before_the_descriptor),
                CASE(g12_poll_create_without_descriptors_gets_emfile_and_leaves_nothing),
                CASE(g12_poll_fd_without_descriptors_gets_emfile_or_the_descriptor),
                CASE(g12_signal_dispositions_are_not_changed),
        };

        return cmocka_run_group_tests_name("g12_errors", cases, NULL, NULL);
}
