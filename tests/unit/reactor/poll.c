/* SPDX-License-Identifier: MIT */
/*
 * The poll: its making, call by failing call, the waiting role, when a wait sleeps, for how long, and what ends it.
 * poll_fill.c has what it fetches.
 */
#include "fault.h"
#include "support.h"

#include "events.h"
#include "poll.h"
#include "sets.h"
#include "words.h"

static const struct timespec at_once = { 0, 0 };

static uint32_t role_of(struct fixture *fx) {
        return atomic_load(&fx->poll->role);
}

static int make_ready(struct fixture *fx, weir_token token, weir_interest interest) {
        int fd = make_eventfd(1);

        assert_int_equal(weir_register(fx->registry, fd, token, WEIR_READABLE | interest), 0);
        return fd;
}

/* ---------------------------------------------------------------- making */

/* Whichever call fails, nothing is left behind and *ret_poll is untouched. */
static void creation_survives_each_failure(void **state) {
        static const unsigned kinds[] = { FAULT_ALLOC, FAULT_LIFE, FAULT_CREATE, FAULT_EVENTFD, FAULT_ADD };
        static const int errors[] = { ENOMEM, ENOMEM, EMFILE, ENFILE, ENOSPC };
        struct weir_poll *poll = (struct weir_poll *)state;
        unsigned before = count_descriptors();

        for (size_t i = 0; i < ARRAY_LEN(kinds); ++i) {
                fault_at(kinds[i], 1, errors[i]);
                assert_int_equal(weir_poll_create(&poll), -errors[i]);
                assert_int_equal(fault_off(), 1);
                assert_ptr_equal(poll, state);
                assert_int_equal(count_descriptors(), before);
        }
        /* There is no other call that could fail. */
        fault_at(FAULT_FAILING, ARRAY_LEN(kinds) + 1, EIO);
        assert_int_equal(weir_poll_create(&poll), 0);
        assert_int_equal(fault_off(), 0);
        assert_int_equal(count_descriptors(), before + 2);
        weir_poll_destroy(poll);
        weir_poll_destroy(NULL);
        assert_int_equal(weir_poll_create(NULL), -EINVAL);
        assert_null(weir_poll_registry(NULL));
}

static void new_poll_is_empty(void **state) {
        struct fixture *fx = *state;
        struct weir_registry *core = fx->registry;

        assert_int_equal(role_of(fx), 0);
        assert_int_equal(atomic_load(&core->references), 1);
        assert_int_equal(atomic_load(&core->life->state), core->pid ? LIFE_ALIVE_BY_PID : LIFE_ALIVE);
        assert_int_equal(atomic_load(&core->queue.head), 0);
        assert_int_equal(atomic_load(&core->spare), -1);
        assert_int_equal(atomic_load(&core->moving), MOVING_NOT);
        assert_int_equal(atomic_load(&core->outer), -1);
        assert_int_equal(fcntl(core->set, F_GETFD), FD_CLOEXEC);
        assert_int_equal(fcntl(core->eventfd, F_GETFD), FD_CLOEXEC);
        assert_ptr_equal(weir_poll_of(core), fx->poll);
        /* The counts of threads that do not meet stand on lines of their own. */
        assert_int_equal(offsetof(struct weir_registry, references) % WEIR_CACHE_LINE, 0);
        assert_int_equal(offsetof(struct weir_registry, queue) % WEIR_CACHE_LINE, 0);
        assert_int_equal(offsetof(struct weir_registry, epochs) % WEIR_CACHE_LINE, 0);
        assert_int_equal(offsetof(struct weir_poll, role) % WEIR_CACHE_LINE, 0);
        assert_int_equal((uintptr_t)fx->poll % WEIR_CACHE_LINE, 0);
}

/* ---------------------------------------------------------------- the role */

static void refused_wait_touches_nothing(void **state) {
        static const struct timespec bad[] = { { -1, 0 }, { 0, -1 }, { 0, 1000000000 } };
        struct fixture *fx = *state;
        struct weir_event event;
        int fd = make_ready(fx, 1, 0);
        uint64_t calls;

        fetch(fx, 1);
        calls = fault_count(FAULT_SYSTEM);
        for (size_t i = 0; i < ARRAY_LEN(bad); ++i)
                assert_int_equal(weir_poll_wait(fx->poll, fx->events, &bad[i]), -EINVAL);
        assert_int_equal(weir_poll_wait(NULL, fx->events, &at_once), -EINVAL);
        assert_int_equal(weir_poll_wait(fx->poll, NULL, &at_once), -EINVAL);
        atomic_store(&fx->poll->role, ROLE_HELD);
        assert_int_equal(weir_poll_wait(fx->poll, fx->events, &at_once), -EBUSY);
        assert_int_equal(role_of(fx), ROLE_HELD);
        atomic_store(&fx->poll->role, 0);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(role_of(fx), 0);
        assert_int_equal(stats_of(fx->registry).waits, 2);
        close(fd);
}

