/* SPDX-License-Identifier: MIT */
/* The small lock: one holder, a sleep for whoever comes second, and the fork that ends it. */
#include "fault.h"
#include "support.h"

#include "mutex.h"
#include "words.h"

#define LOCKED    1
#define CONTENDED 2
#define THREADS   3
#define ROUNDS    2000

#define assert_lock(lock, expected) assert_int_equal(atomic_load(&(lock)->word), expected)

/* Nobody else is there: no system call, and nobody to count it for. */
static void free_lock_costs_two_steps(void **state) {
        uint64_t calls = fault_count(FAULT_SYSTEM);
        uint32_t unlocks = atomic_load(&life.unlocks);
        struct weir_lock lock = { 0 };

        (void)state;
        for (int i = 0; i < 2; ++i) {
                assert_true(weir_lock(&life, &lock));
                assert_lock(&lock, LOCKED);
                weir_unlock(&life, &lock);
                assert_lock(&lock, 0);
        }
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        assert_int_equal(atomic_load(&life.unlocks), unlocks);
}

static int lock_and_unlock(void *arg) {
        struct weir_lock *lock = arg;

        REQUIRE(weir_lock(&life, lock));
        REQUIRE(atomic_load(&lock->word) & LOCKED);
        weir_unlock(&life, lock);
        return 0;
}

/* The second one leaves CONTENDED, sleeps, and is woken. */
static void second_one_sleeps_until_the_unlock(void **state) {
        uint64_t wakes = fault_count(FAULT_FUTEX_WAKE), sleeps = fault_count(FAULT_FUTEX_WAIT);
        uint32_t unlocks = atomic_load(&life.unlocks);
        struct weir_lock lock = { 0 };
        struct worker worker;

        (void)state;
        assert_true(weir_lock(&life, &lock));
        worker_start(&worker, lock_and_unlock, &lock);
        while (!(atomic_load(&lock.word) & CONTENDED))
                sched_yield();
        worker_settle(&worker);
        assert_lock(&lock, LOCKED | CONTENDED);
        assert_false(atomic_load(&worker.done));
        weir_unlock(&life, &lock);
        assert_int_equal(worker_join(&worker), 0);
        assert_lock(&lock, 0);
        assert_int_equal(fault_count(FAULT_FUTEX_WAKE), wakes + 1);
        assert_int_equal(atomic_load(&life.unlocks), unlocks + 1);
        /* It slept, rather than spin. */
        assert_true(fault_count(FAULT_FUTEX_WAIT) - sleeps < 50);
        assert_int_equal(fault_timeout(FAULT_FUTEX_WAIT), WEIR_FOREVER);
}

static void unlock_it(void *arg) {
        weir_unlock(&life, arg);
}

/* An unlock that comes after the mark and before the sleep is not missed. */
static void unlock_before_the_sleep_is_seen(void **state) {
        uint64_t sleeps = fault_count(FAULT_FUTEX_WAIT);
        struct weir_lock lock = { LOCKED };

        (void)state;
        fault_hook(FAULT_FUTEX_WAIT, 1, unlock_it, &lock);
        assert_true(weir_lock(&life, &lock));
        assert_int_equal(fault_off(), 1);
        assert_int_equal(fault_count(FAULT_FUTEX_WAIT), sleeps + 1);
        assert_lock(&lock, LOCKED);
        weir_unlock(&life, &lock);
        assert_lock(&lock, 0);
}

struct many {
        struct weir_lock lock;
        unsigned long count;
        unsigned inside;
};

static int count_up(void *arg) {
        struct many *many = arg;

        for (int i = 0; i < ROUNDS; ++i) {
                REQUIRE(weir_lock(&life, &many->lock));
                REQUIRE(many->inside++ == 0);
                if (i % 64 == 0)
                        sched_yield(); /* so that others come and sleep */
                ++many->count;
                --many->inside;
                weir_unlock(&life, &many->lock);
        }
        return 0;
}

/* Plain memory is theirs in turn, and nobody is left asleep. */
static void one_holds_it_at_a_time(void **state) {
        struct many many = { .count = 0 };
        struct worker workers[THREADS];

        (void)state;
        for (unsigned i = 0; i < THREADS; ++i)
                worker_start(&workers[i], count_up, &many);
        for (unsigned i = 0; i < THREADS; ++i)
                assert_int_equal(worker_join(&workers[i]), 0);
        assert_int_equal(many.count, THREADS * ROUNDS);
        assert_lock(&many.lock, 0);
}

static void fork_in_the_sleep(void *arg) {
        struct weir_life *forked = arg;

        atomic_store(&forked->state, 0);
        atomic_fetch_add(&forked->unlocks, 1); /* so that the sleep ends at once */
}

/* A signal handler forked: the holder is not in the child, which must not wait for it. A free lock is had there, too. */
static void held_lock_is_not_waited_for_in_a_child(void **state) {
        struct weir_life forked = { 1, 1, 1 };
        struct weir_lock lock = { LOCKED };
        uint64_t sleeps;

        (void)state;
        fault_hook(FAULT_FUTEX_WAIT, 1, fork_in_the_sleep, &forked);
        assert_false(weir_lock(&forked, &lock));
        assert_int_equal(fault_off(), 1);
        assert_true(atomic_load(&lock.word) & LOCKED);
        sleeps = fault_count(FAULT_FUTEX_WAIT);
        assert_false(weir_lock(&forked, &lock));
        assert_int_equal(fault_count(FAULT_FUTEX_WAIT), sleeps);
        atomic_store(&lock.word, 0);
        assert_true(weir_lock(&forked, &lock));
        assert_lock(&lock, LOCKED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(free_lock_costs_two_steps),
                CASE(second_one_sleeps_until_the_unlock),
                CASE(unlock_before_the_sleep_is_seen),
                CASE(one_holds_it_at_a_time),
                CASE(held_lock_is_not_waited_for_in_a_child),
        };

        return cmocka_run_group_tests_name("mutex", tests, NULL, NULL);
}
