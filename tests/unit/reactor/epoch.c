/* SPDX-License-Identifier: MIT */
/*
 * Batches and deferred functions, without a poll: where a function is put, how it moves to older batches as they
 * close in any order, and who may wait for it. How functions are run stands in run.c.
 */
#include "fault.h"
#include "support.h"

#include "epoch.h"

#define BATCHES 4

struct bench {
        struct weir_epochs epochs;
        struct weir_batch batches[BATCHES];
        struct note notes[BATCHES + 1];
};

static void bench_make(struct bench *bench) {
        memset(bench, 0, sizeof *bench);
        weir_epochs_init(&bench->epochs);
}

/* Runs what is due. Returns how many functions that were. */
static unsigned run(const struct weir_deferred_list *due) {
        unsigned count = 0;

        for (struct weir_deferred *stack = due->first, *more; stack; stack = more) {
                more = stack->more;
                for (struct weir_deferred *node = stack; node; node = node->next, ++count)
                        node->fn(node);
        }
        return count;
}

/* Closes one with these counts, and runs what is due. Returns how many functions that were. */
static unsigned close_counted(struct bench *bench, unsigned i, const struct weir_counts *counts) {
        struct weir_deferred_list due = { NULL, NULL };

        weir_epochs_close(&bench->epochs, &bench->batches[i], counts, &due);
        return run(&due);
}

static unsigned close_batch(struct bench *bench, unsigned i) {
        return close_counted(bench, i, &(struct weir_counts){ 0 });
}

/* Whether it has to wait; else it is run. */
static bool defer(struct bench *bench, unsigned i) {
        struct weir_deferred *node = &bench->notes[i].node;

        node->fn = note_run;
        if (!weir_epochs_defer(&bench->epochs, node))
                return true;
        node->fn(node);
        return false;
}

/* ---------------------------------------------------------------- the list of batches */

static void batches_are_numbered_and_listed(void **state) {
        struct bench bench;

        (void)state;
        bench_make(&bench);
        for (unsigned i = 0; i < 3; ++i) {
                weir_epochs_open(&bench.epochs, &bench.batches[i]);
                assert_int_equal(bench.batches[i].number, i + 1);
                assert_true(pthread_equal(bench.batches[i].owner, pthread_self()));
                assert_true(pthread_equal(atomic_load(&bench.batches[i].reader), pthread_self()));
                assert_null(bench.batches[i].deferred.first);
                assert_int_equal(bench.epochs.open, i + 1);
        }
        assert_ptr_equal(bench.epochs.oldest, &bench.batches[0]);
        assert_ptr_equal(bench.epochs.newest, &bench.batches[2]);
        assert_null(bench.batches[0].older);
        assert_ptr_equal(bench.batches[0].newer, &bench.batches[1]);
        assert_ptr_equal(bench.batches[1].older, &bench.batches[0]);
        assert_ptr_equal(bench.batches[1].newer, &bench.batches[2]);
        assert_ptr_equal(bench.batches[2].older, &bench.batches[1]);
        assert_null(bench.batches[2].newer);

        close_batch(&bench, 1);
        assert_int_equal(bench.batches[1].number, 0);
        assert_ptr_equal(bench.batches[0].newer, &bench.batches[2]);
        assert_ptr_equal(bench.batches[2].older, &bench.batches[0]);
        /* The object is opened anew: with a number of its own, at the new end. */
        weir_epochs_open(&bench.epochs, &bench.batches[1]);
        assert_int_equal(bench.batches[1].number, 4);
        assert_ptr_equal(bench.epochs.newest, &bench.batches[1]);
        close_batch(&bench, 0);
        assert_ptr_equal(bench.epochs.oldest, &bench.batches[2]);
        assert_null(bench.batches[2].older);
        close_batch(&bench, 1);
        assert_ptr_equal(bench.epochs.newest, &bench.batches[2]);
        assert_null(bench.batches[2].newer);
        close_batch(&bench, 2);
        assert_null(bench.epochs.oldest);
        assert_null(bench.epochs.newest);
        assert_int_equal(bench.epochs.open, 0);
}

