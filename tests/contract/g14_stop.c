/* SPDX-License-Identifier: MIT */
/*
 * G14: a stop is for good, from anywhere, and loses nothing; a crew may be destroyed from anywhere; no thread is left.
 */
#include "scene.h"

static void nothing(struct scene *scene, unsigned token) {
        (void)scene;
        (void)token;
}

static void stop_at_goal(struct scene *scene, unsigned token) {
        (void)token;
        if (scene->begun >= scene->goal)
                weir_crew_stop(scene->crew);
}

/* ---------------------------------------------------------------- stop */

/* What was not begun comes in plain waits. */
static void g14_stop_leaves_with_the_poll_what_was_not_begun(void **state) {
        struct fixture *fx = *state;

        for (unsigned threads = 1; threads <= 5; threads += 2) {
                unsigned counts[SCENE_FDS] = { 0 };
                struct scene scene;
                int rest = 0, r;

                scene_make(&scene, fx, stop_at_goal, SCENE_FDS, SCENE_FDS);
                scene.goal = 10;
                assert_int_equal(weir_crew_run(scene.crew, threads), 0);
                assert_in_range(scene.begun, 10, 10 + threads);
                while ((r = tally(fx->poll, fx->events, 0, counts, SCENE_FDS)) > 0)
                        rest += r;
                assert_int_equal(r, 0);
                assert_int_equal(scene.begun + rest, SCENE_FDS);
                for (unsigned i = 0; i < SCENE_FDS; i++)
                        assert_int_equal(scene.counts[i] + (int)counts[i], 1);
                scene_destroy(&scene);
        }
}

static void g14_stop_of_an_idle_crew_ends_all_threads(void **state) {
        for (unsigned threads = 1; threads <= 8; threads++) {
                struct scene scene;

                scene_make(&scene, *state, nothing, 1, 0);
                assert_int_equal(weir_crew_start(scene.crew, threads), 0);
                if (threads % 2)
                        sleep_ms(20);
                weir_crew_stop(scene.crew);
                scene_destroy(&scene);
                expect_threads(1);
        }
}

static void block(struct scene *scene, unsigned token) {
        (void)token;
        latch_wait(&scene->go);
}

static void g14_sleepers_leave_at_a_stop_while_a_call_goes_on(void **state) {
        struct worker workers[4];
        struct scene scene;

        scene_make(&scene, *state, block, 1, 1);
        assert_int_equal(weir_crew_start(scene.crew, 1), 0);
        assert_true(reached(&scene.begun, 1));
        for (int i = 0; i < 4; i++)
                worker_start(&workers[i], scene_work, &scene);
        sleep_ms(20);
        weir_crew_stop(scene.crew);
        for (int i = 0; i < 4; i++)
                assert_int_equal(worker_join(&workers[i]), 0);
        latch_set(&scene.go);
        scene_destroy(&scene);
}

static void g14_stopped_crew_takes_no_thread(void **state) {
        struct scene scene;

        scene_make(&scene, *state, nothing, 1, 1);
        weir_crew_stop(scene.crew);
        weir_crew_stop(scene.crew);
        assert_int_equal(weir_crew_work(scene.crew), 0);
        assert_int_equal(weir_crew_run(scene.crew, 3), 0);
        assert_int_equal(weir_crew_start(scene.crew, 3), -ECANCELED);
        assert_int_equal(scene.begun, 0);
        expect_threads(1);
        scene_destroy(&scene);
}

static void g14_another_crew_goes_on_with_what_one_left(void **state) {
        int begun = 0;
        struct scene scene;

        scene_make(&scene, *state, stop_at_goal, SCENE_FDS, SCENE_FDS);
        for (int round = 0; round < 4; round++) {
                scene.goal = begun + SCENE_FDS / 8;
                assert_int_equal(weir_crew_run(scene.crew, 4), 0);
                assert_in_range(scene.begun, scene.goal, scene.goal + 4);
                begun = scene.begun;
                weir_crew_destroy(scene.crew);
                assert_int_equal(weir_crew_create(scene.poll, scene_serve, &scene, &scene.crew), 0);
        }
        scene.goal = SCENE_FDS;
        assert_int_equal(weir_crew_run(scene.crew, 4), 0);
        for (unsigned i = 0; i < SCENE_FDS; i++)
                assert_int_equal(scene.counts[i], 1);
        scene_destroy(&scene);
}

/* ---------------------------------------------------------------- stop from a signal handler */

static struct weir_crew *to_stop;

