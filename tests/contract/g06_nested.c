/* SPDX-License-Identifier: MIT */
/*
 * G6 from inside: a deferred function may call anything, a defer made in it runs after it and not nested, it holds no
 * lock, and its node is its own to free.
 */
#include "../support.h"

static void open_batch(struct fixture *fx, struct weir_events *events) {
        struct weir_waker *waker = NULL;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(wait_ms(fx->poll, events, DEADLINE_MS), 1);
        weir_waker_destroy(waker);
}

/* ---------------------------------------------------------------- nesting */

/* Defers the next link from inside, and notes how deep the calls are nested. */
struct link {
        struct weir_deferred node;
        struct weir_registry *registry;
        struct link *next;
        int *depth, *deepest, *runs;
};

static void run_link(struct weir_deferred *node) {
        struct link *link = (struct link *)node;

        ++*link->runs;
        if (++*link->depth > *link->deepest)
                *link->deepest = *link->depth;
        if (link->next)
                weir_defer(link->registry, &link->next->node, run_link);
        --*link->depth;
}

static void run_chain(struct fixture *fx, struct weir_events *held) {
        static struct link links[100000];
        int depth = 0, deepest = 0, runs = 0;

        for (unsigned i = 0; i < ARRAY_LEN(links); i++)
                links[i] = (struct link){
                        .registry = fx->registry,
                        .next = i + 1 < ARRAY_LEN(links) ? &links[i + 1] : NULL,
                        .depth = &depth,
                        .deepest = &deepest,
                        .runs = &runs,
                };
        weir_defer(fx->registry, &links[0].node, run_link);
        if (held) {
                assert_int_equal(runs, 0);
                weir_events_clear(held);
        }
        assert_int_equal(runs, ARRAY_LEN(links));
        assert_int_equal(deepest, 1);
}

static void g6_defer_inside_a_deferred_function_runs_after_it(void **state) {
        struct fixture *fx = *state;

        run_chain(fx, NULL);
}

static void g6_defer_inside_a_function_that_a_close_runs_is_not_nested(void **state) {
        struct fixture *fx = *state;

        open_batch(fx, fx->events);
        run_chain(fx, fx->events);
}

static void g6_defer_inside_waits_for_the_batches_that_are_open_by_then(void **state) {
        struct fixture *fx = *state;
        struct weir_events *other = NULL;
        int depth = 0, deepest = 0, runs = 0;
        struct link links[2];

        for (unsigned i = 0; i < 2; i++)
                links[i] =
                        (struct link){ .registry = fx->registry, .depth = &depth, .deepest = &deepest, .runs = &runs };
        links[0].next = &links[1];
        assert_int_equal(weir_events_create(4, &other), 0);
        open_batch(fx, fx->events);
        weir_defer(fx->registry, &links[0].node, run_link);
        open_batch(fx, other);
        weir_events_clear(fx->events);
        assert_int_equal(runs, 1);
        weir_events_clear(other);
        assert_int_equal(runs, 2);
        assert_int_equal(deepest, 1);
        weir_events_destroy(other);
}

/* ---------------------------------------------------------------- order and other threads */

struct stage {
        struct weir_deferred node;
        struct weir_registry *registry;
        struct note *inner;
        int inner_runs_inside;
};

static void defer_and_look(struct weir_deferred *node) {
        struct stage *stage = (struct stage *)node;

        weir_defer(stage->registry, &stage->inner->node, note_run);
        stage->inner_runs_inside = note_runs(stage->inner);
}

static void g6_inner_function_has_run_when_the_outer_defer_returns(void **state) {
        struct fixture *fx = *state;
        struct note inner = { 0 };
        struct stage stage = { .registry = fx->registry, .inner = &inner, .inner_runs_inside = -1 };

        weir_defer(fx->registry, &stage.node, defer_and_look);
        assert_int_equal(stage.inner_runs_inside, 0);
        assert_int_equal(note_runs(&inner), 1);
}

struct slow {
        struct weir_deferred node;
        struct latch entered, release;
        bool released;
};

static void run_slowly(struct weir_deferred *node) {
        struct slow *slow = (struct slow *)node;

        latch_set(&slow->entered);
        slow->released = latch_within(&slow->release, DEADLINE_MS);
}

struct deferrer {
        struct weir_registry *registry;
        struct slow *slow;
};

static int defer_slow(void *arg) {
        struct deferrer *d = arg;

        weir_defer(d->registry, &d->slow->node, run_slowly);
        REQUIRE(d->slow->released);
        return 0;
}

static void g6_defer_beside_a_function_that_runs_on_another_thread_runs_at_once(void **state) {
        struct fixture *fx = *state;
        struct slow slow = { 0 };
        struct deferrer deferrer = { .registry = fx->registry, .slow = &slow };
        struct note note = { 0 };
        struct worker worker;

        worker_start(&worker, defer_slow, &deferrer);
        assert_true(latch_within(&slow.entered, DEADLINE_MS));
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 1);
        assert_true(pthread_equal(note.ran_on, pthread_self()));
        /* No function runs under a lock: all the rest works too. */
        open_batch(fx, fx->events);
        weir_events_clear(fx->events);
        assert_int_equal(weir_synchronize(fx->registry), 0);
        latch_set(&slow.release);
        assert_int_equal(worker_join(&worker), 0);
}

/* ---------------------------------------------------------------- it may call anything */

struct caller {
        struct weir_deferred node;
        struct fixture *fx;
        struct weir_events *own;
        int fd, line, waited;
};