static void wait_as_second(void *arg) {
        struct fixture *fx = arg;

        assert_int_equal(role_of(fx), ROLE_HELD);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), -EBUSY);
        assert_int_equal(role_of(fx), ROLE_HELD);
}

static void role_is_held_during_the_wait(void **state) {
        struct fixture *fx = *state;

        fault_hook(FAULT_WAIT, 1, wait_as_second, fx);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(fault_off(), 1);
        assert_int_equal(role_of(fx), 0);
}

static void end_poll(void *arg) {
        fixture_end_poll(arg);
}

/* Wherever the end falls, the waiter finds out and the last of the two frees the core. */
static void poll_may_end_during_the_wait(void **state) {
        struct fixture *fx = *state;
        uint64_t fired = 1;
        unsigned n;

        for (n = 1; fired; ++n) {
                struct weir_poll *poll;
                int r;

                if (!fx->poll) {
                        assert_int_equal(weir_poll_create(&fx->poll), 0);
                        fx->registry = weir_poll_registry(fx->poll);
                }
                poll = fx->poll;
                fault_hook(FAULT_YIELD, n, end_poll, fx);
                r = wait_ms(poll, fx->events, 0);
                fired = fault_off();
                assert_true(r == 0 || r == -ESHUTDOWN);
                assert_false(weir_events_is_open(fx->events));
        }
        assert_true(n > 3);
}

/* A wait that does not sleep tells it, too. */
static void end_is_told_by_a_look(void **state) {
        struct fixture *fx = *state;

        fault_hook(FAULT_WAIT, 1, end_poll, fx);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), -ESHUTDOWN);
        assert_int_equal(fault_off(), 1);
        assert_null(fx->poll);
}

/* The wait that would sleep for ever ends with the poll. */
static void end_wakes_the_sleeper(void **state) {
        struct fixture *fx = *state;

        fault_hook(FAULT_WAIT, 1, end_poll, fx);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), -ESHUTDOWN);
        assert_int_equal(fault_off(), 1);
        assert_null(fx->poll);
}

/* ---------------------------------------------------------------- sleeping */

struct witness {
        struct fixture *fx;
        struct weir_waker *waker;
        uintptr_t head;
};

static void look_and_wake(void *arg) {
        struct witness *witness = arg;

        witness->head = atomic_load(&witness->fx->registry->queue.head);
        (void)weir_waker_wake(witness->waker);
}

/* A wait that will sleep says so before; one that will not must not make others write. */
static void parks_only_to_sleep(void **state) {
        struct fixture *fx = *state;
        struct witness witness = { .fx = fx };
        uint64_t writes;

        assert_int_equal(weir_waker_create(fx->registry, 1, &witness.waker), 0);
        for (int sleeps = 0; sleeps < 2; ++sleeps) {
                writes = stats_of(fx->registry).eventfd_writes;
                fault_hook(FAULT_WAIT, 1, look_and_wake, &witness);
                assert_int_equal(wait_ms(fx->poll, fx->events, sleeps ? -1 : 0), 1);
                assert_int_equal(fault_off(), 1);
                assert_int_equal(witness.head, sleeps ? QUEUE_PARKED : 0);
                assert_int_equal(stats_of(fx->registry).eventfd_writes, writes + (unsigned)sleeps);
                (void)expect_soon(fx, 1);
        }
        weir_waker_destroy(witness.waker);
}

/* Something is queued already: no wait may sleep on it. */
static void queued_readiness_ends_the_wait(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), 1);
        (void)expect_soon(fx, 1);
        weir_waker_destroy(waker);
}

/* The eventfd's own edge is for the waiter, not for the caller. */
static void bare_signal_is_no_event(void **state) {
        struct fixture *fx = *state;

        weir_core_signal(fx->registry);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_false(weir_events_is_open(fx->events));
}

