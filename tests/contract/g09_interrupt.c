/* SPDX-License-Identifier: MIT */
/*
 * weir_poll_interrupt(): the wait in progress, or the next, returns -EINTR, from any thread and from signal handlers. It is not
 * lost while nobody waits, it coalesces, and it loses no event.
 */
#include <signal.h>

#include "../support.h"

static void g9_interrupt_ends_the_wait_in_progress(void **state) {
        struct fixture *fx = *state;
        struct waiter waiter;

        for (unsigned i = 0; i < 50; i++) {
                waiter_start(&waiter, fx->poll);
                assert_int_equal(weir_poll_interrupt(fx->poll), 0);
                assert_int_equal(waiter_join(&waiter), -EINTR);
                /* It was that wait's alone. */
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
                expect_silence(fx);
        }
}

static void g9_interrupt_of_nobody_ends_the_next_wait(void **state) {
        const int timeouts[] = { -1, 0, 1, DEADLINE_MS };
        struct fixture *fx = *state;

        for (unsigned t = 0; t < ARRAY_LEN(timeouts); t++) {
                for (unsigned times = 1; times <= 3; times++) {
                        for (unsigned i = 0; i < times; i++)
                                assert_int_equal(weir_poll_interrupt(fx->poll), 0);
                        assert_int_equal(wait_ms(fx->poll, fx->events, timeouts[t]), -EINTR);
                        /* They were one. */
                        assert_int_equal(wait_ms(fx->poll, fx->events, 1), 0);
                }
        }
}

static void g9_interrupt_beside_events_loses_neither(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct weir_event event;
        int fd;

        assert_int_equal(weir_waker_create(fx->registry, 2, &waker), 0);
        for (unsigned way = 0; way < 2 * ARRAY_LEN(modes); way++) {
                unsigned fds = 0, wakes = 0, interrupts = 0;
                int r;

                fd = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | modes[way / 2]), 0);
                if (way % 2)
                        assert_int_equal(weir_poll_interrupt(fx->poll), 0);
                assert_int_equal(weir_waker_wake(waker), 0);
                if (way % 2 == 0)
                        assert_int_equal(weir_poll_interrupt(fx->poll), 0);
                /* Whichever of them comes first, all have come after two waits, even if more is ready all the time. */
                for (unsigned i = 0; i < 2; i++) {
                        r = wait_ms(fx->poll, fx->events, DEADLINE_MS);
                        assert_true(r > 0 || r == -EINTR);
                        interrupts += r == -EINTR;
                        while (weir_events_next(fx->events, &event)) {
                                fds += event.token == 1;
                                wakes += event.token == 2;
                        }
                        weir_events_clear(fx->events);
                }
                assert_int_equal(interrupts, 1);
                assert_int_equal(wakes, 1);
                assert_int_equal(fds, 1);
                if (modes[way / 2] == WEIR_LEVEL)
                        expect_one(fx, 1);
                else
                        expect_silence(fx);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
                close(fd);
        }
        weir_waker_destroy(waker);
}

static void g9_interrupt_comes_through_though_something_is_always_ready(void **state) {
        struct fixture *fx = *state;
        struct weir_events *single = NULL;
        struct weir_event event;
        unsigned waits;
        int fds[4];

        /* A batch of one event, and four descriptors that are never drained. */
        assert_int_equal(weir_events_create(1, &single), 0);
        for (unsigned i = 0; i < 4; i++) {
                fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | WEIR_LEVEL), 0);
        }
        for (unsigned round = 0; round < 20; round++) {
                int r = 0;

                assert_int_equal(weir_poll_interrupt(fx->poll), 0);
                for (waits = 0; waits < 2 && r != -EINTR; waits++) {
                        r = wait_ms(fx->poll, single, DEADLINE_MS);
                        if (r == 1)
                                assert_true(weir_events_next(single, &event));
                }
                assert_int_equal(r, -EINTR);
                assert_int_equal(wait_ms(fx->poll, single, 0), 1);
                assert_true(weir_events_next(single, &event));
        }
        weir_events_destroy(single);
        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                close(fds[i]);
        }
}

