/* SPDX-License-Identifier: MIT */
/*
 * G10: poll, registries, wakers and events objects may be destroyed in any order, on any threads, inside deferred
 * functions too. Each case goes through every permutation of five objects in several settings; what was deferred runs
 * once, and the descriptors are counted after each round.
 */
#include <malloc.h>

#include "../support.h"

enum {
        POLL,
        CLONE,
        WAKER,
        BATCH_OPEN, /* an events object with an open, half-read batch */
        IDLE,       /* an events object that was used and is idle */
        N_OBJECTS,
};

struct world {
        struct weir_poll *poll;
        struct weir_registry *clone;
        struct weir_waker *waker;
        struct weir_events *open, *idle;
        struct note note; /* deferred while the batch is open */
        int fds[2];
};

static void world_make(struct world *world) {
        struct weir_event event;

        *world = (struct world){ 0 };
        assert_int_equal(weir_poll_create(&world->poll), 0);
        world->clone = weir_registry_clone(weir_poll_registry(world->poll));
        assert_int_equal(weir_waker_create(world->clone, 1, &world->waker), 0);
        assert_int_equal(weir_events_create(4, &world->open), 0);
        assert_int_equal(weir_events_create(4, &world->idle), 0);
        for (unsigned i = 0; i < 2; i++) {
                world->fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(world->clone, world->fds[i], 2 + i, WEIR_READABLE), 0);
        }
        assert_int_equal(weir_waker_wake(world->waker), 0);
        assert_int_equal(wait_ms(world->poll, world->open, DEADLINE_MS), 3);
        assert_int_equal(wait_ms(world->poll, world->idle, 0), 0);
        assert_true(weir_events_next(world->open, &event));
        weir_defer(world->clone, &world->note.node, note_run);
        assert_int_equal(note_runs(&world->note), 0);
}

static void world_end(struct world *world, unsigned object) {
        switch (object) {
        case POLL:
                weir_poll_destroy(world->poll);
                break;
        case CLONE:
                weir_registry_release(world->clone);
                break;
        case WAKER:
                weir_waker_destroy(world->waker);
                break;
        case BATCH_OPEN:
                weir_events_destroy(world->open);
                break;
        default:
                weir_events_destroy(world->idle);
        }
}

static bool next_permutation(unsigned *p, unsigned n) {
        unsigned i = n - 1, k = n - 1, t;

        while (i > 0 && p[i - 1] >= p[i])
                i--;
        if (i == 0)
                return false;
        while (p[k] <= p[i - 1])
                k--;
        t = p[i - 1], p[i - 1] = p[k], p[k] = t;
        for (unsigned a = i, b = n - 1; a < b; a++, b--)
                t = p[a], p[a] = p[b], p[b] = t;
        return true;
}

static void g10_objects_may_be_destroyed_in_any_order(void **state) {
        unsigned order[N_OBJECTS] = { 0, 1, 2, 3, 4 }, before = count_descriptors(), rounds = 0;
        struct world world;
        bool open;

        (void)state;
        do {
                world_make(&world);
                open = true;
                for (unsigned i = 0; i < N_OBJECTS; i++) {
                        world_end(&world, order[i]);
                        open = open && order[i] != BATCH_OPEN;
                        assert_int_equal(note_runs(&world.note), !open);
                }
                close_pair(world.fds);
                assert_int_equal(count_descriptors(), before);
                rounds++;
        } while (next_permutation(order, N_OBJECTS));
        assert_int_equal(rounds, 120);
}

/* ---------------------------------------------------------------- inside deferred functions */

/* Ends, from a deferred function, the objects of an order from the first-th on. */
struct ending {
        struct weir_deferred node;
        struct world *world;
        const unsigned *order;
        unsigned first, skip, runs;
};

static void end_inside(struct weir_deferred *node) {
        struct ending *ending = (struct ending *)node;

        ending->runs++;
        for (unsigned i = ending->first; i < N_OBJECTS; i++)
                if (ending->order[i] != ending->skip)
                        world_end(ending->world, ending->order[i]);
}

static void g10_objects_may_be_destroyed_inside_a_deferred_function_of_a_close(void **state) {
        unsigned order[N_OBJECTS] = { 0, 1, 2, 3, 4 }, before = count_descriptors();
        struct ending ending;
        struct world world;

        (void)state;
        do {
                /* The batch is closed first, outside, by its destructor; all others end inside it, in each order. */
                if (order[0] != BATCH_OPEN)
                        continue;
                world_make(&world);
                ending = (struct ending){ .world = &world, .order = order, .first = 1, .skip = N_OBJECTS };
                weir_defer(world.clone, &ending.node, end_inside);
                assert_int_equal(ending.runs, 0);
                weir_events_destroy(world.open);
                assert_int_equal(ending.runs, 1);
                assert_int_equal(note_runs(&world.note), 1);
                close_pair(world.fds);
                assert_int_equal(count_descriptors(), before);
        } while (next_permutation(order, N_OBJECTS));
}