static void counts_are_added_when_a_batch_is_closed(void **state) {
        const struct weir_counts counts = { .events = 1, .stale = 20, .wakes = 300, .requeued = 4000 };
        struct weir_counts sum;
        struct bench bench;
        uint64_t open;

        (void)state;
        bench_make(&bench);
        for (unsigned round = 1; round <= 2; ++round) {
                weir_epochs_open(&bench.epochs, &bench.batches[0]);
                weir_epochs_open(&bench.epochs, &bench.batches[1]);
                assert_int_equal(close_counted(&bench, 0, &counts), 0);
                weir_epochs_count(&bench.epochs, &sum, &open);
                assert_int_equal(open, 1);
                assert_int_equal(sum.events, round);
                assert_int_equal(sum.stale, 20 * round);
                assert_int_equal(sum.wakes, 300 * round);
                assert_int_equal(sum.requeued, 4000 * round);
                close_batch(&bench, 1);
        }
}

/* ---------------------------------------------------------------- deferred functions */

static void function_is_due_at_once_without_a_batch(void **state) {
        struct bench bench;

        (void)state;
        bench_make(&bench);
        assert_false(defer(&bench, 0));
        assert_int_equal(note_runs(&bench.notes[0]), 1);
        weir_epochs_open(&bench.epochs, &bench.batches[0]);
        assert_true(defer(&bench, 0));
        assert_int_equal(note_runs(&bench.notes[0]), 1);
        assert_int_equal(close_batch(&bench, 0), 1);
        assert_int_equal(note_runs(&bench.notes[0]), 2);
        assert_false(defer(&bench, 0));
        assert_int_equal(note_runs(&bench.notes[0]), 3);
}

/* On the newest, whichever that is; from there, batch by batch, to the next older one that is still open. */
static void function_moves_to_older_batches(void **state) {
        struct bench bench;

        (void)state;
        bench_make(&bench);
        for (unsigned i = 0; i < 3; ++i) {
                weir_epochs_open(&bench.epochs, &bench.batches[i]);
                assert_true(defer(&bench, i));
                assert_ptr_equal((void *)atomic_load(&bench.epochs.given), &bench.notes[i].node);
                assert_null(bench.notes[i].node.next);
                assert_null(bench.batches[i].deferred.first);
        }
        for (unsigned i = 0; i < 2; ++i) {
                assert_ptr_equal(bench.batches[i].deferred.first, &bench.notes[i].node);
                assert_ptr_equal(bench.batches[i].deferred.last, &bench.notes[i].node);
        }
        assert_int_equal(close_batch(&bench, 1), 0);
        assert_ptr_equal(bench.batches[0].deferred.first, &bench.notes[0].node);
        assert_ptr_equal(bench.batches[0].deferred.last, &bench.notes[1].node);
        assert_int_equal(close_batch(&bench, 2), 0);
        assert_ptr_equal((void *)atomic_load(&bench.epochs.given), &bench.notes[2].node);
        /* A batch opened later holds nothing up. */
        weir_epochs_open(&bench.epochs, &bench.batches[3]);
        assert_ptr_equal(bench.batches[0].deferred.last, &bench.notes[2].node);
        assert_int_equal(close_batch(&bench, 0), 3);
        for (unsigned i = 0; i < 3; ++i)
                assert_int_equal(note_runs(&bench.notes[i]), 1);
        assert_int_equal(close_batch(&bench, 3), 0);
}

