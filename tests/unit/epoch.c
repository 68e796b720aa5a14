/* SPDX-License-Identifier: MIT */
/*
 * Batches and deferred functions, without a poll: where a function is put, how it moves to older batches as they
 * close in any order, who runs it, and who may wait for it.
 */
#include "fault.h"
#include "support.h"

#include "epoch.h"

#define BATCHES 4

static const struct weir_counts none;

struct bench {
        struct weir_epochs epochs;
        struct weir_batch batches[BATCHES];
        struct note notes[BATCHES + 1];
};

static void bench_make(struct bench *bench) {
        memset(bench, 0, sizeof *bench);
        weir_epochs_init(&bench->epochs);
}

/* As weir_core_run(). Returns how many functions ran. */
static unsigned run(struct weir_epochs *epochs, struct weir_runner *runner) {
        struct weir_deferred *node;
        unsigned count = 0;

        for (; (node = weir_epochs_next(epochs, runner)); ++count)
                node->fn(node);
        return count;
}

/* Closes one with these counts, and runs what is due. Returns how many functions that were. */
static unsigned close_counted(struct bench *bench, unsigned i, const struct weir_counts *counts) {
        struct weir_runner runner;
        bool due = weir_epochs_close(&bench->epochs, &bench->batches[i], counts, &runner);

        return due ? run(&bench->epochs, &runner) : 0;
}

static unsigned close_batch(struct bench *bench, unsigned i) {
        return close_counted(bench, i, &none);
}

/* Whether it has to wait; else it is run. */
static bool defer_node(struct bench *bench, struct weir_deferred *node) {
        struct weir_runner runner;

        if (!weir_epochs_defer(&bench->epochs, node, &runner))
                return true;
        assert_int_equal(run(&bench->epochs, &runner), 1);
        return false;
}

static bool defer(struct bench *bench, unsigned i) {
        bench->notes[i].node.fn = note_run;
        return defer_node(bench, &bench->notes[i].node);
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
        weir_epochs_deinit(&bench.epochs);
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
        weir_epochs_deinit(&bench.epochs);
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
        weir_epochs_deinit(&bench.epochs);
}

/* On the newest; from there, batch by batch, to the next older one that is still open. */
static void function_moves_to_older_batches(void **state) {
        struct bench bench;

        (void)state;
        bench_make(&bench);
        for (unsigned i = 0; i < 3; ++i) {
                weir_epochs_open(&bench.epochs, &bench.batches[i]);
                assert_true(defer(&bench, i));
                assert_ptr_equal(bench.batches[i].deferred.first, &bench.notes[i].node);
                assert_ptr_equal(bench.batches[i].deferred.last, &bench.notes[i].node);
        }
        assert_int_equal(close_batch(&bench, 1), 0);
        assert_ptr_equal(bench.batches[0].deferred.first, &bench.notes[0].node);
        assert_ptr_equal(bench.batches[0].deferred.last, &bench.notes[1].node);
        assert_ptr_equal(bench.batches[2].deferred.first, &bench.notes[2].node);
        assert_int_equal(close_batch(&bench, 2), 0);
        assert_ptr_equal(bench.batches[0].deferred.last, &bench.notes[2].node);
        /* A batch opened later holds nothing up. */
        weir_epochs_open(&bench.epochs, &bench.batches[3]);
        assert_int_equal(close_batch(&bench, 0), 3);
        for (unsigned i = 0; i < 3; ++i)
                assert_int_equal(note_runs(&bench.notes[i]), 1);
        assert_int_equal(close_batch(&bench, 3), 0);
        weir_epochs_deinit(&bench.epochs);
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
        weir_epochs_deinit(&bench.epochs);
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
        weir_epochs_deinit(&bench.epochs);
}

/* ---------------------------------------------------------------- the run */

struct chain {
        struct weir_deferred node;
        struct bench *bench;
        struct chain *next;
        unsigned *clock, began, ended;
        int synchronized;
};

static void run_chain(struct weir_deferred *node) {
        struct chain *chain = (struct chain *)node;
        struct weir_runner runner;

        chain->began = ++*chain->clock;
        assert_non_null(chain->bench->epochs.runners);
        chain->synchronized = weir_epochs_synchronize(&chain->bench->epochs);
        if (chain->next) {
                chain->next->node = (struct weir_deferred){ NULL, run_chain };
                assert_false(weir_epochs_defer(&chain->bench->epochs, &chain->next->node, &runner));
        }
        chain->ended = ++*chain->clock;
}

static void chain_make(struct chain *chains, unsigned count, struct bench *bench, unsigned *clock) {
        for (unsigned i = 0; i < count; ++i)
                chains[i] =
                        (struct chain){ .bench = bench, .clock = clock, .next = i + 1 < count ? &chains[i + 1] : NULL };
        chains[0].node.fn = run_chain;
}

