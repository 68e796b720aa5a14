/* SPDX-License-Identifier: MIT */
/*
 * G9 in signal handlers: a wake from a handler is as good as any, whichever code the handler interrupts, be it the wait
 * itself, another wake, or the close of a batch. It keeps errno.
 */
#include <signal.h>

#include "../support.h"

static struct weir_waker *handler_waker;
static volatile sig_atomic_t handler_result, handler_errno;

static void wake_in_handler(int signal) {
        int saved = errno;

        (void)signal;
        errno = 4711;
        handler_result = weir_waker_wake(handler_waker);
        handler_errno = errno;
        errno = saved;
}

static struct sigaction before;

static void handler_install(struct weir_waker *waker, int flags) {
        struct sigaction action = { .sa_handler = wake_in_handler, .sa_flags = flags };

        handler_waker = waker;
        handler_result = 1;
        handler_errno = 0;
        assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
}

static void handler_remove(void) {
        assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

static void g9_wake_from_a_signal_handler_makes_the_next_wait_return(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        handler_install(waker, 0);
        for (unsigned i = 0; i < 10; i++) {
                assert_int_equal(raise(SIGUSR1), 0);
                assert_int_equal(handler_result, 0);
                assert_int_equal(handler_errno, 4711);
                expect_one(fx, 1);
        }
        handler_remove();
        weir_waker_destroy(waker);
}

static void g9_wake_from_a_handler_that_interrupts_another_thread_ends_the_wait(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct waiter waiter;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        handler_install(waker, 0);
        for (unsigned i = 0; i < 20; i++) {
                waiter_start(&waiter, fx->poll);
                /* The main thread handles it; the waiter sleeps. */
                assert_int_equal(raise(SIGUSR1), 0);
                assert_int_equal(waiter_join(&waiter), 1);
                assert_int_equal(waiter.got[0].token, 1);
        }
        handler_remove();
        weir_waker_destroy(waker);
}

struct target {
        struct fixture *fx;
        atomic_int taken;
        int goal;
        unsigned eintr;
        struct latch started;
};

/* Waits and counts the wakes that it takes, whatever cuts it off. */
static int take_goal(void *arg) {
        struct target *target = arg;
        struct weir_event event;
        int r;

        latch_set(&target->started);
        while (atomic_load_explicit(&target->taken, memory_order_relaxed) < target->goal) {
                r = wait_ms(target->fx->poll, target->fx->events, DEADLINE_MS);
                REQUIRE(r > 0 || r == -EINTR);
                target->eintr += r == -EINTR;
                if (r == -EINTR)
                        /* A sanitizer that held the handler back runs it in a call that it knows. */
                        REQUIRE(pthread_kill(pthread_self(), 0) == 0);
                while (weir_events_next(target->fx->events, &event)) {
                        REQUIRE(event.token == 1);
                        atomic_fetch_add_explicit(&target->taken, 1, memory_order_relaxed);
                }
        }
        weir_events_clear(target->fx->events);
        return 0;
}

static void interrupt_the_waiter(struct fixture *fx, int flags) {
        struct target target = { .fx = fx, .goal = 1000 };
        struct weir_waker *waker = NULL;
        struct worker worker;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        handler_install(waker, flags);
        worker_start(&worker, take_goal, &target);
        latch_wait(&target.started);
        for (int i = 0; i < target.goal; i++) {
                if (i % 100 == 0)
                        worker_settle(&worker);
                assert_int_equal(pthread_kill(worker.thread, SIGUSR1), 0);
                /* The wake in the handler must come out, after -EINTR if need be; the next one makes a new event. */
                while (!reached_within(&target.taken, i + 1, UNDER_SANITIZER ? 20 : DEADLINE_MS)) {
                        /* A sanitizer may sit on the signal while the thread sleeps, until another one comes. */
                        assert_true(UNDER_SANITIZER);
                        assert_int_equal(pthread_kill(worker.thread, SIGUSR1), 0);
                }
        }
        assert_int_equal(worker_join(&worker), 0);
        assert_in_range(target.taken, target.goal, UNDER_SANITIZER ? INT32_MAX : target.goal);
        handler_remove();
        weir_waker_destroy(waker);
}

static void g9_wake_from_a_handler_that_interrupts_the_waiter_is_not_lost(void **state) {
        interrupt_the_waiter(*state, 0);
}

static void g9_wake_from_a_restarting_handler_is_not_lost(void **state) {
        interrupt_the_waiter(*state, SA_RESTART);
}

/* ---------------------------------------------------------------- handlers in the midst of everything */

struct busy {
        struct fixture *fx;
        struct weir_waker *waker;
        struct latch stop;
        unsigned counts[3];
        int fd;
};

/* All that touches the queue of the poll on one thread, with handlers that break in anywhere. */
static int be_busy(void *arg) {
        struct busy *busy = arg;
        struct weir_registry *registry = busy->fx->registry;
        struct weir_event event;
        int r;

        do {
                REQUIRE(weir_waker_wake(busy->waker) == 0);
                REQUIRE(weir_register(registry, busy->fd, 2, WEIR_READABLE | WEIR_ONESHOT) == 0);
                r = wait_ms(busy->fx->poll, busy->fx->events, 0);
                REQUIRE(r >= 0 || r == -EINTR);
                /* Half read more often than not. */
                if (weir_events_next(busy->fx->events, &event))
                        busy->counts[event.token]++;
                weir_events_clear(busy->fx->events);
                REQUIRE(weir_rearm(registry, busy->fd, WEIR_READABLE) == 0);
                REQUIRE(weir_deregister(registry, busy->fd) == 0);
        } while (!latch_is_set(&busy->stop));
        return 0;
}

static void g9_handler_may_break_in_anywhere(void **state) {
        struct fixture *fx = *state;
        struct busy busy = { .fx = fx };
        struct weir_waker *waker = NULL;
        struct worker worker;

        assert_int_equal(weir_waker_create(fx->registry, 0, &busy.waker), 0);
        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        busy.fd = make_eventfd(1);
        handler_install(waker, 0);
        worker_start(&worker, be_busy, &busy);
        for (unsigned i = 0; i < 5000; i++) {
                assert_int_equal(pthread_kill(worker.thread, SIGUSR1), 0);
                if (i % 4 == 0)
                        sched_yield();
        }
        latch_set(&busy.stop);
        assert_int_equal(worker_join(&worker), 0);
        /* All handlers have run by now, and what they woke last may still be there. */
        while (tally(fx->poll, fx->events, 0, busy.counts, 3) > 0)
                continue;
        assert_true(busy.counts[0] > 0);
        assert_true(busy.counts[1] > 0);
        assert_int_equal(handler_result, 0);
        assert_int_equal(handler_errno, 4711);
        expect_silence(fx);
        handler_remove();
        weir_waker_destroy(waker);
        weir_waker_destroy(busy.waker);
        close(busy.fd);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g9_wake_from_a_signal_handler_makes_the_next_wait_return),
                CASE(g9_wake_from_a_handler_that_interrupts_another_thread_ends_the_wait),
                CASE(g9_wake_from_a_handler_that_interrupts_the_waiter_is_not_lost),
                CASE(g9_wake_from_a_restarting_handler_is_not_lost),
                CASE(g9_handler_may_break_in_anywhere),
        };

        return cmocka_run_group_tests_name("g09_signals", cases, NULL, NULL);
}
