/* SPDX-License-Identifier: MIT */
/*
 * Waits beside level-triggered entries that stand for nothing now: of registrations that other threads are changing, and of
 * ghosts that cannot be got rid of. The kernel tells them each time, so a wait has to find the end of the turn, and to sleep.
 */
#include "kernel.h"

#include "poll.h"

#define MS   INT64_C(1000000)
#define MANY 5

/* Level-triggered, ready, and of no use: locked, as a call on another thread has them, or ghosts. */
struct beside {
        struct fixture *fx;
        struct weir_events *narrow;
        struct weir_slot *slots[MANY];
        int fds[MANY], kept[MANY];
        unsigned count;
};

static void beside_make(struct fixture *fx, struct beside *beside, unsigned count) {
        *beside = (struct beside){ .fx = fx, .count = count };
        assert_int_equal(weir_events_create(1, &beside->narrow), 0);
        for (unsigned i = 0; i < count; ++i) {
                beside->kept[i] = -1;
                beside->fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, beside->fds[i], i, WEIR_READABLE | WEIR_LEVEL), 0);
                beside->slots[i] = slot_at(fx, beside->fds[i]);
        }
}

/* As in the middle of a register: the kernel has the generation to come. */
static void lock_all(struct beside *beside) {
        for (unsigned i = 0; i < beside->count; ++i)
                atomic_store(&beside->slots[i]->word,
                             (atomic_load(&beside->slots[i]->word) - SLOT_GENERATION) | SLOT_LOCKED);
}

static void unlock(struct beside *beside, unsigned i) {
        if (weir_slot_unlock(beside->fx->registry->life, beside->slots[i], 0, 0, SLOT_GENERATION))
                weir_core_push(beside->fx->registry, beside->slots[i]);
}

static void unlock_first(void *arg) {
        unlock(arg, 0);
}

/* The file stays open under another number, so that the kernel keeps it. No cure succeeds before cure_all(). */
static void haunt_all(struct beside *beside) {
        for (unsigned i = 0; i < beside->count; ++i) {
                beside->kept[i] = fcntl(beside->fds[i], F_DUPFD_CLOEXEC, 0);
                assert_true(beside->kept[i] >= 0);
                move_descriptor(make_eventfd(0), beside->fds[i]);
                assert_int_equal(weir_deregister(beside->fx->registry, beside->fds[i]), 0);
        }
        fault_from(FAULT_CREATE, 1, EMFILE);
}

static void beside_end(struct beside *beside) {
        for (unsigned i = 0; i < beside->count; ++i) {
                if (beside->kept[i] >= 0)
                        close(beside->kept[i]);
                close(beside->fds[i]);
        }
        weir_events_destroy(beside->narrow);
}

static int look(struct beside *beside) {
        return wait_ms(beside->fx->poll, beside->narrow, 0);
}

/* ---------------------------------------------------------------- a look */

/* With room for one, the kernel gives them one at a time: the look ends when it has seen them all. */
static void look_ends_beside_what_is_locked(void **state) {
        for (unsigned count = 1; count <= MANY; ++count) {
                struct fixture *fx = *state;
                struct beside beside;
                uint64_t fetches;

                beside_make(fx, &beside, count);
                lock_all(&beside);
                for (int i = 0; i < 3; ++i) {
                        fetches = fault_count(FAULT_WAIT);
                        assert_int_equal(look(&beside), 0);
                        assert_true(fault_count(FAULT_WAIT) - fetches <= 4 * count);
                }
                assert_int_equal(stats_of(fx->registry).stale, 0);
                for (unsigned i = 0; i < count; ++i)
                        unlock(&beside, i);
                assert_int_equal(look(&beside), 1);
                weir_events_clear(beside.narrow);
                for (unsigned i = 0; i < count; ++i)
                        assert_int_equal(weir_deregister(fx->registry, beside.fds[i]), 0);
                beside_end(&beside);
        }
}

static void look_ends_beside_ghosts_without_a_cure(void **state) {
        struct fixture *fx = *state;
        struct beside beside;
        uint64_t fetches;

        beside_make(fx, &beside, MANY);
        haunt_all(&beside);
        for (int i = 0; i < 5; ++i) {
                fetches = fault_count(FAULT_WAIT);
                assert_int_equal(look(&beside), 0);
                assert_true(fault_count(FAULT_WAIT) - fetches <= 4 * MANY);
        }
        assert_int_equal(fault_off(), 1);
        beside_end(&beside);
}