/* What a function defers runs after it, on the same thread, and none of them may wait. */
static void runs_are_not_nested(void **state) {
        struct weir_runner runner;
        struct chain chains[3];
        struct bench bench;
        unsigned now = 0;

        (void)state;
        bench_make(&bench);
        chain_make(chains, 3, &bench, &now);
        assert_true(weir_epochs_defer(&bench.epochs, &chains[0].node, &runner));
        assert_int_equal(run(&bench.epochs, &runner), 3);
        for (unsigned i = 0; i < 3; ++i) {
                assert_int_equal(chains[i].began, 2 * i + 1);
                assert_int_equal(chains[i].ended, 2 * i + 2);
                assert_int_equal(chains[i].synchronized, -EDEADLK);
        }
        assert_null(bench.epochs.runners);
        assert_int_equal(weir_epochs_synchronize(&bench.epochs), 0);
        weir_epochs_deinit(&bench.epochs);
}

/* What a function defers is given when that returns: then it waits for the batches that are open, as any other. */
static void run_gives_what_was_deferred_inside(void **state) {
        struct weir_deferred *node;
        struct weir_runner runner;
        struct chain chains[2];
        struct bench bench;
        unsigned now = 0;

        (void)state;
        bench_make(&bench);
        chain_make(chains, 2, &bench, &now);
        assert_true(weir_epochs_defer(&bench.epochs, &chains[0].node, &runner));
        node = weir_epochs_next(&bench.epochs, &runner);
        assert_ptr_equal(node, &chains[0].node);
        weir_epochs_open(&bench.epochs, &bench.batches[0]);
        node->fn(node);
        assert_null(bench.batches[0].deferred.first);
        assert_null(weir_epochs_next(&bench.epochs, &runner));
        assert_null(bench.epochs.runners);
        assert_ptr_equal(bench.batches[0].deferred.first, &chains[1].node);
        assert_int_equal(close_batch(&bench, 0), 1);
        assert_int_equal(chains[1].began, 3);
        weir_epochs_deinit(&bench.epochs);
}

/* A function that closes a batch: what is due then runs after it, in the run that is under way. */
struct closer {
        struct weir_deferred node;
        struct bench *bench;
        unsigned ran_inside;
};

static void close_inside(struct weir_deferred *node) {
        struct closer *closer = (struct closer *)node;

        closer->ran_inside = close_batch(closer->bench, 1) + (unsigned)note_runs(&closer->bench->notes[0]);
}

static void run_goes_on_with_what_comes_due_inside(void **state) {
        struct closer closer = { .node.fn = close_inside };
        struct bench bench;

        (void)state;
        bench_make(&bench);
        closer.bench = &bench;
        weir_epochs_open(&bench.epochs, &bench.batches[0]);
        assert_true(defer_node(&bench, &closer.node));
        weir_epochs_open(&bench.epochs, &bench.batches[1]);
        assert_true(defer(&bench, 0));
        assert_int_equal(close_batch(&bench, 0), 2);
        assert_int_equal(closer.ran_inside, 0);
        assert_int_equal(note_runs(&bench.notes[0]), 1);
        assert_null(bench.epochs.runners);
        weir_epochs_deinit(&bench.epochs);
}

struct freed {
        struct weir_deferred node;
};

static void free_node(struct weir_deferred *node) {
        memset(node, 0x55, sizeof *node);
        free(node);
}

/* The function may free the node: the next one was looked up before. */
static void functions_may_free_their_nodes(void **state) {
        struct bench bench;

        (void)state;
        bench_make(&bench);
        weir_epochs_open(&bench.epochs, &bench.batches[0]);
        for (int i = 0; i < 3; ++i) {
                struct freed *freed = calloc(1, sizeof *freed);

                assert_non_null(freed);
                freed->node.fn = free_node;
                assert_true(defer_node(&bench, &freed->node));
        }
        assert_int_equal(close_batch(&bench, 0), 3);
        assert_null(bench.epochs.runners);
        weir_epochs_deinit(&bench.epochs);
}

/* Another thread, while this one runs a function: it runs its own at once, and is not taken for this one. */
struct other {
        struct weir_deferred node;
        struct bench *bench;
        struct note note;
};

static int run_beside(void *arg) {
        struct other *other = arg;
        struct weir_runner runner;

        other->note.node = (struct weir_deferred){ NULL, note_run };
        REQUIRE(weir_epochs_synchronize(&other->bench->epochs) == 0);
        REQUIRE(weir_epochs_defer(&other->bench->epochs, &other->note.node, &runner));
        run(&other->bench->epochs, &runner);
        REQUIRE(note_runs(&other->note) == 1);
        REQUIRE(pthread_equal(other->note.ran_on, pthread_self()));
        return 0;
}

static void start_other(struct weir_deferred *node) {
        struct other *other = (struct other *)node;
        struct worker worker;

        worker_start(&worker, run_beside, other);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(weir_epochs_synchronize(&other->bench->epochs), -EDEADLK);
}