static void g9_interrupted_wait_has_closed_the_batch_and_leaves_none_open(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *wakers[2] = { 0 };
        struct note note = { 0 };
        struct weir_event event;
        weir_token left;

        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
                assert_int_equal(weir_waker_wake(wakers[i]), 0);
        }
        fetch(fx, 2);
        assert_true(weir_events_next(fx->events, &event));
        left = !event.token;
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 0);
        assert_int_equal(weir_poll_interrupt(fx->poll), 0);
        /* What was left unread is an event that is ready; so the interrupt may be the second. */
        if (wait_ms(fx->poll, fx->events, DEADLINE_MS) > 0) {
                assert_true(weir_events_next(fx->events, &event));
                assert_int_equal(event.token, left);
                assert_int_equal(wait_ms(fx->poll, fx->events, DEADLINE_MS), -EINTR);
        } else {
                assert_int_equal(note_runs(&note), 1);
                expect_drained_batch(fx);
                assert_int_equal(stats_of(fx->registry).batches, 0);
                expect_one(fx, left);
        }
        assert_int_equal(note_runs(&note), 1);
        assert_int_equal(stats_of(fx->registry).batches, 0);
        for (unsigned i = 0; i < 2; i++)
                weir_waker_destroy(wakers[i]);
}

static void g9_refused_wait_leaves_the_interrupt(void **state) {
        struct fixture *fx = *state;
        struct weir_events *other = NULL;
        struct waiter waiter;

        assert_int_equal(weir_poll_interrupt(fx->poll), 0);
        assert_int_equal(weir_poll_wait(fx->poll, NULL, NULL), -EINVAL);
        assert_int_equal(weir_poll_wait(fx->poll, fx->events, &(struct timespec){ .tv_nsec = -1 }), -EINVAL);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), -EINTR);

        assert_int_equal(weir_events_create(1, &other), 0);
        waiter_start(&waiter, fx->poll);
        assert_int_equal(wait_ms(fx->poll, other, 0), -EBUSY);
        assert_int_equal(weir_poll_interrupt(fx->poll), 0);
        assert_int_equal(waiter_join(&waiter), -EINTR);
        weir_events_destroy(other);
}

static void g9_interrupt_is_of_its_poll_alone(void **state) {
        struct fixture *fx = *state;
        struct weir_poll *other = NULL;

        assert_int_equal(weir_poll_create(&other), 0);
        assert_int_equal(weir_poll_interrupt(other), 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(wait_ms(other, fx->events, 0), -EINTR);
        /* One that never came leaves nothing behind. */
        assert_int_equal(weir_poll_interrupt(other), 0);
        weir_poll_destroy(other);
}

static void g12_interrupt_of_no_poll_gets_einval(void **state) {
        (void)state;
        assert_int_equal(weir_poll_interrupt(NULL), -EINVAL);
}

/* ---------------------------------------------------------------- from inside a wait */

struct interrupter {
        struct weir_deferred node;
        struct weir_poll *poll;
};

static void interrupt_it(struct weir_deferred *node) {
        (void)weir_poll_interrupt(((struct interrupter *)node)->poll);
}

static void g9_interrupt_by_a_deferred_function_ends_the_wait_that_runs_it(void **state) {
        struct fixture *fx = *state;
        struct interrupter interrupter = { .poll = fx->poll };
        struct weir_waker *waker = NULL;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 1);
        assert_true(weir_events_next(fx->events, &(struct weir_event){ 0 }));
        weir_defer(fx->registry, &interrupter.node, interrupt_it);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), -EINTR);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        weir_waker_destroy(waker);
}

/* ---------------------------------------------------------------- signal handlers */

static struct weir_poll *handler_poll;
static volatile sig_atomic_t handler_result, handler_errno;

static void interrupt_in_handler(int signal) {
        int saved = errno;

        (void)signal;
        errno = 4711;
        handler_result = weir_poll_interrupt(handler_poll);
        handler_errno = errno;
        errno = saved;
}