static int call_everything(struct caller *c) {
        struct weir_registry *registry = c->fx->registry, *clone;
        struct weir_waker *waker = NULL;
        struct weir_event event;
        char text[256];

        REQUIRE(weir_register(registry, c->fd, 1, WEIR_READABLE | WEIR_ONESHOT) == 0);
        REQUIRE(weir_retoken(registry, c->fd, 2) == 0);
        REQUIRE(weir_rearm(registry, c->fd, WEIR_READABLE) == 0);
        REQUIRE(weir_reregister(registry, c->fd, 3, WEIR_READABLE) == 0);
        REQUIRE(weir_deregister(registry, c->fd) == 0);
        REQUIRE(weir_waker_create(registry, 4, &waker) == 0);
        REQUIRE(weir_waker_wake(waker) == 0);
        clone = weir_registry_clone(registry);
        REQUIRE(weir_registry_format(clone, text, sizeof(text)) >= 0);
        REQUIRE(stats_of(clone).wakers == 1);
        REQUIRE(weir_synchronize(clone) == -EDEADLK);
        (void)weir_epoch_passed(clone, weir_epoch_now(clone));
        REQUIRE(weir_poll_fd(c->fx->poll) >= 0);
        weir_registry_release(clone);
        /* The role may be the caller's own, if this runs at the beginning of its wait. */
        c->waited = wait_ms(c->fx->poll, c->own, 0);
        REQUIRE(c->waited == 1 || c->waited == -EBUSY);
        if (c->waited == 1) {
                REQUIRE(weir_events_next(c->own, &event));
                REQUIRE(event.token == 4);
        }
        weir_events_clear(c->own);
        weir_waker_destroy(waker);
        return 0;
}

static void run_caller(struct weir_deferred *node) {
        struct caller *c = (struct caller *)node;

        c->line = call_everything(c);
}

static void g6_deferred_function_may_call_anything(void **state) {
        struct fixture *fx = *state;
        struct caller c = { .fx = fx, .line = -1 };

        c.fd = make_eventfd(0);
        assert_int_equal(weir_events_create(4, &c.own), 0);
        weir_defer(fx->registry, &c.node, run_caller);
        assert_int_equal(c.line, 0);
        assert_int_equal(c.waited, 1);

        c.line = -1;
        open_batch(fx, fx->events);
        weir_defer(fx->registry, &c.node, run_caller);
        weir_events_clear(fx->events);
        assert_int_equal(c.line, 0);

        c.line = -1;
        open_batch(fx, fx->events);
        weir_defer(fx->registry, &c.node, run_caller);
        assert_true(wait_ms(fx->poll, fx->events, 0) >= 0);
        assert_int_equal(c.line, 0);
        weir_events_clear(fx->events);
        weir_events_destroy(c.own);
        close(c.fd);
}

/* ---------------------------------------------------------------- the node */

struct heap_node {
        struct weir_deferred node;
        unsigned *freed;
};

static void free_node(struct weir_deferred *node) {
        struct heap_node *heap = (struct heap_node *)node;

        ++*heap->freed;
        /* Scribbled over first, so that a library that reads it afterwards goes wrong. */
        memset(heap, 0xdd, sizeof(*heap));
        free(heap);
}

static void g6_deferred_function_may_free_its_node(void **state) {
        struct fixture *fx = *state;
        struct heap_node *heap;
        unsigned freed = 0;

        for (unsigned round = 0; round < 3; round++) {
                if (round == 1)
                        open_batch(fx, fx->events);
                for (unsigned i = 0; i < 100; i++) {
                        heap = malloc(sizeof(*heap));
                        assert_non_null(heap);
                        memset(heap, 0xaa, sizeof(*heap));
                        heap->freed = &freed;
                        weir_defer(fx->registry, &heap->node, free_node);
                }
                if (round == 1) {
                        assert_int_equal(freed, 100);
                        weir_events_clear(fx->events);
                }
                assert_int_equal(freed, 100 * (round + 1));
        }
}

struct again {
        struct weir_deferred node;
        struct weir_registry *registry;
        int left;
};

static void run_again(struct weir_deferred *node) {
        struct again *again = (struct again *)node;

        if (again->left-- > 0)
                weir_defer(again->registry, node, run_again);
}

static void g6_node_may_be_deferred_again_from_its_own_function(void **state) {
        struct fixture *fx = *state;
        struct again again = { .registry = fx->registry, .left = 1000 };

        weir_defer(fx->registry, &again.node, run_again);
        assert_int_equal(again.left, -1);
        again.left = 1000;
        open_batch(fx, fx->events);
        weir_defer(fx->registry, &again.node, run_again);
        weir_events_clear(fx->events);
        assert_int_equal(again.left, -1);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g6_defer_inside_a_deferred_function_runs_after_it),
                CASE(g6_defer_inside_a_function_that_a_close_runs_is_not_nested),
                CASE(g6_defer_inside_waits_for_the_batches_that_are_open_by_then),
                CASE(g6_inner_function_has_run_when_the_outer_defer_returns),
                CASE(g6_defer_beside_a_function_that_runs_on_another_thread_runs_at_once),
                CASE(g6_deferred_function_may_call_anything),
                CASE(g6_deferred_function_may_free_its_node),
                CASE(g6_node_may_be_deferred_again_from_its_own_function),
        };

        return cmocka_run_group_tests_name("g06_nested", cases, NULL, NULL);
}