static void interruption_loses_nothing(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker;
        int fd = make_ready(fx, 1, 0);

        fault_at(FAULT_WAIT, 1, EINTR);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), -EINTR);
        assert_int_equal(fault_off(), 1);
        assert_false(weir_events_is_open(fx->events));
        assert_int_equal(stats_of(fx->registry).waits, 1);
        (void)expect_one(fx, 1);
        /* What the queue has is handed out though the kernel was interrupted. */
        assert_int_equal(weir_waker_create(fx->registry, 2, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fault_at(FAULT_WAIT, 1, EINTR);
        (void)expect_one(fx, 2);
        assert_int_equal(fault_off(), 1);
        weir_waker_destroy(waker);
        close(fd);
}

/* ---------------------------------------------------------------- interrupts */

static void interrupt(void *arg) {
        struct fixture *fx = arg;

        assert_int_equal(weir_poll_interrupt(fx->poll), 0);
}

/* Before a wait, or in its sleep: it ends one wait. */
static void interrupt_ends_one_wait(void **state) {
        struct fixture *fx = *state;
        uint64_t calls = fault_count(FAULT_SYSTEM);

        errno = 7;
        for (int i = 0; i < 3; ++i)
                assert_int_equal(weir_poll_interrupt(fx->poll), 0);
        assert_int_equal(errno, 7);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls); /* nobody sleeps */
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), -EINTR);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);

        fault_hook(FAULT_WAIT, 1, interrupt, fx);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), -EINTR);
        assert_int_equal(fault_off(), 1);
        assert_false(weir_events_is_open(fx->events));
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(weir_poll_interrupt(NULL), -EINVAL);
}

/* What is ready by then is returned; the next wait is interrupted, and what is ready then comes after that. */
static void interrupt_loses_nothing(void **state) {
        struct fixture *fx = *state;
        int fds[2] = { make_ready(fx, 1, 0), -1 };

        fault_hook(FAULT_WAIT, 1, interrupt, fx);
        fetch(fx, 1);
        assert_int_equal(fault_off(), 1);
        (void)expect_soon(fx, 1);
        fds[1] = make_ready(fx, 2, 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), -EINTR);
        (void)expect_one(fx, 2);
        close_pair(fds);
}

static void interrupt_late(void *arg) {
        fault_pass_time(INT64_C(1000000000));
        interrupt(arg);
}

/* A wait that finds nothing and does not sleep, or whose time is over, looks once more. */
static void interrupt_at_the_end_of_the_time_is_returned(void **state) {
        struct fixture *fx = *state;

        for (int timeout_ms = 0; timeout_ms < 1000; timeout_ms += 999) {
                fault_hook(FAULT_WAIT, 1, interrupt_late, fx);
                assert_int_equal(wait_ms(fx->poll, fx->events, timeout_ms), -EINTR);
                assert_int_equal(fault_off(), 1);
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        }
}

/* Wherever it falls in a wait: that one ends, or the next. */
static void interrupt_between_the_steps_of_a_wait(void **state) {
        struct fixture *fx = *state;
        uint64_t fired = 1;
        unsigned n;

        for (n = 1; fired; ++n) {
                unsigned interrupted = 0;

                fault_hook(FAULT_YIELD, n, interrupt, fx);
                interrupted += wait_ms(fx->poll, fx->events, 1) == -EINTR;
                fired = fault_off();
                interrupted += wait_ms(fx->poll, fx->events, 0) == -EINTR;
                interrupted += wait_ms(fx->poll, fx->events, 0) == -EINTR;
                assert_int_equal(interrupted, fired);
        }
        assert_true(n > 3);
}

static void interrupt_is_told_to_an_outer_set(void **state) {
        struct fixture *fx = *state;
        int outer = weir_poll_fd(fx->poll);

        assert_false(polls_readable(outer, 0)); /* nothing is there yet */
        for (int i = 0; i < 2; ++i) {
                assert_int_equal(weir_poll_interrupt(fx->poll), 0);
                assert_true(polls_readable(outer, DEADLINE_MS));
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), -EINTR);
                while (wait_ms(fx->poll, fx->events, 0) > 0)
                        ;
                assert_false(polls_readable(outer, 0));
        }
}

/* One that is left to the next wait, too, though its own mark may be fetched by then. */
static void interrupt_that_is_left_is_told_to_an_outer_set(void **state) {
        struct fixture *fx = *state;
        int outer = weir_poll_fd(fx->poll), fd = -1;
        struct weir_event event;
        uint64_t fired = 1;
        unsigned n, left = 0;

        for (n = 1; fired; ++n) {
                fd = make_ready(fx, 1, 0);
                fault_hook(FAULT_YIELD, n, interrupt, fx);
                fetch(fx, 1);
                fired = fault_off();
                if (atomic_load(&fx->registry->queue.head) & QUEUE_INTERRUPTED) {
                        assert_true(polls_readable(outer, DEADLINE_MS));
                        ++left;
                }
                assert_true(weir_events_next(fx->events, &event));
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), fired ? -EINTR : 0);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
                close(fd);
        }
        assert_true(left > 2);
}

