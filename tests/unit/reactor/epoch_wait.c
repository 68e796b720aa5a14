/* SPDX-License-Identifier: MIT */
/* Who sleeps until batches are closed, or until the list of them is whole: who may, who is woken, and what ends it in a child. */
#include "fault.h"
#include "support.h"

#include "batches.h"

/* ---------------------------------------------------------------- synchronize */

static int synchronize(void *arg) {
        struct bench *bench = arg;

        return weir_epochs_synchronize(&bench->epochs);
}

static uint64_t sleeps(void) {
        return fault_count(FAULT_FUTEX_WAIT);
}

static void synchronize_waits_for_open_batches(void **state) {
        uint64_t before = sleeps();
        struct worker worker;
        struct bench bench;

        (void)state;
        bench_make(&bench);
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[0]));
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[1]));
        worker_start(&worker, synchronize, &bench);
        while (sleeps() == before)
                sched_yield();
        assert_int_equal(close_batch(&bench, 0), 0);
        assert_false(atomic_load(&worker.done));
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[2])); /* a later one is not waited for */
        assert_int_equal(close_batch(&bench, 1), 0);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(bench.epochs.sleepers, 0);
        close_batch(&bench, 2);
}

/* Each thread has a number of its own, and none after it gets that again, as a pthread_t may be. */
static int number_of_this_thread(void *arg) {
        uint64_t *ret_number = arg;

        REQUIRE(weir_thread == 0);
        *ret_number = weir_thread_begin();
        REQUIRE(weir_thread == *ret_number);
        return 0;
}

static void threads_have_numbers_of_their_own(void **state) {
        uint64_t last = weir_thread ? weir_thread : weir_thread_begin(), next;
        struct worker worker;

        (void)state;
        for (int i = 0; i < 3; ++i) {
                worker_start(&worker, number_of_this_thread, &next);
                assert_int_equal(worker_join(&worker), 0);
                assert_true(next > last);
                last = next;
        }
        assert_int_not_equal(weir_thread, last);
}

/* Waits as the owner of a batch that is neither the oldest nor the newest. */
static int wait_as_owner(void *arg) {
        struct bench *bench = arg;

        atomic_store(&bench->batches[1].owner, weir_thread_begin());
        return weir_epochs_synchronize(&bench->epochs);
}

/* The thread that waited, or read last, may not wait for itself; one that owns nothing may, and had no number yet. */
static void synchronize_refuses_the_owner(void **state) {
        static int (*const functions[])(void *) = { wait_as_owner, synchronize };
        struct worker worker;
        struct bench bench;

        (void)state;
        for (unsigned i = 0; i < 2; ++i) {
                uint64_t before = sleeps();

                bench_make(&bench);
                for (unsigned k = 0; k < 3; ++k)
                        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[k]));
                assert_int_equal(weir_epochs_synchronize(&bench.epochs), -EDEADLK);
                worker_start(&worker, functions[i], &bench);
                while (!atomic_load(&worker.done) && sleeps() == before)
                        sched_yield();
                for (unsigned k = 0; k < 3; ++k)
                        close_batch(&bench, k);
                assert_int_equal(worker_join(&worker), i < 1 ? -EDEADLK : 0);
                assert_int_equal(bench.epochs.sleepers, 0);
        }
}

/* ---------------------------------------------------------------- the lock */

struct contender {
        struct bench *bench;
        struct worker worker;
        uint64_t before;
};

static int look(void *arg) {
        struct bench *bench = arg;

        return weir_epochs_now(&bench->epochs) == 1 ? 0 : -1;
}

/* Comes while the lock is held. */
static void start_contender(void *arg) {
        struct contender *contender = arg;

        contender->before = sleeps();
        worker_start(&contender->worker, look, contender->bench);
        while (!atomic_load(&contender->worker.done) && sleeps() == contender->before)
                sched_yield();
}

/* Another thread sleeps until the list is whole, and is woken then. */
static void list_is_looked_at_by_one(void **state) {
        struct contender contender;
        struct bench bench;

        (void)state;
        bench_make(&bench);
        contender.bench = &bench;
        fault_hook(FAULT_YIELD, 2, start_contender, &contender);
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[0]));
        assert_int_equal(fault_off(), 1);
        assert_true(sleeps() > contender.before);
        assert_int_equal(worker_join(&contender.worker), 0);
        assert_int_equal(atomic_load(&bench.epochs.given), 0);
        assert_int_equal(close_batch(&bench, 0), 0);
}

/* ---------------------------------------------------------------- forked while it sleeps */

static void fork_in_the_sleep(void *arg) {
        struct bench *bench = arg;

        /* As the page reads in the child. */
        ++bench->forks;
        atomic_store(&bench->life.state, 0);
        atomic_store(&bench->life.unlocks, 0);
        atomic_store(&bench->life.closed, 0);
}

/* A lock that another thread of the parent holds, and whose waiter's signal handler forks. */
static void hold_lock(struct bench *bench) {
        bench->life = (struct weir_life){ 1, 1, 1 };
        atomic_fetch_or(&bench->epochs.given, GIVEN_LOCKED);
        fault_hook(FAULT_FUTEX_WAIT, 1, fork_in_the_sleep, bench);
}

static void lock_is_not_waited_for_in_a_child(void **state) {
        struct weir_deferred_list due = { NULL, NULL };
        struct weir_counts counts;
        struct bench bench;
        uint64_t open;

        (void)state;
        bench_make(&bench);
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[0]));
        assert_true(defer(&bench, 0));
        hold_lock(&bench);
        assert_false(weir_epochs_open(&bench.epochs, &bench.batches[1]));
        assert_int_equal(bench.batches[1].number, 0);
        hold_lock(&bench);
        assert_int_equal(weir_epochs_now(&bench.epochs), 0);
        hold_lock(&bench);
        assert_true(weir_epochs_passed(&bench.epochs, 1));
        hold_lock(&bench);
        assert_int_equal(weir_epochs_synchronize(&bench.epochs), -ECHILD);
        hold_lock(&bench);
        weir_epochs_count(&bench.epochs, &counts, &open);
        assert_int_equal(open + counts.events, 0);
        hold_lock(&bench);
        bench.notes[1].node.fn = note_run;
        weir_epochs_defer_since(&bench.epochs, &bench.notes[1].node, 1, &due);
        assert_ptr_equal(due.first, &bench.notes[1].node);
        /* The batch is closed; what waits for it is the parent's. */
        hold_lock(&bench);
        assert_int_equal(close_batch(&bench, 0), 0);
        assert_int_equal(bench.batches[0].number, 0);
        assert_int_equal(note_runs(&bench.notes[0]), 0);
        assert_int_equal(bench.forks, 7);
        assert_true(atomic_load(&bench.epochs.given) & GIVEN_LOCKED);
}

static void synchronize_ends_in_a_child(void **state) {
        struct worker worker;
        struct bench bench;

        (void)state;
        bench_make(&bench);
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[0]));
        fault_hook(FAULT_FUTEX_WAIT, 1, fork_in_the_sleep, &bench);
        worker_start(&worker, synchronize, &bench);
        assert_int_equal(worker_join(&worker), -ECHILD);
        assert_int_equal(bench.forks, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(synchronize_waits_for_open_batches), CASE(threads_have_numbers_of_their_own),
                CASE(synchronize_refuses_the_owner),      CASE(list_is_looked_at_by_one),
                CASE(lock_is_not_waited_for_in_a_child),  CASE(synchronize_ends_in_a_child),
        };

        return cmocka_run_group_tests_name("epoch_wait", tests, NULL, NULL);
}
