/* SPDX-License-Identifier: MIT */
/*
 * G7 for calls: a refused call leaves everything as it was, the fetched events of what was registered before included,
 * and neither an interrupted wait nor one that another thread registers into loses anything.
 */
#include <signal.h>

#include "../support.h"

/* A ready, fetched, not yet read registration with token 1, and a waiting reader for it. */
static int make_fetched(struct fixture *fx, weir_interest interest) {
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, interest), 0);
        fetch(fx, 1);
        return fd;
}

/* The event that was fetched comes out, new readiness comes, and the mode is what it was. */
static void expect_untouched(struct fixture *fx, int fd, weir_interest interest) {
        struct weir_event event;

        assert_int_equal(stats_of(fx->registry).registered, 1);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(event.token, 1);
        assert_true(weir_event_is_readable(&event));
        assert_false(weir_event_is_writable(&event));
        expect_drained_batch(fx);
        weir_events_clear(fx->events);
        if (interest & WEIR_LEVEL) {
                expect_one(fx, 1);
                expect_one(fx, 1);
        } else {
                expect_silence(fx);
                ring(fd);
                if (interest & WEIR_ONESHOT) {
                        expect_silence(fx);
                        assert_int_equal(weir_reregister(fx->registry, fd, 1, interest), 0);
                }
                expect_one(fx, 1);
        }
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        expect_silence(fx);
        close(fd);
}

static const weir_interest interests[] = {
        WEIR_READABLE,
        WEIR_READABLE | WEIR_LEVEL,
        WEIR_READABLE | WEIR_ONESHOT,
};

static void g7_eexist_leaves_the_first_registration_and_its_fetched_event(void **state) {
        struct fixture *fx = *state;
        int fd;

        for (unsigned i = 0; i < ARRAY_LEN(interests); i++) {
                fd = make_fetched(fx, interests[i]);
                assert_int_equal(weir_register(fx->registry, fd, 2, WEIR_READABLE | WEIR_WRITABLE), -EEXIST);
                assert_int_equal(weir_register(fx->registry, fd, 3, WEIR_WRITABLE | WEIR_LEVEL), -EEXIST);
                assert_int_equal(weir_register(fx->registry, fd, 4, WEIR_READABLE | WEIR_EXCLUSIVE), -EEXIST);
                expect_untouched(fx, fd, interests[i]);
        }
}

static void g7_invalid_arguments_leave_the_registration_and_its_fetched_event(void **state) {
        const weir_interest bad[] = { WEIR_LEVEL | WEIR_ONESHOT,
                                      WEIR_HELD,
                                      UINT32_C(1) << 31,
                                      WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD,
                                      WEIR_READABLE | WEIR_LEVEL | WEIR_ONESHOT,
                                      WEIR_READABLE | WEIR_EXCLUSIVE };
        struct fixture *fx = *state;
        int fd;

        for (unsigned i = 0; i < ARRAY_LEN(interests); i++) {
                fd = make_fetched(fx, interests[i]);
                for (unsigned b = 0; b < ARRAY_LEN(bad); b++)
                        assert_int_equal(weir_reregister(fx->registry, fd, 2, bad[b]), -EINVAL);
                assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE | WEIR_ONESHOT), -EINVAL);
                assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE | WEIR_HELD), -EINVAL);
                if (!(interests[i] & WEIR_ONESHOT)) {
                        assert_int_equal(weir_rearm(fx->registry, fd, 0), -EINVAL);
                        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE | WEIR_WRITABLE), -EINVAL);
                        assert_int_equal(weir_disarm(fx->registry, fd), -EINVAL);
                }
                expect_untouched(fx, fd, interests[i]);
        }
}

static void g7_refused_calls_about_other_descriptors_leave_everything(void **state) {
        struct fixture *fx = *state;
        int fd, other, file;

        for (unsigned i = 0; i < ARRAY_LEN(interests); i++) {
                fd = make_fetched(fx, interests[i]);
                other = make_eventfd(0);
                file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
                assert_true(file >= 0);
                assert_int_equal(weir_reregister(fx->registry, other, 2, WEIR_READABLE), -ENOENT);
                assert_int_equal(weir_rearm(fx->registry, other, WEIR_READABLE), -ENOENT);
                assert_int_equal(weir_retoken(fx->registry, other, 2), -ENOENT);
                assert_int_equal(weir_disarm(fx->registry, other), -ENOENT);
                assert_int_equal(weir_deregister(fx->registry, other), -ENOENT);
                assert_int_equal(weir_register(fx->registry, file, 2, WEIR_READABLE), -EPERM);
                close(file);
                assert_int_equal(weir_register(fx->registry, file, 2, WEIR_READABLE), -EBADF);
                expect_untouched(fx, fd, interests[i]);
                /* What failed once is not half there: the number registers as if nothing had been. */
                assert_int_equal(weir_register(fx->registry, other, 5, WEIR_READABLE), 0);
                ring(other);
                expect_one(fx, 5);
                assert_int_equal(weir_deregister(fx->registry, other), 0);
                close(other);
        }
}

static void g7_refused_wait_leaves_the_batch(void **state) {
        struct fixture *fx = *state;
        int fd;

        for (unsigned i = 0; i < ARRAY_LEN(interests); i++) {
                fd = make_fetched(fx, interests[i]);
                assert_int_equal(weir_poll_wait(fx->poll, fx->events, &(struct timespec){ .tv_sec = -1 }), -EINVAL);
                assert_int_equal(weir_poll_wait(fx->poll, NULL, NULL), -EINVAL);
                assert_int_equal(weir_poll_wait(NULL, fx->events, NULL), -EINVAL);
                expect_untouched(fx, fd, interests[i]);
        }
}