/* Several on one batch, and on two lists of stacks that become one: each is run once, none is lost. */
static void stacks_are_kept_whole(void **state) {
        struct bench bench;

        (void)state;
        bench_make(&bench);
        weir_epochs_open(&bench.epochs, &bench.batches[0]);
        assert_true(defer(&bench, 0));
        assert_true(defer(&bench, 1));
        weir_epochs_open(&bench.epochs, &bench.batches[1]);
        assert_true(defer(&bench, 2));
        weir_epochs_open(&bench.epochs, &bench.batches[2]);
        assert_int_equal(close_batch(&bench, 1), 0);
        assert_true(defer(&bench, 3));
        assert_true(defer(&bench, 4));
        assert_int_equal(close_batch(&bench, 0), 3);
        for (unsigned i = 0; i < 5; ++i)
                assert_int_equal(note_runs(&bench.notes[i]), i < 3);
        assert_int_equal(close_batch(&bench, 2), 2);
        for (unsigned i = 0; i < 5; ++i)
                assert_int_equal(note_runs(&bench.notes[i]), 1);
        assert_false(defer(&bench, 0));
}

/* As of an epoch: those batches alone are waited for. */
static void functions_are_given_as_of_an_epoch(void **state) {
        struct weir_deferred_list due = { NULL, NULL };
        struct bench bench;

        (void)state;
        bench_make(&bench);
        for (unsigned i = 0; i < BATCHES; ++i)
                bench.notes[i].node = (struct weir_deferred){ .fn = note_run };
        weir_epochs_open(&bench.epochs, &bench.batches[0]);
        weir_epochs_open(&bench.epochs, &bench.batches[1]);
        weir_epochs_open(&bench.epochs, &bench.batches[2]);
        bench.notes[0].node.next = &bench.notes[1].node;
        weir_epochs_defer_since(&bench.epochs, &bench.notes[0].node, 2, &due);
        assert_null(due.first);
        assert_ptr_equal(bench.batches[1].deferred.first, &bench.notes[0].node);
        assert_int_equal(close_batch(&bench, 0), 0);
        weir_epochs_defer_since(&bench.epochs, &bench.notes[2].node, 1, &due);
        assert_int_equal(run(&due), 1);
        assert_int_equal(note_runs(&bench.notes[2]), 1);
        assert_int_equal(close_batch(&bench, 1), 2);
        due.first = NULL;
        weir_epochs_defer_since(&bench.epochs, &bench.notes[3].node, 3, &due);
        assert_null(due.first);
        assert_int_equal(close_batch(&bench, 2), 1);
        assert_int_equal(note_runs(&bench.notes[3]), 1);
}

/*
 * Closes all batches in the order given by its digits; a function must run exactly when the last it waits for is
 * closed.
 */
static void close_in_order(const unsigned order[BATCHES]) {
        bool open[BATCHES];
        struct bench bench;

        bench_make(&bench);
        for (unsigned i = 0; i < BATCHES; ++i) {
                weir_epochs_open(&bench.epochs, &bench.batches[i]);
                open[i] = true;
                assert_true(defer(&bench, i));
        }
        for (unsigned k = 0; k < BATCHES; ++k) {
                close_batch(&bench, order[k]);
                open[order[k]] = false;
                for (unsigned i = 0, waits = 0; i < BATCHES; ++i) {
                        waits |= open[i];
                        assert_int_equal(note_runs(&bench.notes[i]), !waits);
                        assert_int_equal(weir_epochs_passed(&bench.epochs, i + 1), !waits);
                }
        }
}

static void every_order_of_closing_is_right(void **state) {
        unsigned orders = 0;

        (void)state;
        for (unsigned code = 0; code < BATCHES * BATCHES * BATCHES * BATCHES; ++code) {
                unsigned order[BATCHES], seen = 0;

                for (unsigned k = 0, rest = code; k < BATCHES; ++k, rest /= BATCHES) {
                        order[k] = rest % BATCHES;
                        seen |= 1u << order[k];
                }
                if (seen != (1u << BATCHES) - 1)
                        continue;
                close_in_order(order);
                ++orders;
        }
        assert_int_equal(orders, 24);
}