static struct sigaction before;

static void handler_install(struct weir_poll *poll, int flags) {
        struct sigaction action = { .sa_handler = interrupt_in_handler, .sa_flags = flags };

        handler_poll = poll;
        handler_result = 1;
        handler_errno = 0;
        assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
}

static void handler_remove(void) {
        assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
        assert_int_equal(handler_result, 0);
        assert_int_equal(handler_errno, 4711);
}

static void g9_interrupt_from_a_handler_before_the_wait_is_not_lost(void **state) {
        struct fixture *fx = *state;

        /* A plain signal that comes before the wait would be. */
        handler_install(fx->poll, 0);
        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(raise(SIGUSR1), 0);
                assert_int_equal(wait_ms(fx->poll, fx->events, -1), -EINTR);
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        }
        handler_remove();
}

static void g9_interrupt_from_a_handler_of_another_thread_ends_the_wait(void **state) {
        struct fixture *fx = *state;
        struct waiter waiter;

        handler_install(fx->poll, 0);
        for (unsigned i = 0; i < 20; i++) {
                waiter_start(&waiter, fx->poll);
                assert_int_equal(raise(SIGUSR1), 0);
                assert_int_equal(waiter_join(&waiter), -EINTR);
        }
        handler_remove();
        expect_silence(fx);
}

struct target {
        struct fixture *fx;
        struct latch started, stop;
        atomic_int interrupted;
};

static int wait_until_stopped(void *arg) {
        struct target *target = arg;
        int r;

        latch_set(&target->started);
        while (!latch_is_set(&target->stop)) {
                r = wait_ms(target->fx->poll, target->fx->events, -1);
                REQUIRE(r == -EINTR);
                atomic_fetch_add(&target->interrupted, 1);
                /* A sanitizer that held the handler back runs it in a call that it knows. */
                REQUIRE(pthread_kill(pthread_self(), 0) == 0);
        }
        return 0;
}

static void interrupt_the_waiter(struct fixture *fx, int flags) {
        struct target target = { .fx = fx };
        struct worker worker;

        handler_install(fx->poll, flags);
        worker_start(&worker, wait_until_stopped, &target);
        latch_wait(&target.started);
        for (int i = 0; i < 1000; i++) {
                int goal = atomic_load(&target.interrupted) + 1;

                if (i % 100 == 0)
                        worker_settle(&worker);
                assert_int_equal(pthread_kill(worker.thread, SIGUSR1), 0);
                /* Wherever it is, between two waits, too, one ends by it. */
                while (!reached_within(&target.interrupted, goal, UNDER_SANITIZER ? 20 : DEADLINE_MS)) {
                        assert_true(UNDER_SANITIZER);
                        assert_int_equal(pthread_kill(worker.thread, SIGUSR1), 0);
                }
        }
        latch_set(&target.stop);
        assert_int_equal(weir_poll_interrupt(fx->poll), 0);
        assert_int_equal(worker_join(&worker), 0);
        handler_remove();
        while (wait_ms(fx->poll, fx->events, 0) == -EINTR)
                continue;
        expect_silence(fx);
}

static void g9_interrupt_from_a_handler_of_the_waiter_is_not_lost(void **state) {
        interrupt_the_waiter(*state, 0);
}

static void g9_interrupt_from_a_restarting_handler_is_not_lost(void **state) {
        interrupt_the_waiter(*state, SA_RESTART);
}

/* ---------------------------------------------------------------- threads */

#define INTERRUPTERS 3
#define INTERRUPTS   3000

static int interrupt_often(void *arg) {
        struct fixture *fx = arg;

        for (unsigned i = 0; i < INTERRUPTS; i++) {
                REQUIRE(weir_poll_interrupt(fx->poll) == 0);
                if (i % 16 == 0)
                        sched_yield();
        }
        return 0;
}

