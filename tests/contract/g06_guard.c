/* SPDX-License-Identifier: MIT */
/*
 * G6 for threads that have no batch: what is deferred while a guard is entered waits for it, as for an open batch, and a reader
 * inside never meets what was freed.
 */
#include "../support.h"

static struct weir_guard *make_guard(struct weir_registry *registry) {
        struct weir_guard *guard = NULL;

        assert_int_equal(weir_guard_create(registry, &guard), 0);
        return guard;
}

static void g6_what_is_deferred_inside_waits_for_the_guard(void **state) {
        struct fixture *fx = *state;
        struct weir_guard *guard = make_guard(fx->registry);
        struct note notes[4] = { 0 };
        weir_epoch epoch;

        /* One that is not entered holds nothing up. */
        weir_defer(fx->registry, &notes[0].node, note_run);
        assert_int_equal(note_runs(&notes[0]), 1);
        for (unsigned i = 1; i < 3; i++) {
                assert_int_equal(weir_guard_enter(guard), 0);
                assert_int_equal(stats_of(fx->registry).batches, 1);
                epoch = weir_epoch_now(fx->registry);
                weir_defer(fx->registry, &notes[i].node, note_run);
                assert_int_equal(note_runs(&notes[i]), 0);
                assert_false(weir_epoch_passed(fx->registry, epoch));
                weir_guard_leave(guard);
                assert_int_equal(note_runs(&notes[i]), 1);
                assert_true(pthread_equal(notes[i].ran_on, pthread_self()));
                assert_true(weir_epoch_passed(fx->registry, epoch));
                assert_int_equal(stats_of(fx->registry).batches, 0);
        }
        weir_guard_leave(guard);
        weir_defer(fx->registry, &notes[3].node, note_run);
        assert_int_equal(note_runs(&notes[3]), 1);
        weir_guard_destroy(guard);
}

/* Older and newer, closed in either order: the function waits for both where both were open, and for the older alone else. */
static void g6_guards_and_batches_wait_for_each_other_s_functions(void **state) {
        struct fixture *fx = *state;
        struct weir_guard *guard = make_guard(fx->registry);
        int fd = make_eventfd(1);

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_LEVEL), 0);
        for (unsigned order = 0; order < 4; order++) {
                struct note early = { 0 }, late = { 0 };
                bool guard_first = order & 1, guard_leaves_first = order & 2;

                if (guard_first)
                        assert_int_equal(weir_guard_enter(guard), 0);
                else
                        fetch(fx, 1);
                weir_defer(fx->registry, &early.node, note_run);
                if (guard_first)
                        fetch(fx, 1);
                else
                        assert_int_equal(weir_guard_enter(guard), 0);
                weir_defer(fx->registry, &late.node, note_run);
                assert_int_equal(note_runs(&early) + note_runs(&late), 0);
                if (guard_leaves_first)
                        weir_guard_leave(guard);
                else
                        weir_events_clear(fx->events);
                assert_int_equal(note_runs(&early), guard_first == guard_leaves_first);
                assert_int_equal(note_runs(&late), 0);
                if (guard_leaves_first)
                        weir_events_clear(fx->events);
                else
                        weir_guard_leave(guard);
                assert_int_equal(note_runs(&early), 1);
                assert_int_equal(note_runs(&late), 1);
        }
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        weir_guard_destroy(guard);
        close(fd);
}

static int synchronize(void *arg) {
        REQUIRE(weir_synchronize(arg) == 0);
        return 0;
}

static void g6_synchronize_waits_for_a_guard_and_is_refused_inside_one(void **state) {
        struct fixture *fx = *state;
        struct weir_guard *guard = make_guard(fx->registry);
        struct worker worker;

        assert_int_equal(weir_guard_enter(guard), 0);
        assert_int_equal(weir_synchronize(fx->registry), -EDEADLK);
        worker_start(&worker, synchronize, fx->registry);
        worker_settle(&worker);
        assert_false(worker_done_within(&worker, 20));
        weir_guard_leave(guard);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(weir_synchronize(fx->registry), 0);
        weir_guard_destroy(guard);
}