static void epoch_passes_with_the_batches_open_at_it(void **state) {
        struct bench bench;
        weir_epoch before, during;

        (void)state;
        bench_make(&bench);
        before = weir_epochs_now(&bench.epochs);
        assert_true(weir_epochs_passed(&bench.epochs, before));
        weir_epochs_open(&bench.epochs, &bench.batches[0]);
        during = weir_epochs_now(&bench.epochs);
        assert_true(weir_epochs_passed(&bench.epochs, before));
        assert_false(weir_epochs_passed(&bench.epochs, during));
        weir_epochs_open(&bench.epochs, &bench.batches[1]);
        close_batch(&bench, 0);
        assert_true(weir_epochs_passed(&bench.epochs, during));
        assert_false(weir_epochs_passed(&bench.epochs, weir_epochs_now(&bench.epochs)));
        close_batch(&bench, 1);
        assert_true(weir_epochs_passed(&bench.epochs, weir_epochs_now(&bench.epochs)));
}

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
        weir_epochs_open(&bench.epochs, &bench.batches[0]);
        weir_epochs_open(&bench.epochs, &bench.batches[1]);
        worker_start(&worker, synchronize, &bench);
        while (sleeps() == before)
                sched_yield();
        assert_int_equal(close_batch(&bench, 0), 0);
        assert_false(atomic_load(&worker.done));
        weir_epochs_open(&bench.epochs, &bench.batches[2]); /* a later one is not waited for */
        assert_int_equal(close_batch(&bench, 1), 0);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(bench.epochs.sleepers, 0);
        close_batch(&bench, 2);
}

/* Waits as the owner or the reader of a batch that is neither the oldest nor the newest; main is the other. */
static int wait_as_owner(void *arg) {
        struct bench *bench = arg;

        atomic_store(&bench->batches[1].reader, bench->batches[0].owner);
        bench->batches[1].owner = pthread_self();
        return weir_epochs_synchronize(&bench->epochs);
}

static int wait_as_reader(void *arg) {
        struct bench *bench = arg;

        atomic_store(&bench->batches[1].reader, pthread_self());
        return weir_epochs_synchronize(&bench->epochs);
}

/* The thread that waited and the one that read last may not wait for themselves; the others may. */
static void synchronize_refuses_owner_and_reader(void **state) {
        static int (*const functions[])(void *) = { wait_as_owner, wait_as_reader, synchronize };
        struct worker worker;
        struct bench bench;

        (void)state;
        for (unsigned i = 0; i < 3; ++i) {
                uint64_t before = sleeps();

                bench_make(&bench);
                for (unsigned k = 0; k < 3; ++k)
                        weir_epochs_open(&bench.epochs, &bench.batches[k]);
                worker_start(&worker, functions[i], &bench);
                while (!atomic_load(&worker.done) && sleeps() == before)
                        sched_yield();
                for (unsigned k = 0; k < 3; ++k)
                        close_batch(&bench, k);
                assert_int_equal(worker_join(&worker), i < 2 ? -EDEADLK : 0);
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
        weir_epochs_open(&bench.epochs, &bench.batches[0]);
        assert_int_equal(fault_off(), 1);
        assert_true(sleeps() > contender.before);
        assert_int_equal(worker_join(&contender.worker), 0);
        assert_int_equal(atomic_load(&bench.epochs.given), 0);
        assert_int_equal(close_batch(&bench, 0), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(batches_are_numbered_and_listed),
                CASE(counts_are_added_when_a_batch_is_closed),
                CASE(function_is_due_at_once_without_a_batch),
                CASE(function_moves_to_older_batches),
                CASE(stacks_are_kept_whole),
                CASE(functions_are_given_as_of_an_epoch),
                CASE(every_order_of_closing_is_right),
                CASE(epoch_passes_with_the_batches_open_at_it),
                CASE(synchronize_waits_for_open_batches),
                CASE(synchronize_refuses_owner_and_reader),
                CASE(list_is_looked_at_by_one),
        };

        return cmocka_run_group_tests_name("epoch", tests, NULL, NULL);
}