static void g10_objects_may_be_destroyed_inside_a_function_that_runs_at_once(void **state) {
        unsigned order[N_OBJECTS] = { 0, 1, 2, 3, 4 }, before = count_descriptors();
        struct ending ending;
        struct world world;

        (void)state;
        do {
                /* The handle of the very weir_defer() that runs the function goes as well. */
                world_make(&world);
                weir_events_clear(world.open);
                ending = (struct ending){ .world = &world, .order = order, .skip = N_OBJECTS };
                weir_defer(world.clone, &ending.node, end_inside);
                assert_int_equal(ending.runs, 1);
                close_pair(world.fds);
                assert_int_equal(count_descriptors(), before);
        } while (next_permutation(order, N_OBJECTS));
}

static void g10_waiting_events_object_outlives_a_poll_that_ends_inside_its_wait(void **state) {
        unsigned order[N_OBJECTS] = { 0, 1, 2, 3, 4 }, before = count_descriptors();
        struct ending ending;
        struct world world;
        struct weir_event event;

        (void)state;
        do {
                /* The wait closes its former batch, and the function that runs then ends all but the events object. */
                if (order[0] != BATCH_OPEN)
                        continue;
                world_make(&world);
                ending = (struct ending){ .world = &world, .order = order, .first = 1, .skip = BATCH_OPEN };
                weir_defer(world.clone, &ending.node, end_inside);
                assert_int_equal(wait_ms(world.poll, world.open, -1), -ESHUTDOWN);
                assert_int_equal(ending.runs, 1);
                assert_int_equal(note_runs(&world.note), 1);
                assert_false(weir_events_next(world.open, &event));
                weir_events_destroy(world.open);
                close_pair(world.fds);
                assert_int_equal(count_descriptors(), before);
        } while (next_permutation(order, N_OBJECTS));
}

/* ---------------------------------------------------------------- on several threads */

struct destroyer {
        struct world *world;
        unsigned object;
        pthread_barrier_t *barrier;
};

static int destroy_one(void *arg) {
        struct destroyer *destroyer = arg;

        barrier_pass(destroyer->barrier);
        world_end(destroyer->world, destroyer->object);
        return 0;
}

static void g10_objects_may_be_destroyed_on_five_threads_at_once(void **state) {
        unsigned before = count_descriptors();
        struct destroyer destroyers[N_OBJECTS];
        struct worker workers[N_OBJECTS];
        pthread_barrier_t barrier;
        struct world world;

        (void)state;
        barrier_make(&barrier, N_OBJECTS);
        for (unsigned round = 0; round < 200; round++) {
                world_make(&world);
                for (unsigned i = 0; i < N_OBJECTS; i++) {
                        destroyers[i] = (struct destroyer){ .world = &world, .object = i, .barrier = &barrier };
                        worker_start(&workers[i], destroy_one, &destroyers[i]);
                }
                for (unsigned i = 0; i < N_OBJECTS; i++)
                        assert_int_equal(worker_join(&workers[i]), 0);
                assert_int_equal(note_runs(&world.note), 1);
                close_pair(world.fds);
                assert_int_equal(count_descriptors(), before);
        }
        pthread_barrier_destroy(&barrier);
}

/* ---------------------------------------------------------------- nothing is left */

static void g10_no_byte_is_left(void **state) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
        struct mallinfo2 before = { 0 }, after;
        unsigned order[N_OBJECTS] = { 0, 1, 2, 3, 4 };
        struct world world;

        (void)state;
        /* Twice the same: the first time fills the caches of the allocator, the second may not need more. */
        for (unsigned pass = 0; pass < 2; pass++) {
                before = mallinfo2();
                for (unsigned round = 0; round < 1000; round++) {
                        if (!next_permutation(order, N_OBJECTS))
                                for (unsigned i = 0; i < N_OBJECTS; i++)
                                        order[i] = i;
                        world_make(&world);
                        for (unsigned i = 0; i < N_OBJECTS; i++)
                                world_end(&world, order[i]);
                        close_pair(world.fds);
                }
        }
        after = mallinfo2();
        /* Sanitizers have allocators of their own, which report leaks in their own way. */
        if (!UNDER_SANITIZER)
                assert_true(after.uordblks + after.hblkhd < before.uordblks + before.hblkhd + 8000);
#else
        (void)state;
#endif
}

static void g10_destructors_take_null(void **state) {
        (void)state;
        weir_poll_destroy(NULL);
        weir_registry_release(NULL);
        weir_waker_destroy(NULL);
        weir_events_destroy(NULL);
        weir_events_clear(NULL);
        assert_null(weir_registry_clone(NULL));
        assert_null(weir_poll_registry(NULL));
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g10_objects_may_be_destroyed_in_any_order),
                CASE(g10_objects_may_be_destroyed_inside_a_deferred_function_of_a_close),
                CASE(g10_objects_may_be_destroyed_inside_a_function_that_runs_at_once),
                CASE(g10_waiting_events_object_outlives_a_poll_that_ends_inside_its_wait),
                CASE(g10_objects_may_be_destroyed_on_five_threads_at_once),
                CASE(g10_no_byte_is_left),
                CASE(g10_destructors_take_null),
        };

        return cmocka_run_group_tests_name("g10_any_order", cases, NULL, NULL);
}