static void runners_are_told_apart(void **state) {
        struct other other = { .node.fn = start_other };
        struct bench bench;

        (void)state;
        bench_make(&bench);
        other.bench = &bench;
        assert_false(defer_node(&bench, &other.node));
        assert_int_equal(note_runs(&other.note), 1);
        assert_null(bench.epochs.runners);
        weir_epochs_deinit(&bench.epochs);
}

/* A thread that runs a function when an older runner stops: that one is not the first of the list. */
struct late {
        struct weir_deferred node;
        struct bench *bench;
        struct latch began, older_stopped;
};

static void wait_for_the_older(struct weir_deferred *node) {
        struct late *late = (struct late *)node;

        latch_set(&late->began);
        latch_wait(&late->older_stopped);
}

static int run_late(void *arg) {
        struct late *late = arg;
        struct weir_runner runner;

        REQUIRE(weir_epochs_defer(&late->bench->epochs, &late->node, &runner));
        run(&late->bench->epochs, &runner);
        return 0;
}

static void runners_stop_in_any_order(void **state) {
        struct late late = { .node.fn = wait_for_the_older };
        struct weir_runner runner;
        struct worker worker;
        struct bench bench;

        (void)state;
        bench_make(&bench);
        late.bench = &bench;
        bench.notes[0].node.fn = note_run;
        assert_true(weir_epochs_defer(&bench.epochs, &bench.notes[0].node, &runner));
        worker_start(&worker, run_late, &late);
        latch_wait(&late.began);
        assert_int_equal(run(&bench.epochs, &runner), 1);
        assert_non_null(bench.epochs.runners);
        assert_ptr_not_equal(bench.epochs.runners, &runner);
        latch_set(&late.older_stopped);
        assert_int_equal(worker_join(&worker), 0);
        assert_null(bench.epochs.runners);
        weir_epochs_deinit(&bench.epochs);
}

/* ---------------------------------------------------------------- synchronize */

static int synchronize(void *arg) {
        struct bench *bench = arg;

        return weir_epochs_synchronize(&bench->epochs);
}

static void synchronize_waits_for_open_batches(void **state) {
        struct worker worker;
        struct bench bench;

        (void)state;
        bench_make(&bench);
        weir_epochs_open(&bench.epochs, &bench.batches[0]);
        weir_epochs_open(&bench.epochs, &bench.batches[1]);
        worker_start(&worker, synchronize, &bench);
        for (bool waits = false; !waits; sched_yield()) {
                pthread_mutex_lock(&bench.epochs.lock);
                waits = bench.epochs.sleepers;
                pthread_mutex_unlock(&bench.epochs.lock);
        }
        assert_int_equal(close_batch(&bench, 0), 0);
        assert_false(atomic_load(&worker.done));
        weir_epochs_open(&bench.epochs, &bench.batches[2]); /* a later one is not waited for */
        assert_int_equal(close_batch(&bench, 1), 0);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(bench.epochs.sleepers, 0);
        close_batch(&bench, 2);
        weir_epochs_deinit(&bench.epochs);
}

static int open_batch(void *arg) {
        struct bench *bench = arg;

        weir_epochs_open(&bench->epochs, &bench->batches[1]);
        return 0;
}

/* The thread that waited and the one that read last may not wait for themselves; it need not be the oldest batch. */
static void synchronize_refuses_owner_and_reader(void **state) {
        struct worker worker;
        struct bench bench;

        (void)state;
        bench_make(&bench);
        worker_start(&worker, open_batch, &bench);
        assert_int_equal(worker_join(&worker), 0);
        assert_false(pthread_equal(bench.batches[1].owner, pthread_self()));
        atomic_store(&bench.batches[1].reader, pthread_self());
        assert_int_equal(weir_epochs_synchronize(&bench.epochs), -EDEADLK);
        atomic_store(&bench.batches[1].reader, bench.batches[1].owner);
        weir_epochs_open(&bench.epochs, &bench.batches[2]);
        atomic_store(&bench.batches[2].reader, bench.batches[1].owner);
        assert_int_equal(weir_epochs_synchronize(&bench.epochs), -EDEADLK);
        assert_null(bench.batches[2].deferred.first);
        close_batch(&bench, 1);
        close_batch(&bench, 2);
        assert_int_equal(weir_epochs_synchronize(&bench.epochs), 0);
        weir_epochs_deinit(&bench.epochs);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(batches_are_numbered_and_listed),
                CASE(counts_are_added_when_a_batch_is_closed),
                CASE(function_is_due_at_once_without_a_batch),
                CASE(function_moves_to_older_batches),
                CASE(every_order_of_closing_is_right),
                CASE(epoch_passes_with_the_batches_open_at_it),
                CASE(runs_are_not_nested),
                CASE(run_gives_what_was_deferred_inside),
                CASE(run_goes_on_with_what_comes_due_inside),
                CASE(functions_may_free_their_nodes),
                CASE(runners_are_told_apart),
                CASE(runners_stop_in_any_order),
                CASE(synchronize_waits_for_open_batches),
                CASE(synchronize_refuses_owner_and_reader),
        };

        return cmocka_run_group_tests_name("epoch", tests, NULL, NULL);
}