static void g9_interrupts_from_many_threads_end_each_wait_and_then_no_more(void **state) {
        struct fixture *fx = *state;
        struct target target = { .fx = fx };
        struct worker waiter, workers[INTERRUPTERS];

        worker_start(&waiter, wait_until_stopped, &target);
        for (unsigned t = 0; t < INTERRUPTERS; t++)
                worker_start(&workers[t], interrupt_often, fx);
        for (unsigned t = 0; t < INTERRUPTERS; t++)
                assert_int_equal(worker_join(&workers[t]), 0);
        /* However late the waiter was: the last one was for it. */
        assert_true(reached(&target.interrupted, 1));
        latch_set(&target.stop);
        assert_int_equal(weir_poll_interrupt(fx->poll), 0);
        assert_int_equal(worker_join(&waiter), 0);
        assert_in_range(target.interrupted, 1, INTERRUPTERS * INTERRUPTS + 1);
        /* At most one was left over. */
        (void)wait_ms(fx->poll, fx->events, 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
}

/* ---------------------------------------------------------------- nested */

static void g9_interrupt_makes_the_poll_fd_readable_until_it_was_told(void **state) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLET };
        struct fixture *fx = *state;
        int fd, outer;

        fd = weir_poll_fd(fx->poll);
        assert_true(fd >= 0);
        outer = epoll_create1(EPOLL_CLOEXEC);
        assert_true(outer >= 0);
        assert_int_equal(epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event), 0);
        for (unsigned i = 0; i < 20; i++) {
                assert_false(polls_readable(fd, 0));
                assert_int_equal(epoll_wait(outer, &event, 1, 0), 0);
                assert_int_equal(weir_poll_interrupt(fx->poll), 0);
                if (i % 2)
                        assert_int_equal(weir_poll_interrupt(fx->poll), 0);
                assert_true(polls_readable(fd, DEADLINE_MS));
                assert_int_equal(epoll_wait(outer, &event, 1, DEADLINE_MS), 1);
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), -EINTR);
                /* It may be looked at once more, and then it is quiet. */
                for (unsigned k = 0; polls_readable(fd, 0); k++) {
                        assert_true(k < 3);
                        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
                }
                while (epoll_wait(outer, &event, 1, 0) > 0)
                        continue;
        }
        close(outer);
}

static void g9_interrupt_before_the_poll_fd_was_asked_for_makes_it_readable(void **state) {
        struct fixture *fx = *state;
        int fd;

        assert_int_equal(weir_poll_interrupt(fx->poll), 0);
        fd = weir_poll_fd(fx->poll);
        assert_true(polls_readable(fd, DEADLINE_MS));
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), -EINTR);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g9_interrupt_ends_the_wait_in_progress),
                CASE(g9_interrupt_of_nobody_ends_the_next_wait),
                CASE(g9_interrupt_beside_events_loses_neither),
                CASE(g9_interrupt_comes_through_though_something_is_always_ready),
                CASE(g9_interrupted_wait_has_closed_the_batch_and_leaves_none_open),
                CASE(g9_refused_wait_leaves_the_interrupt),
                CASE(g9_interrupt_is_of_its_poll_alone),
                CASE(g12_interrupt_of_no_poll_gets_einval),
                CASE(g9_interrupt_by_a_deferred_function_ends_the_wait_that_runs_it),
                CASE(g9_interrupt_from_a_handler_before_the_wait_is_not_lost),
                CASE(g9_interrupt_from_a_handler_of_another_thread_ends_the_wait),
                CASE(g9_interrupt_from_a_handler_of_the_waiter_is_not_lost),
                CASE(g9_interrupt_from_a_restarting_handler_is_not_lost),
                CASE(g9_interrupts_from_many_threads_end_each_wait_and_then_no_more),
                CASE(g9_interrupt_makes_the_poll_fd_readable_until_it_was_told),
                CASE(g9_interrupt_before_the_poll_fd_was_asked_for_makes_it_readable),
        };

        return cmocka_run_group_tests_name("g09_interrupt", cases, NULL, NULL);
}