/* Behind all of them there may be one that stands. */
static void look_finds_what_stands_behind(void **state) {
        for (unsigned haunted = 0; haunted < 2; ++haunted)
                for (unsigned edge = 0; edge < 2; ++edge) {
                        struct fixture *fx = *state;
                        int ready = make_eventfd(1);
                        struct beside beside;

                        beside_make(fx, &beside, MANY);
                        if (haunted)
                                haunt_all(&beside);
                        else
                                lock_all(&beside);
                        for (int i = 0; i < 3; ++i)
                                assert_int_equal(look(&beside), 0);
                        assert_int_equal(
                                weir_register(fx->registry, ready, TOKEN, WEIR_READABLE | (edge ? 0 : WEIR_LEVEL)), 0);
                        for (int i = 0; i < 10; ++i) {
                                struct weir_event event;

                                assert_int_equal(look(&beside), 1);
                                assert_true(weir_events_next(beside.narrow, &event));
                                assert_int_equal(event.token, TOKEN);
                                if (edge)
                                        ring(ready);
                        }
                        (void)fault_off();
                        for (unsigned i = 0; i < MANY && !haunted; ++i) {
                                unlock(&beside, i);
                                assert_int_equal(weir_deregister(fx->registry, beside.fds[i]), 0);
                        }
                        assert_int_equal(weir_deregister(fx->registry, ready), 0);
                        close(ready);
                        beside_end(&beside);
                        fault_pass_time(1000 * MS); /* the next cure may be tried */
                }
}

/* ---------------------------------------------------------------- a sleep */

/* It sleeps on the lock, for 1 ms at a time at most, and never beyond its end. */
static void sleep_beside_what_is_locked(void **state) {
        static const int64_t lengths[] = { MS / 10, MS, 5 * MS };
        struct fixture *fx = *state;
        struct beside beside;

        beside_make(fx, &beside, 2);
        lock_all(&beside);
        for (size_t i = 0; i < ARRAY_LEN(lengths); ++i) {
                uint64_t sleeps = fault_count(FAULT_FUTEX_WAIT), fetches = fault_count(FAULT_WAIT);
                int64_t began = weir_sys_now(), passed;

                assert_int_equal(weir_poll_wait_until(fx->poll, beside.narrow, began + lengths[i]), 0);
                passed = weir_sys_now() - began;
                assert_true(passed >= lengths[i]);
                sleeps = fault_count(FAULT_FUTEX_WAIT) - sleeps;
                assert_true(sleeps <= (uint64_t)(passed / MS) + 2); /* none, where its end comes first */
                assert_true(fault_timeout(FAULT_FUTEX_WAIT) <= MS && fault_timeout(FAULT_FUTEX_WAIT) <= lengths[i]);
                assert_true(fault_count(FAULT_WAIT) - fetches <= 8 * (sleeps + 1));
        }
        unlock(&beside, 0);
        unlock(&beside, 1);
        beside_end(&beside);
}

/* The event comes when the lock is given up. */
static void unlock_ends_the_sleep(void **state) {
        struct fixture *fx = *state;
        struct beside beside;

        beside_make(fx, &beside, 1);
        lock_all(&beside);
        fault_hook(FAULT_FUTEX_WAIT, 1, unlock_first, &beside);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), 1);
        assert_int_equal(fault_off(), 1);
        assert_true(fault_timeout(FAULT_FUTEX_WAIT) <= MS);
        (void)expect_soon(fx, 0);
        beside_end(&beside);
}

static void signal_ends_the_sleep(void **state) {
        struct fixture *fx = *state;
        struct beside beside;

        beside_make(fx, &beside, 1);
        lock_all(&beside);
        fault_at(FAULT_FUTEX_WAIT, 1, EINTR);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), -EINTR);
        assert_int_equal(fault_off(), 1);
        unlock(&beside, 0);
        assert_int_equal(expect_one(fx, 0).readiness, EPOLLIN);
        haunt_all(&beside);
        (void)fault_off();
        fault_at(FAULT_CREATE, 1, EMFILE);
        assert_int_equal(wait_ms(fx->poll, fx->events, 1), 0);
        fault_at(FAULT_NAP, 1, EINTR);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), -EINTR);
        assert_int_equal(fault_off(), 1);
        beside_end(&beside);
}

static void fork_child(void *arg) {
        struct beside *beside = arg;

        atomic_store(&beside->fx->registry->life->state, LIFE_FORKED);
        atomic_fetch_add(&beside->fx->registry->life->unlocks, 1); /* so that the sleep ends at once */
}

static void fork_ends_the_sleep(void **state) {
        struct fixture *fx = *state;
        struct weir_life *words = fx->registry->life;
        uint32_t alive = atomic_load(&words->state);
        struct beside beside;

        beside_make(fx, &beside, 1);
        lock_all(&beside);
        fault_hook(FAULT_FUTEX_WAIT, 1, fork_child, &beside);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), -ECHILD);
        assert_int_equal(fault_off(), 1);
        atomic_store(&words->state, alive);
        unlock(&beside, 0);
        beside_end(&beside);
}

static void interrupt(void *arg) {
        struct beside *beside = arg;

        (void)weir_poll_interrupt(beside->fx->poll);
}