static void stop_it(int number) {
        (void)number;
        weir_crew_stop(to_stop);
}

static void ignore_it(int number) {
        (void)number;
}

static void g14_stop_from_a_signal_handler(void **state) {
        for (int round = 0; round < 20; round++) {
                struct sigaction action = { .sa_handler = stop_it }, former;
                struct worker worker;
                struct scene scene;

                scene_make(&scene, *state, nothing, 1, round % 2);
                to_stop = scene.crew;
                sigaction(SIGUSR1, &action, &former);
                scene.goal = 4;
                worker_start(&worker, scene_run, &scene);
                if (round % 4 > 1)
                        worker_settle(&worker);
                pthread_kill(worker.thread, SIGUSR1);
                assert_int_equal(worker_join(&worker), 0);
                sigaction(SIGUSR1, &former, NULL);
                expect_threads(1);
                scene_destroy(&scene);
        }
}

static void g14_signal_does_not_end_work(void **state) {
        struct sigaction action = { .sa_handler = ignore_it }, former;
        struct worker workers[3];
        struct scene scene;

        sigaction(SIGUSR1, &action, &former);
        scene_make(&scene, *state, nothing, 1, 0);
        for (int i = 0; i < 3; i++)
                worker_start(&workers[i], scene_work, &scene);
        for (int round = 0; round < 30; round++) {
                for (int i = 0; i < 3; i++)
                        pthread_kill(workers[i].thread, SIGUSR1);
                sleep_ms(1);
        }
        assert_int_equal(weir_poll_interrupt(scene.poll), 0);
        ring(scene.fds[0]);
        assert_true(reached(&scene.begun, 1));
        for (int i = 0; i < 3; i++)
                assert_false(workers[i].done);
        weir_crew_stop(scene.crew);
        for (int i = 0; i < 3; i++)
                assert_int_equal(worker_join(&workers[i]), 0);
        sigaction(SIGUSR1, &former, NULL);
        scene_destroy(&scene);
}

/* ---------------------------------------------------------------- destroy */

static void destroy_at_goal(struct scene *scene, unsigned token) {
        (void)token;
        if (atomic_fetch_add(&scene->go.value, 1) + 1 == scene->goal)
                weir_crew_destroy(scene->crew);
}

static void g14_destroy_in_a_handler_of_run(void **state) {
        for (unsigned threads = 1; threads <= 5; threads += 2) {
                struct scene scene;

                scene_make(&scene, *state, destroy_at_goal, SCENE_FDS, SCENE_FDS);
                scene.goal = 10;
                assert_int_equal(weir_crew_run(scene.crew, threads), 0);
                expect_threads(1);
                scene_end(&scene);
        }
}

static void g14_destroy_in_a_handler_of_made_threads(void **state) {
        for (unsigned threads = 1; threads <= 5; threads += 2) {
                struct scene scene;

                scene_make(&scene, *state, destroy_at_goal, SCENE_FDS, SCENE_FDS);
                scene.goal = 10;
                assert_int_equal(weir_crew_start(scene.crew, threads), 0);
                expect_threads(1);
                assert_true(scene.begun >= 10);
                scene_end(&scene);
        }
}

static struct scene *deferring;

static void destroy_deferred(struct weir_deferred *node) {
        (void)node;
        weir_crew_destroy(deferring->crew);
}

static void defer_destroy(struct scene *scene, unsigned token) {
        static struct weir_deferred node;

        (void)token;
        if (atomic_fetch_add(&scene->go.value, 1) + 1 == scene->goal)
                weir_defer(scene->registry, &node, destroy_deferred);
        else if (scene->go.value < scene->goal)
                ring(scene->fds[token]);
}

static void g14_destroy_in_a_deferred_function_on_a_thread_of_the_crew(void **state) {
        for (unsigned threads = 1; threads <= 5; threads += 2) {
                struct scene scene;

                scene_make(&scene, *state, defer_destroy, 8, 8);
                deferring = &scene;
                scene.goal = 100;
                assert_int_equal(weir_crew_run(scene.crew, threads), 0);
                expect_threads(1);
                scene_end(&scene);
        }
}

static int destroy_it(void *arg) {
        struct scene *scene = arg;

        weir_crew_destroy(scene->crew);
        REQUIRE(latch_is_set(&scene->go));
        return 0;
}

