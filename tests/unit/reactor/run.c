/* SPDX-License-Identifier: MIT */
/* The runs of deferred functions: on which thread, in which order, and what a function may do while it runs. */
#include "fault.h"
#include "support.h"

#include "run.h"

/* A core, and batches that are opened and closed as events objects do it. */
#define BATCHES 2

struct bench {
        struct weir_poll *poll;
        struct weir_registry *core;
        struct weir_batch batches[BATCHES];
        struct note note;
};

static void bench_make(struct bench *bench) {
        memset(bench, 0, sizeof *bench);
        assert_int_equal(weir_poll_create(&bench->poll), 0);
        bench->core = weir_poll_registry(bench->poll);
        bench->note.node.fn = note_run;
}

/* No run may have left a reference behind, or taken one too many. */
static void bench_free(struct bench *bench) {
        assert_false(weir_run_is_inside(bench->core));
        assert_int_equal(weir_synchronize(bench->core), 0);
        assert_int_equal(atomic_load(&bench->core->references), 1);
        weir_poll_destroy(bench->poll);
}

static void close_batch(struct bench *bench, unsigned i) {
        struct weir_deferred_list due = { NULL, NULL };

        weir_epochs_close(&bench->core->epochs, &bench->batches[i], &(struct weir_counts){ 0 }, &due);
        weir_run_due(bench->core, &due);
}

struct chain {
        struct weir_deferred node;
        struct bench *bench;
        struct chain *next;
        unsigned *clock, began, ended;
        int synchronized;
};

static void run_chain(struct weir_deferred *node) {
        struct chain *chain = (struct chain *)node;

        chain->began = ++*chain->clock;
        assert_true(weir_run_is_inside(chain->bench->core));
        chain->synchronized = weir_synchronize(chain->bench->core);
        if (chain->next)
                weir_defer(chain->bench->core, &chain->next->node, run_chain);
        chain->ended = ++*chain->clock;
}

static void chain_make(struct chain *chains, unsigned count, struct bench *bench, unsigned *clock) {
        for (unsigned i = 0; i < count; ++i)
                chains[i] =
                        (struct chain){ .bench = bench, .clock = clock, .next = i + 1 < count ? &chains[i + 1] : NULL };
}

/* What a function defers runs after it, on the same thread, and none of them may wait. */
static void runs_are_not_nested(void **state) {
        struct chain chains[3];
        struct bench bench;
        unsigned now = 0;

        (void)state;
        bench_make(&bench);
        chain_make(chains, 3, &bench, &now);
        weir_defer(bench.core, &chains[0].node, run_chain);
        for (unsigned i = 0; i < 3; ++i) {
                assert_int_equal(chains[i].began, 2 * i + 1);
                assert_int_equal(chains[i].ended, 2 * i + 2);
                assert_int_equal(chains[i].synchronized, -EDEADLK);
        }
        bench_free(&bench);
}

/* A function that opens a batch, defers, and opens another: what it deferred waits for the first alone. */
struct opener {
        struct weir_deferred node;
        struct bench *bench;
};

static void open_around_a_defer(struct weir_deferred *node) {
        struct opener *opener = (struct opener *)node;
        struct bench *bench = opener->bench;

        assert_true(weir_epochs_open(&bench->core->epochs, &bench->batches[0]));
        weir_defer(bench->core, &bench->note.node, note_run);
        assert_true(weir_epochs_open(&bench->core->epochs, &bench->batches[1]));
        assert_null(bench->batches[0].deferred.first);
}

static void what_is_deferred_inside_waits_as_of_then(void **state) {
        struct opener opener;
        struct bench bench;

        (void)state;
        bench_make(&bench);
        opener.bench = &bench;
        weir_defer(bench.core, &opener.node, open_around_a_defer);
        assert_int_equal(note_runs(&bench.note), 0);
        assert_ptr_equal(bench.batches[0].deferred.first, &bench.note.node);
        close_batch(&bench, 0);
        assert_int_equal(note_runs(&bench.note), 1);
        close_batch(&bench, 1);
        bench_free(&bench);
}

/* A function that closes a batch: what is due then runs after it, in the run that is under way. */
struct closer {
        struct weir_deferred node;
        struct bench *bench;
        int ran_inside;
};

static void close_inside(struct weir_deferred *node) {
        struct closer *closer = (struct closer *)node;

        close_batch(closer->bench, 1);
        closer->ran_inside = note_runs(&closer->bench->note);
}

static void run_goes_on_with_what_comes_due_inside(void **state) {
        struct closer closer = { .node.fn = close_inside };
        struct bench bench;

        (void)state;
        for (unsigned at_once = 0; at_once < 2; ++at_once) {
                bench_make(&bench);
                closer.bench = &bench;
                if (!at_once) {
                        weir_epochs_open(&bench.core->epochs, &bench.batches[0]);
                        weir_defer(bench.core, &closer.node, close_inside);
                }
                weir_epochs_open(&bench.core->epochs, &bench.batches[1]);
                weir_defer(bench.core, &bench.note.node, note_run);
                if (at_once) {
                        struct weir_deferred_list due = { &closer.node, &closer.node };

                        closer.node.next = closer.node.more = NULL;
                        weir_run_due(bench.core, &due);
                } else {
                        close_batch(&bench, 0);
                }
                assert_int_equal(closer.ran_inside, 0);
                assert_int_equal(note_runs(&bench.note), 1);
                bench_free(&bench);
        }
}