static void interrupt_ends_the_sleep(void **state) {
        struct fixture *fx = *state;
        struct beside beside;

        beside_make(fx, &beside, 1);
        lock_all(&beside);
        fault_hook(FAULT_FUTEX_WAIT, 1, interrupt, &beside);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), -EINTR);
        assert_int_equal(fault_off(), 1);
        unlock(&beside, 0);
        beside_end(&beside);
}

/* ---------------------------------------------------------------- cures */

/* A cure that does not succeed is tried once a second, and the waiter naps meanwhile. */
static void cure_is_tried_once_a_second(void **state) {
        struct fixture *fx = *state;
        uint64_t naps = fault_count(FAULT_NAP);
        int64_t began = weir_sys_now(), passed;
        struct beside beside;

        beside_make(fx, &beside, 2);
        haunt_all(&beside);
        for (int second = 0; second < 3; ++second) {
                assert_int_equal(wait_ms(fx->poll, fx->events, 5), 0);
                assert_true(fault_timeout(FAULT_NAP) <= MS);
                fault_pass_time(500 * MS);
                assert_int_equal(wait_ms(fx->poll, fx->events, 5), 0);
                assert_int_equal(stats_of(fx->registry).rebuilds, 0);
                fault_pass_time(500 * MS);
        }
        passed = weir_sys_now() - began;
        naps = fault_count(FAULT_NAP) - naps;
        assert_true(naps >= 6 && naps <= (uint64_t)(passed / MS) + 12);
        assert_int_equal(fault_off(), 3);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(stats_of(fx->registry).rebuilds, 1);
        /* Cured, it sleeps again. */
        naps = fault_count(FAULT_NAP);
        assert_int_equal(wait_ms(fx->poll, fx->events, 5), 0);
        assert_int_equal(fault_count(FAULT_NAP), naps);
        beside_end(&beside);
}

/* What is found beside a ghost is handed out at once; the cure is for a wait that finds nothing. */
static void cure_does_not_hold_up_what_stands(void **state) {
        struct fixture *fx = *state;
        int ready = make_eventfd(1);
        struct beside beside;
        uint64_t sets;

        beside_make(fx, &beside, 1);
        haunt_all(&beside);
        (void)fault_off();
        assert_int_equal(weir_register(fx->registry, ready, TOKEN, WEIR_READABLE | WEIR_LEVEL), 0);
        sets = fault_count(FAULT_CREATE);
        for (int i = 0; i < 10; ++i)
                (void)expect_one(fx, TOKEN);
        assert_int_equal(fault_count(FAULT_CREATE), sets);
        drain(ready);
        for (int i = 0; i < 2; ++i)
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(stats_of(fx->registry).rebuilds, 1);
        assert_int_equal(fault_count(FAULT_CREATE), sets + 1);
        ring(ready);
        (void)expect_one(fx, TOKEN);
        close(ready);
        beside_end(&beside);
}

/*
 * A number that is closed while a duplicate speaks for its registration, and a ghost that is found behind its entry: a cure
 * would end that registration, so it waits for the next time.
 */
static void cure_does_not_empty_the_batch(void **state) {
        struct fixture *fx = *state;
        int closed = make_eventfd(1), duplicate;
        struct beside beside;
        struct weir_event event;
        int r;

        beside_make(fx, &beside, 1);
        assert_int_equal(weir_register(fx->registry, closed, TOKEN, WEIR_READABLE), 0);
        duplicate = fcntl(closed, F_DUPFD_CLOEXEC, 0);
        assert_true(duplicate >= 0);
        close(closed);
        haunt_all(&beside);
        (void)fault_off();
        fault_from(FAULT_CREATE, 1, EMFILE);
        while ((r = wait_ms(fx->poll, fx->events, 0)) == 0)
                ;
        weir_events_clear(fx->events); /* unread, so it comes first */
        (void)fault_off();
        fault_pass_time(1000 * MS);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 1);
        assert_int_equal(stats_of(fx->registry).rebuilds, 0);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(event.token, TOKEN);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(stats_of(fx->registry).rebuilds, 1);
        assert_int_equal(weir_deregister(fx->registry, closed), 0);
        close(duplicate);
        beside_end(&beside);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(look_ends_beside_what_is_locked),
                CASE(look_ends_beside_ghosts_without_a_cure),
                CASE(look_finds_what_stands_behind),
                CASE(sleep_beside_what_is_locked),
                CASE(unlock_ends_the_sleep),
                CASE(signal_ends_the_sleep),
                CASE(fork_ends_the_sleep),
                CASE(interrupt_ends_the_sleep),
                CASE(cure_is_tried_once_a_second),
                CASE(cure_does_not_hold_up_what_stands),
                CASE(cure_does_not_empty_the_batch),
        };

        return cmocka_run_group_tests_name("poll_beside", tests, NULL, NULL);
}
