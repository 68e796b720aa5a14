/* SPDX-License-Identifier: MIT */
/* The runs of deferred functions: on which thread, in which order, and what a function may do while it runs. */
#include "batches.h"

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

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(runs_are_not_nested),
                CASE(run_gives_what_was_deferred_inside),
                CASE(run_goes_on_with_what_comes_due_inside),
                CASE(functions_may_free_their_nodes),
                CASE(runners_are_told_apart),
                CASE(runners_stop_in_any_order),
        };

        return cmocka_run_group_tests_name("epoch_run", tests, NULL, NULL);
}