/* Functions of one batch run in the order in which they were given, but for those that other functions gave. */
static void functions_run_oldest_first(void **state) {
        struct chain chains[5];
        struct bench bench;
        unsigned now = 0;

        (void)state;
        bench_make(&bench);
        for (unsigned i = 0; i < 5; ++i)
                chain_make(&chains[i], 1, &bench, &now);
        weir_epochs_open(&bench.core->epochs, &bench.batches[0]);
        for (unsigned i = 0; i < 5; ++i) {
                weir_defer(bench.core, &chains[i].node, run_chain);
                if (i == 2)
                        weir_epochs_open(&bench.core->epochs, &bench.batches[1]);
        }
        close_batch(&bench, 1);
        assert_int_equal(now, 0);
        close_batch(&bench, 0);
        for (unsigned i = 0; i < 5; ++i)
                assert_int_equal(chains[i].began, 2 * i + 1);
        bench_free(&bench);
}

/* Runs of two cores: one inside the other, and each knows its own. */
struct across {
        struct weir_deferred node;
        struct bench *here, *there;
        struct note inner, after;
};

static void defer_to_both(struct weir_deferred *node) {
        struct across *across = (struct across *)node;

        assert_true(weir_run_is_inside(across->here->core));
        assert_false(weir_run_is_inside(across->there->core));
        assert_int_equal(weir_synchronize(across->there->core), 0);
        weir_defer(across->there->core, &across->inner.node, note_run);
        assert_int_equal(note_runs(&across->inner), 1);
        weir_defer(across->here->core, &across->after.node, note_run);
        assert_int_equal(note_runs(&across->after), 0);
}

static void cores_are_told_apart(void **state) {
        struct bench benches[2];
        struct across across;

        (void)state;
        memset(&across, 0, sizeof across);
        bench_make(&benches[0]);
        bench_make(&benches[1]);
        across.here = &benches[0];
        across.there = &benches[1];
        weir_defer(benches[0].core, &across.node, defer_to_both);
        assert_int_equal(note_runs(&across.after), 1);
        bench_free(&benches[0]);
        bench_free(&benches[1]);
}

static void free_node(struct weir_deferred *node) {
        memset(node, 0x55, sizeof *node);
        free(node);
}

/* The function may free the node: the next one was looked up before, within a stack and from one to the next. */
static void functions_may_free_their_nodes(void **state) {
        struct bench bench;

        (void)state;
        bench_make(&bench);
        weir_epochs_open(&bench.core->epochs, &bench.batches[0]);
        for (int i = 0; i < 6; ++i) {
                struct weir_deferred *node = calloc(1, sizeof *node);

                assert_non_null(node);
                weir_defer(bench.core, node, free_node);
                if (i == 2)
                        weir_epochs_open(&bench.core->epochs, &bench.batches[1]);
        }
        weir_defer(bench.core, &bench.note.node, note_run);
        close_batch(&bench, 1);
        close_batch(&bench, 0);
        assert_int_equal(note_runs(&bench.note), 1);
        bench_free(&bench);
}

/* Another thread, while this one runs a function: it runs its own at once, and is not taken for this one. */
struct other {
        struct weir_deferred node;
        struct bench *bench;
};

static int run_beside(void *arg) {
        struct other *other = arg;
        struct note *note = &other->bench->note;

        REQUIRE(weir_synchronize(other->bench->core) == 0);
        weir_defer(other->bench->core, &note->node, note_run);
        REQUIRE(note_runs(note) == 1);
        REQUIRE(pthread_equal(note->ran_on, pthread_self()));
        return 0;
}

static void start_other(struct weir_deferred *node) {
        struct other *other = (struct other *)node;
        struct worker worker;

        worker_start(&worker, run_beside, other);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(weir_synchronize(other->bench->core), -EDEADLK);
}

static void threads_are_told_apart(void **state) {
        struct other other;
        struct bench bench;

        (void)state;
        bench_make(&bench);
        other.bench = &bench;
        weir_defer(bench.core, &other.node, start_other);
        assert_int_equal(note_runs(&bench.note), 1);
        bench_free(&bench);
}

/* A function may let go of the last handle: with nothing more to do, with what it deferred before, and when others are due. */
struct release {
        struct weir_deferred node;
        struct bench *bench;
        struct note *more;
        unsigned before;
        bool open;
};

static void release_all(struct weir_deferred *node) {
        struct release *release = (struct release *)node;

        if (release->more)
                weir_defer(release->bench->core, &release->more->node, note_run);
        weir_poll_destroy(release->bench->poll);
        release->open = count_descriptors() == release->before + 2;
}