/* ---------------------------------------------------------------- how long */

static void signal_then_wake(void *arg) {
        struct witness *witness = arg;

        weir_core_signal(witness->fx->registry);
        fault_hook(FAULT_WAIT, 1, look_and_wake, witness);
}

/* The longest of timeouts, and what is left of it after a look for nothing: neither overflows into one that is over. */
static void absurd_timeouts_saturate(void **state) {
        static const time_t seconds[] = { TIME_MAX, TIME_MAX / 1000000000, TIME_MAX / 1000000000 - 1 };
        struct fixture *fx = *state;

        for (size_t i = 0; i < ARRAY_LEN(seconds); ++i) {
                struct witness witness = { .fx = fx };
                struct timespec timeout = { .tv_sec = seconds[i], .tv_nsec = 999999999 };

                assert_int_equal(weir_waker_create(fx->registry, 1, &witness.waker), 0);
                fault_hook(FAULT_WAIT, 1, signal_then_wake, &witness);
                assert_int_equal(weir_poll_wait(fx->poll, fx->events, &timeout), 1);
                assert_int_equal(fault_off(), 1);
                (void)expect_soon(fx, 1);
                weir_waker_destroy(witness.waker);
        }
}

static void moments_are_waited_for(void **state) {
        struct fixture *fx = *state;
        struct witness witness = { .fx = fx };
        int64_t now = weir_sys_now();
        uint64_t calls;

        /* One that has passed is a look. */
        for (weir_time moment = 0; moment < 2; ++moment) {
                calls = fault_count(FAULT_WAIT);
                assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, moment ? now : 0), 0);
                assert_int_equal(fault_count(FAULT_WAIT), calls + 1);
                assert_int_equal(fault_timeout(FAULT_WAIT), 0);
        }
        now = weir_sys_now();
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, now + 2500000), 0);
        assert_true(weir_sys_now() >= now + 2500000);
        /* A look for nothing does not make it longer. */
        now = weir_sys_now();
        weir_core_signal(fx->registry);
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, now + 2500000), 0);
        assert_true(fault_timeout(FAULT_WAIT) <= 2500000);
        assert_true(weir_sys_now() >= now + 2500000);
        /* For ever, and nearly. */
        assert_int_equal(weir_waker_create(fx->registry, 1, &witness.waker), 0);
        for (weir_time less = 0; less < 2; ++less) {
                fault_hook(FAULT_WAIT, 1, signal_then_wake, &witness);
                assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, WEIR_NEVER - less), 1);
                assert_int_equal(fault_off(), 1);
                assert_true(less ? fault_timeout(FAULT_WAIT) > INT64_MAX / 2
                                 : fault_timeout(FAULT_WAIT) == WEIR_FOREVER);
                (void)expect_soon(fx, 1);
        }
        weir_waker_destroy(witness.waker);
}

static void refused_moment_touches_nothing(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int fd = make_ready(fx, 1, 0);
        uint64_t calls;

        fetch(fx, 1);
        calls = fault_count(FAULT_SYSTEM);
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, -1), -EINVAL);
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, INT64_MIN), -EINVAL);
        assert_int_equal(weir_poll_wait_until(NULL, fx->events, 0), -EINVAL);
        assert_int_equal(weir_poll_wait_until(fx->poll, NULL, 0), -EINVAL);
        atomic_store(&fx->poll->role, ROLE_HELD);
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, 0), -EBUSY);
        atomic_store(&fx->poll->role, 0);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        assert_true(weir_events_next(fx->events, &event));
        close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(creation_survives_each_failure),
                CASE(new_poll_is_empty),
                CASE(refused_wait_touches_nothing),
                CASE(role_is_held_during_the_wait),
                CASE(poll_may_end_during_the_wait),
                CASE(end_is_told_by_a_look),
                CASE(end_wakes_the_sleeper),
                CASE(parks_only_to_sleep),
                CASE(queued_readiness_ends_the_wait),
                CASE(bare_signal_is_no_event),
                CASE(interruption_loses_nothing),
                CASE(interrupt_ends_one_wait),
                CASE(interrupt_loses_nothing),
                CASE(interrupt_at_the_end_of_the_time_is_returned),
                CASE(interrupt_between_the_steps_of_a_wait),
                CASE(interrupt_is_told_to_an_outer_set),
                CASE(interrupt_that_is_left_is_told_to_an_outer_set),
                CASE(absurd_timeouts_saturate),
                CASE(moments_are_waited_for),
                CASE(refused_moment_touches_nothing),
        };

        return cmocka_run_group_tests_name("poll", tests, NULL, NULL);
}