static void g7_refused_reregister_of_an_exclusive_registration_leaves_it(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_fetched(fx, WEIR_READABLE | WEIR_EXCLUSIVE);
        assert_int_equal(weir_reregister(fx->registry, fd, 2, WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_reregister(fx->registry, fd, 2, WEIR_READABLE | WEIR_EXCLUSIVE), -EINVAL);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), -EINVAL);
        expect_untouched(fx, fd, WEIR_READABLE | WEIR_EXCLUSIVE);
}

/* ---------------------------------------------------------------- interrupted waits */

static void do_nothing(int signal) {
        (void)signal;
}

struct interrupted {
        struct fixture *fx;
        unsigned counts[64];
        unsigned eintr;
        struct latch stop;
};

static int wait_through_signals(void *arg) {
        struct interrupted *in = arg;
        int r;

        while (!latch_is_set(&in->stop)) {
                r = tally(in->fx->poll, in->fx->events, 1000, in->counts, 64);
                REQUIRE(r >= 0 || r == -EINTR);
                in->eintr += r == -EINTR;
        }
        /* What the last signals may have cut off. */
        while ((r = tally(in->fx->poll, in->fx->events, 0, in->counts, 64)) != 0)
                REQUIRE(r > 0 || r == -EINTR);
        return 0;
}

static void g7_interrupted_waits_lose_no_event(void **state) {
        struct sigaction action = { .sa_handler = do_nothing }, before;
        struct fixture *fx = *state;
        struct interrupted in = { .fx = fx };
        struct weir_waker *waker = NULL;
        struct worker worker;
        int fds[63];

        assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
        assert_int_equal(weir_waker_create(fx->registry, 63, &waker), 0);
        worker_start(&worker, wait_through_signals, &in);
        for (unsigned i = 0; i < 63; i++) {
                fds[i] = make_eventfd(0);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | (i % 2 ? WEIR_ONESHOT : 0)), 0);
        }
        for (unsigned i = 0; i < 63; i++) {
                assert_int_equal(pthread_kill(worker.thread, SIGUSR1), 0);
                ring(fds[i]);
                assert_int_equal(pthread_kill(worker.thread, SIGUSR1), 0);
                if (i % 4 == 0)
                        worker_settle(&worker);
        }
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(pthread_kill(worker.thread, SIGUSR1), 0);
        latch_set(&in.stop);
        assert_int_equal(worker_join(&worker), 0);
        for (unsigned i = 0; i < 64; i++)
                assert_int_equal(in.counts[i], 1);
        for (unsigned i = 0; i < 63; i++) {
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                close(fds[i]);
        }
        weir_waker_destroy(waker);
        assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

/* ---------------------------------------------------------------- into a blocked wait */

static void g7_registration_and_rearm_from_another_thread_reach_a_blocked_wait(void **state) {
        struct fixture *fx = *state;
        struct waiter waiter;
        int fd;

        /* Registered ready, reregistered ready, and rearmed with readiness that came before the rearm. */
        fd = make_eventfd(1);
        waiter_start(&waiter, fx->poll);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(waiter.got[0].token, 1);

        waiter_start(&waiter, fx->poll);
        assert_int_equal(weir_reregister(fx->registry, fd, 2, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(waiter.got[0].token, 2);

        drain(fd);
        ring(fd);
        waiter_start(&waiter, fx->poll);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(waiter.got[0].token, 2);

        /* The readiness comes while the waiter is blocked, and only then the rearm. */
        drain(fd);
        waiter_start(&waiter, fx->poll);
        ring(fd);
        worker_settle(&waiter.worker);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(waiter.got[0].token, 2);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g7_every_ready_one_comes_within_a_bounded_number_of_waits(void **state) {
        struct weir_events *single = NULL;
        struct weir_waker *waker = NULL;
        struct fixture *fx = *state;
        unsigned counts[9] = { 0 };
        int fds[8];

        /* One event a wait, levels that are always ready, and a waker that is woken before each wait. */
        assert_int_equal(weir_events_create(1, &single), 0);
        assert_int_equal(weir_waker_create(fx->registry, 8, &waker), 0);
        for (unsigned i = 0; i < 8; i++) {
                fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | (i % 2 ? WEIR_LEVEL : 0)), 0);
        }
        for (unsigned waits = 0, seen = 0; seen < 9; waits++) {
                assert_true(waits < 5000);
                assert_int_equal(weir_waker_wake(waker), 0);
                assert_true(tally(fx->poll, single, DEADLINE_MS, counts, 9) >= 0);
                while (seen < 9 && counts[seen])
                        seen++;
        }
        for (unsigned i = 0; i < 8; i++) {
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                close(fds[i]);
        }
        weir_waker_destroy(waker);
        weir_events_destroy(single);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g7_eexist_leaves_the_first_registration_and_its_fetched_event),
                CASE(g7_invalid_arguments_leave_the_registration_and_its_fetched_event),
                CASE(g7_refused_calls_about_other_descriptors_leave_everything),
                CASE(g7_refused_wait_leaves_the_batch),
                CASE(g7_refused_reregister_of_an_exclusive_registration_leaves_it),
                CASE(g7_interrupted_waits_lose_no_event),
                CASE(g7_registration_and_rearm_from_another_thread_reach_a_blocked_wait),
                CASE(g7_every_ready_one_comes_within_a_bounded_number_of_waits),
        };

        return cmocka_run_group_tests_name("g07_refused", cases, NULL, NULL);
}
