/* SPDX-License-Identifier: MIT */
/*
 * Batches and deferred functions, without a poll: where a function is put, how it moves to older batches as they
 * close in any order, and who may wait for it. How functions are run stands in run.c.
 */
#include "fault.h"
#include "support.h"

#include "batches.h"

/* ---------------------------------------------------------------- the list of batches */

static void batches_are_numbered_and_listed(void **state) {
        struct bench bench;

        (void)state;
        bench_make(&bench);
        for (unsigned i = 0; i < 3; ++i) {
                assert_true(weir_epochs_open(&bench.epochs, &bench.batches[i]));
                assert_int_equal(bench.batches[i].number, i + 1);
                assert_int_not_equal(weir_thread, 0);
                assert_int_equal(atomic_load(&bench.batches[i].owner), weir_thread);
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
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[1]));
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
        const struct weir_counts counts = { 1, 20, 300, 4000, 50000, 600000 };
        struct weir_counts sum;
        struct bench bench;
        uint64_t open;

        (void)state;
        bench_make(&bench);
        for (unsigned round = 1; round <= 2; ++round) {
                assert_true(weir_epochs_open(&bench.epochs, &bench.batches[0]));
                assert_true(weir_epochs_open(&bench.epochs, &bench.batches[1]));
                assert_int_equal(close_counted(&bench, 0, &counts), 0);
                weir_epochs_count(&bench.epochs, &sum, &open);
                assert_int_equal(open, 1);
                assert_int_equal(sum.events, round);
                assert_int_equal(sum.stale, 20 * round);
                assert_int_equal(sum.wakes, 300 * round);
                assert_int_equal(sum.requeued, 4000 * round);
                assert_int_equal(sum.timeouts, 50000 * round);
                assert_int_equal(sum.triggers, 600000 * round);
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
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[0]));
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
                assert_true(weir_epochs_open(&bench.epochs, &bench.batches[i]));
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
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[3]));
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
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[0]));
        assert_true(defer(&bench, 0));
        assert_true(defer(&bench, 1));
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[1]));
        assert_true(defer(&bench, 2));
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[2]));
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
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[0]));
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[1]));
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[2]));
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
                assert_true(weir_epochs_open(&bench.epochs, &bench.batches[i]));
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
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[0]));
        during = weir_epochs_now(&bench.epochs);
        assert_true(weir_epochs_passed(&bench.epochs, before));
        assert_false(weir_epochs_passed(&bench.epochs, during));
        assert_true(weir_epochs_open(&bench.epochs, &bench.batches[1]));
        close_batch(&bench, 0);
        assert_true(weir_epochs_passed(&bench.epochs, during));
        assert_false(weir_epochs_passed(&bench.epochs, weir_epochs_now(&bench.epochs)));
        close_batch(&bench, 1);
        assert_true(weir_epochs_passed(&bench.epochs, weir_epochs_now(&bench.epochs)));
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
        };

        return cmocka_run_group_tests_name("epoch", tests, NULL, NULL);
}