static void function_may_release_the_core(void **state) {
        struct release release = { .before = count_descriptors() };
        struct bench bench;

        (void)state;
        release.bench = &bench;
        bench_make(&bench);
        weir_defer(bench.core, &release.node, release_all);
        assert_false(release.open);
        assert_int_equal(count_descriptors(), release.before);

        bench_make(&bench);
        release.more = &bench.note;
        weir_defer(bench.core, &release.node, release_all);
        assert_true(release.open);
        assert_int_equal(note_runs(&bench.note), 1);
        assert_int_equal(count_descriptors(), release.before);

        bench_make(&bench);
        release.more = NULL;
        weir_epochs_open(&bench.core->epochs, &bench.batches[0]);
        weir_defer(bench.core, &release.node, release_all);
        weir_defer(bench.core, &bench.note.node, note_run);
        close_batch(&bench, 0);
        assert_true(release.open);
        assert_int_equal(note_runs(&bench.note), 1);
        assert_int_equal(count_descriptors(), release.before);
}

/* A function may make a poll after it ended its own: one at the same place is another one. */
struct successor {
        struct weir_deferred node;
        struct bench *bench;
        struct weir_registry *former;
};

static void end_and_begin(struct weir_deferred *node) {
        struct successor *successor = (struct successor *)node;
        struct bench *bench = successor->bench;

        successor->former = bench->core;
        weir_poll_destroy(bench->poll);
        bench_make(bench);
        assert_false(weir_run_is_inside(bench->core));
        assert_int_equal(weir_synchronize(bench->core), 0);
        weir_defer(bench->core, &bench->note.node, note_run);
        assert_int_equal(note_runs(&bench->note), 1);
}

static void successor_at_the_same_place_is_told_apart(void **state) {
        struct successor successor;
        struct bench bench;

        (void)state;
        fault_reuse_memory(true);
        successor.bench = &bench;
        bench_make(&bench);
        weir_defer(bench.core, &successor.node, end_and_begin);
        assert_ptr_equal(bench.core, successor.former);
        bench_free(&bench);
        fault_reuse_memory(false);
}

/* A thread that is cancelled in a function would leave the others undone: so it is not, until all have run. */
struct cancelled {
        struct weir_deferred node;
        struct bench *bench;
        int states[3];
        bool at_once;
};

static int cancel_state(void) {
        int state, disabled;

        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        pthread_setcancelstate(state, &disabled);
        return state;
}

static void look_at_cancel_state(struct weir_deferred *node) {
        struct cancelled *cancelled = (struct cancelled *)node;

        cancelled->states[1] = cancel_state();
        pthread_testcancel();
        if (cancelled->bench)
                weir_defer(cancelled->bench->core, &cancelled->bench->note.node, note_run);
}

static void *run_cancelled(void *arg) {
        struct cancelled *cancelled = arg;
        struct bench *bench = cancelled->bench;

        cancelled->states[0] = cancel_state();
        pthread_cancel(pthread_self());
        if (cancelled->at_once) {
                weir_defer(bench->core, &cancelled->node, look_at_cancel_state);
        } else {
                (void)weir_epochs_open(&bench->core->epochs, &bench->batches[0]);
                weir_defer(bench->core, &cancelled->node, look_at_cancel_state);
                close_batch(bench, 0);
        }
        cancelled->states[2] = cancel_state();
        pthread_testcancel();
        return NULL;
}

static void functions_run_with_cancellation_disabled(void **state) {
        (void)state;
        for (int i = 0; i < 2; ++i) {
                struct cancelled cancelled = { .at_once = i };
                struct bench bench;
                pthread_t thread;
                void *end;

                bench_make(&bench);
                cancelled.bench = &bench;
                assert_int_equal(pthread_create(&thread, NULL, run_cancelled, &cancelled), 0);
                assert_int_equal(pthread_join(thread, &end), 0);
                assert_ptr_equal(end, PTHREAD_CANCELED);
                assert_int_equal(cancelled.states[0], PTHREAD_CANCEL_ENABLE);
                assert_int_equal(cancelled.states[1], PTHREAD_CANCEL_DISABLE);
                assert_int_equal(cancelled.states[2], PTHREAD_CANCEL_ENABLE);
                assert_int_equal(note_runs(&bench.note), 1);
                bench_free(&bench);
        }
        /* What the thread had chosen is what it gets back. */
        struct cancelled cancelled = { .at_once = true };
        struct bench bench;

        bench_make(&bench);
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelled.states[0]);
        weir_defer(bench.core, &cancelled.node, look_at_cancel_state);
        assert_int_equal(cancelled.states[1], PTHREAD_CANCEL_DISABLE);
        assert_int_equal(cancel_state(), PTHREAD_CANCEL_DISABLE);
        pthread_setcancelstate(cancelled.states[0], &cancelled.states[0]);
        bench_free(&bench);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(runs_are_not_nested),
                CASE(what_is_deferred_inside_waits_as_of_then),
                CASE(run_goes_on_with_what_comes_due_inside),
                CASE(functions_run_oldest_first),
                CASE(cores_are_told_apart),
                CASE(functions_may_free_their_nodes),
                CASE(threads_are_told_apart),
                CASE(function_may_release_the_core),
                CASE(successor_at_the_same_place_is_told_apart),
                CASE(functions_run_with_cancellation_disabled),
        };

        return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