static void g6_destroying_a_guard_leaves_it(void **state) {
        struct fixture *fx = *state;
        struct weir_guard *guard = make_guard(fx->registry);
        struct note note = { 0 };

        assert_int_equal(weir_guard_enter(guard), 0);
        weir_defer(fx->registry, &note.node, note_run);
        weir_guard_destroy(guard);
        assert_int_equal(note_runs(&note), 1);
        weir_guard_destroy(NULL);
}

static void g10_a_guard_outlives_the_poll(void **state) {
        struct fixture *fx = *state;
        struct weir_registry *clone = weir_registry_clone(fx->registry);
        struct weir_guard *guards[2] = { make_guard(clone), make_guard(clone) }, *other = NULL;
        struct note note = { 0 };

        assert_int_equal(weir_guard_enter(guards[0]), 0);
        fixture_end_poll(fx);
        assert_int_equal(weir_guard_enter(guards[1]), 0);
        assert_int_equal(weir_guard_create(clone, &other), -ESHUTDOWN);
        assert_null(other);
        weir_defer(clone, &note.node, note_run);
        /* From here on only the guards keep what there is. */
        weir_registry_release(clone);
        assert_int_equal(note_runs(&note), 0);
        weir_guard_destroy(guards[0]);
        assert_int_equal(note_runs(&note), 0);
        weir_guard_destroy(guards[1]);
        assert_int_equal(note_runs(&note), 1);
}

struct last {
        struct weir_deferred node;
        struct weir_guard *guard;
        int entered;
};

static void enter_again(struct weir_deferred *node) {
        struct last *last = (struct last *)node;

        last->entered = weir_guard_enter(last->guard);
}

static void destroy_guard(struct weir_deferred *node) {
        weir_guard_destroy(((struct last *)node)->guard);
}

/* It runs under no lock, after the leave. */
static void g6_a_function_may_enter_or_destroy_the_guard_that_it_waited_for(void **state) {
        struct fixture *fx = *state;
        struct last again = { .guard = make_guard(fx->registry), .entered = 1 }, ending = { .guard = again.guard };

        assert_int_equal(weir_guard_enter(again.guard), 0);
        weir_defer(fx->registry, &again.node, enter_again);
        weir_guard_leave(again.guard);
        assert_int_equal(again.entered, 0);
        assert_int_equal(weir_guard_enter(again.guard), -EBUSY);
        weir_defer(fx->registry, &ending.node, destroy_guard);
        weir_guard_leave(again.guard);
        assert_int_equal(stats_of(fx->registry).batches, 0);
}

/* ---------------------------------------------------------------- threads */

#define READERS 3
#define ITEMS   2000

/* An item is in the list until it is taken out; then its end is deferred, and marks it. */
struct item {
        struct weir_deferred node;
        _Atomic(struct item *) next;
        atomic_int ended; /* and plain, so that a sanitizer sees a reader who is too late */
        int alive;
};

struct list {
        struct fixture *fx;
        _Atomic(struct item *) first;
        atomic_int freed, late;
        struct latch stop;
        struct item items[ITEMS];
};

static struct list list;

static void end_item(struct weir_deferred *node) {
        struct item *item = (struct item *)node;

        item->alive = 0;
        atomic_store_explicit(&item->ended, 1, memory_order_relaxed);
        atomic_fetch_add(&list.freed, 1);
}

static int walk(void *arg) {
        struct weir_guard *guard = NULL;

        (void)arg;
        REQUIRE(weir_guard_create(list.fx->registry, &guard) == 0);
        while (!latch_is_set(&list.stop)) {
                REQUIRE(weir_guard_enter(guard) == 0);
                for (struct item *item = atomic_load_explicit(&list.first, memory_order_acquire); item;
                     item = atomic_load_explicit(&item->next, memory_order_acquire))
                        if (!item->alive || atomic_load_explicit(&item->ended, memory_order_relaxed))
                                atomic_fetch_add(&list.late, 1);
                weir_guard_leave(guard);
        }
        weir_guard_destroy(guard);
        return 0;
}