static void g14_destroy_waits_for_the_calls_in_progress(void **state) {
        struct worker destroyer, runner;
        struct scene scene;

        scene_make(&scene, *state, block, 3, 3);
        scene.goal = 3;
        worker_start(&runner, scene_run, &scene);
        assert_true(reached(&scene.begun, 3));
        worker_start(&destroyer, destroy_it, &scene);
        worker_settle(&destroyer);
        assert_false(destroyer.done);
        latch_set(&scene.go);
        assert_int_equal(worker_join(&destroyer), 0);
        assert_int_equal(worker_join(&runner), 0);
        expect_threads(1);
        scene_end(&scene);
}

static void g14_crew_is_destroyed_before_it_had_a_thread(void **state) {
        struct fixture *fx = *state;
        struct scene scene;

        scene_make(&scene, fx, nothing, 1, 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        scene_destroy(&scene);
        weir_crew_destroy(NULL);
        weir_crew_stop(NULL);
        assert_null(weir_crew_registry(NULL));
}

/* ---------------------------------------------------------------- the end of the poll */

static void g10_threads_leave_when_the_poll_is_destroyed(void **state) {
        struct fixture *fx = *state;
        struct worker workers[4];
        struct scene scene;

        scene_make(&scene, fx, nothing, 1, 1);
        assert_int_equal(weir_crew_start(scene.crew, 2), 0);
        for (int i = 0; i < 4; i++)
                worker_start(&workers[i], scene_work, &scene);
        assert_true(reached(&scene.begun, 1));
        fixture_end_poll(fx);
        for (int i = 0; i < 4; i++)
                assert_int_equal(worker_join(&workers[i]), -ESHUTDOWN);
        assert_int_equal(weir_crew_work(scene.crew), -ESHUTDOWN);
        assert_int_equal(weir_crew_run(scene.crew, 2), -ESHUTDOWN);
        assert_int_equal(weir_crew_start(scene.crew, 2), -ESHUTDOWN);
        expect_threads(1);
        scene_destroy(&scene);
}

static void destroy_poll(struct scene *scene, unsigned token) {
        (void)token;
        weir_poll_destroy(scene->poll);
}

static void g10_poll_is_destroyed_in_a_handler(void **state) {
        struct fixture *fx = *state;
        struct scene scene;

        scene_make(&scene, fx, destroy_poll, 1, 1);
        /* Of the fixture, that one must not end it. */
        weir_events_clear(fx->events);
        fx->poll = NULL;
        assert_int_equal(weir_crew_run(scene.crew, 4), -ESHUTDOWN);
        expect_threads(1);
        scene_destroy(&scene);
}

/* Pending from here on; a call that is a cancellation point does not come back. */
static int stop_while_cancelled(void *arg) {
        struct scene *scene = arg;
        struct weir_crew *other = NULL;
        int old;

        REQUIRE(pthread_cancel(pthread_self()) == 0);
        weir_crew_create(scene->poll, scene_serve, NULL, &other);
        weir_crew_stop(scene->crew);
        REQUIRE(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old) == 0);
        REQUIRE(other == NULL);
        return 0;
}

static void g14_stop_is_no_cancellation_point(void **state) {
        struct worker worker;
        struct scene scene;

        scene_make(&scene, *state, nothing, 1, 0);
        assert_int_equal(weir_crew_start(scene.crew, 3), 0);
        worker_start(&worker, stop_while_cancelled, &scene);
        assert_int_equal(worker_join(&worker), 0);
        expect_threads(1);
        scene_destroy(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g14_stop_leaves_with_the_poll_what_was_not_begun),
                CASE(g14_stop_of_an_idle_crew_ends_all_threads),
                CASE(g14_sleepers_leave_at_a_stop_while_a_call_goes_on),
                CASE(g14_stopped_crew_takes_no_thread),
                CASE(g14_another_crew_goes_on_with_what_one_left),
                CASE(g14_stop_from_a_signal_handler),
                CASE(g14_stop_is_no_cancellation_point),
                CASE(g14_signal_does_not_end_work),
                CASE(g14_destroy_in_a_handler_of_run),
                CASE(g14_destroy_in_a_handler_of_made_threads),
                CASE(g14_destroy_in_a_deferred_function_on_a_thread_of_the_crew),
                CASE(g14_destroy_waits_for_the_calls_in_progress),
                CASE(g14_crew_is_destroyed_before_it_had_a_thread),
                CASE(g10_threads_leave_when_the_poll_is_destroyed),
                CASE(g10_poll_is_destroyed_in_a_handler),
        };

        return cmocka_run_group_tests_name("g14_stop", cases, NULL, NULL);
}