/* Puts one at the front and takes out the one behind it, again and again. */
static void g6_threads_that_walk_a_list_meet_nothing_that_was_freed(void **state) {
        struct worker workers[READERS];

        memset(&list, 0, sizeof(list));
        list.fx = *state;
        for (unsigned i = 0; i < READERS; i++)
                worker_start(&workers[i], walk, NULL);
        for (unsigned i = 0; i < ITEMS; i++) {
                struct item *item = &list.items[i], *last = atomic_load(&list.first);

                item->alive = 1;
                atomic_store_explicit(&item->next, last, memory_order_relaxed);
                atomic_store_explicit(&list.first, item, memory_order_release);
                if (last) {
                        atomic_store_explicit(&item->next, NULL, memory_order_release);
                        weir_defer(list.fx->registry, &last->node, end_item);
                }
                if (i % 64 == 0)
                        sched_yield();
        }
        latch_set(&list.stop);
        for (unsigned i = 0; i < READERS; i++)
                assert_int_equal(worker_join(&workers[i]), 0);
        assert_int_equal(atomic_load(&list.late), 0);
        assert_int_equal(atomic_load(&list.freed), ITEMS - 1);
}

/* ---------------------------------------------------------------- errors */

static int use_in_child(void *arg) {
        struct weir_guard **guards = arg;

        REQUIRE(weir_guard_enter(guards[0]) == -ECHILD);
        REQUIRE(weir_guard_enter(guards[1]) == -ECHILD);
        weir_guard_leave(guards[1]);
        weir_guard_destroy(guards[0]);
        weir_guard_destroy(guards[1]);
        return 0;
}

static int create_in_child(void *arg) {
        struct fixture *fx = arg;
        struct weir_guard *guard = NULL;

        REQUIRE(weir_guard_create(fx->registry, &guard) == -ECHILD && !guard);
        return 0;
}

static void g12_errors_of_guards(void **state) {
        struct fixture *fx = *state;
        struct weir_guard *guards[2] = { make_guard(fx->registry), make_guard(fx->registry) }, *other = guards[0];
        struct note note = { 0 };

        assert_int_equal(weir_guard_create(NULL, &other), -EINVAL);
        assert_int_equal(weir_guard_create(fx->registry, NULL), -EINVAL);
        assert_ptr_equal(other, guards[0]);
        assert_int_equal(weir_guard_enter(NULL), -EINVAL);
        weir_guard_leave(NULL);
        weir_guard_leave(guards[0]);
        assert_int_equal(weir_guard_enter(guards[1]), 0);
        assert_int_equal(weir_guard_enter(guards[1]), -EBUSY);
        weir_defer(fx->registry, &note.node, note_run);
        /* A child does not leave for its parent. */
        assert_int_equal(run_child(use_in_child, guards), 0);
        assert_int_equal(run_child(create_in_child, fx), 0);
        assert_int_equal(note_runs(&note), 0);
        weir_guard_leave(guards[1]);
        assert_int_equal(note_runs(&note), 1);
        weir_guard_destroy(guards[0]);
        weir_guard_destroy(guards[1]);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g6_what_is_deferred_inside_waits_for_the_guard),
                CASE(g6_guards_and_batches_wait_for_each_other_s_functions),
                CASE(g6_synchronize_waits_for_a_guard_and_is_refused_inside_one),
                CASE(g6_destroying_a_guard_leaves_it),
                CASE(g10_a_guard_outlives_the_poll),
                CASE(g6_a_function_may_enter_or_destroy_the_guard_that_it_waited_for),
                CASE(g6_threads_that_walk_a_list_meet_nothing_that_was_freed),
                CASE(g12_errors_of_guards),
        };

        return cmocka_run_group_tests_name("guard", cases, NULL, NULL);
}
