/* SPDX-License-Identifier: MIT */
/*
 * G14: work is shared. These are not races against a clock: a handler that waits for another one to begin comes to its end only
 * if another thread begins that, wherever it lies. A crew that leaves it there stays for ever, until the watchdog.
 */
#include "scene.h"

/* ---------------------------------------------------------------- handlers that wait for each other */

static void meet(struct scene *scene, unsigned token) {
        (void)token;
        SCENE_REQUIRE(scene, reached(&scene->begun, scene->goal));
        weir_crew_stop(scene->crew);
}

static void meet_all(struct fixture *fx, unsigned threads, bool idle_before) {
        struct scene scene;

        scene_make(&scene, fx, meet, threads, idle_before ? 0 : threads);
        scene.goal = (int)threads;
        if (idle_before) {
                assert_int_equal(weir_crew_start(scene.crew, threads), 0);
                sleep_ms(30);
                for (unsigned i = 0; i < threads; i++)
                        ring(scene.fds[i]);
        } else {
                assert_int_equal(weir_crew_run(scene.crew, threads), 0);
        }
        assert_true(reached(&scene.begun, (int)threads));
        scene_destroy(&scene);
        for (unsigned i = 0; i < threads; i++)
                assert_int_equal(scene.counts[i], 1);
}

static void g14_two_threads_begin_two_events_of_one_fetch(void **state) {
        meet_all(*state, 2, false);
}

static void g14_eight_threads_begin_eight_events(void **state) {
        meet_all(*state, 8, false);
}

static void g14_sixty_four_threads_begin_as_many_events(void **state) {
        meet_all(*state, 64, false);
}

static void g14_two_threads_begin_two_events_after_idle(void **state) {
        meet_all(*state, 2, true);
}

static void g14_eight_threads_begin_eight_events_after_idle(void **state) {
        meet_all(*state, 8, true);
}

/* ---------------------------------------------------------------- a surprise */

#define SHORT_EVENTS 20000

/*
 * Token 0 is the short one: it rings itself until the crew knows that events are short, and then all the others, so that the next
 * fetch has them together. The first of these to begin waits for the rest.
 */
static void surprise(struct scene *scene, unsigned token) {
        int all = (int)scene->n_fds - 1;

        if (token == 0) {
                if (scene->counts[0] < SHORT_EVENTS)
                        ring(scene->fds[0]);
                else
                        for (unsigned i = 1; i < scene->n_fds; i++)
                                ring(scene->fds[i]);
                return;
        }
        if (atomic_fetch_add(&scene->go.value, 1) == 0) {
                SCENE_REQUIRE(scene, reached(&scene->go.value, all));
                weir_crew_stop(scene->crew);
        }
}

static void be_surprised(struct fixture *fx, unsigned threads, unsigned fds) {
        struct scene scene;

        scene_make(&scene, fx, surprise, fds, 1);
        assert_int_equal(weir_crew_run(scene.crew, threads), 0);
        for (unsigned i = 1; i < fds; i++)
                assert_int_equal(scene.counts[i], 1);
        scene_destroy(&scene);
}

static void g14_what_lies_behind_a_surprise_in_one_fetch_is_begun(void **state) {
        be_surprised(*state, 2, 2 + 1);
        be_surprised(*state, 2, 32 + 1);
        be_surprised(*state, 4, 64 + 1);
}

static void after_a_surprise(struct scene *scene, unsigned token) {
        if (token == 0 && scene->counts[0] < SHORT_EVENTS) {
                ring(scene->fds[0]);
        } else if (token == 0) {
                /* Nobody waits in the poll now, for the others sleep. */
                ring(scene->fds[1]);
                SCENE_REQUIRE(scene, reached(&scene->counts[1], 1));
                weir_crew_stop(scene->crew);
        }
}

static void g14_what_comes_during_a_surprise_is_begun(void **state) {
        struct scene scene;

        scene_make(&scene, *state, after_a_surprise, 2, 1);
        assert_int_equal(weir_crew_run(scene.crew, 3), 0);
        scene_destroy(&scene);
}

static void first_after_idle(struct scene *scene, unsigned token) {
        if (token == 0 && scene->counts[0] < SHORT_EVENTS) {
                ring(scene->fds[0]);
        } else if (token == 1) {
                ring(scene->fds[2]);
                SCENE_REQUIRE(scene, reached(&scene->counts[2], 1));
                weir_crew_stop(scene->crew);
        }
}

static void g14_what_comes_during_a_surprise_after_idle_is_begun(void **state) {
        struct scene scene;

        scene_make(&scene, *state, first_after_idle, 3, 1);
        assert_int_equal(weir_crew_start(scene.crew, 2), 0);
        assert_true(reached(&scene.counts[0], SHORT_EVENTS));
        sleep_ms(50);
        ring(scene.fds[1]);
        assert_true(reached(&scene.counts[2], 1));
        scene_destroy(&scene);
}

/* ---------------------------------------------------------------- all but one are blocked */

static void block_or_count(struct scene *scene, unsigned token) {
        if (token > 0) {
                latch_wait(&scene->go);
        } else if (scene->counts[0] < SHORT_EVENTS) {
                ring(scene->fds[0]);
        } else {
                latch_set(&scene->go);
                weir_crew_stop(scene->crew);
        }
}

static void g14_the_one_thread_that_is_not_blocked_goes_on(void **state) {
        struct scene scene;

        scene_make(&scene, *state, block_or_count, 8, 8);
        assert_int_equal(weir_crew_run(scene.crew, 8), 0);
        assert_int_equal(scene.counts[0], SHORT_EVENTS);
        scene_destroy(&scene);
}

/* Tokens 1 to 6 block until 9 ran; 8 is the surprise of the last thread, and 9 lies behind it; 7 comes back before. */
static void last_surprise(struct scene *scene, unsigned token) {
        switch (token) {
        case 0:
                if (scene->counts[0] < SHORT_EVENTS) {
                        ring(scene->fds[0]);
                } else {
                        ring(scene->fds[8]);
                        ring(scene->fds[9]);
                }
                return;
        case 7:
                SCENE_REQUIRE(scene, reached(&scene->go.value, 1));
                return;
        case 8:
        case 9:
                if (atomic_fetch_add(&scene->go.value, 1) == 0) {
                        SCENE_REQUIRE(scene, reached(&scene->go.value, 2));
                        weir_crew_stop(scene->crew);
                }
                return;
        default:
                SCENE_REQUIRE(scene, reached(&scene->go.value, 2));
        }
}

static void g14_a_thread_that_comes_back_takes_what_lies_behind_the_last_one(void **state) {
        struct scene scene;

        scene_make(&scene, *state, last_surprise, 10, 8);
        assert_int_equal(weir_crew_run(scene.crew, 8), 0);
        assert_int_equal(scene.counts[8] + scene.counts[9], 2);
        scene_destroy(&scene);
}

/* ---------------------------------------------------------------- threads that join */

static void wait_for_the_other(struct scene *scene, unsigned token) {
        (void)token;
        latch_set(&scene->go);
        SCENE_REQUIRE(scene, reached(&scene->begun, scene->goal));
}

static void join_during_a_call(struct fixture *fx, bool made) {
        struct worker worker;
        struct scene scene;

        scene_make(&scene, fx, wait_for_the_other, 2, 2);
        scene.goal = 2;
        assert_int_equal(weir_crew_start(scene.crew, 1), 0);
        latch_wait(&scene.go);
        if (made)
                assert_int_equal(weir_crew_start(scene.crew, 1), 0);
        else
                worker_start(&worker, scene_work, &scene);
        assert_true(reached(&scene.begun, 2));
        weir_crew_stop(scene.crew);
        if (!made)
                assert_int_equal(worker_join(&worker), 0);
        scene_destroy(&scene);
}

static void g14_thread_that_joins_takes_what_lies_behind_the_call_in_progress(void **state) {
        join_during_a_call(*state, true);
        join_during_a_call(*state, false);
}

/* ---------------------------------------------------------------- each event once; and in turn */

static void count_down(struct scene *scene, unsigned token) {
        if (scene->counts[token] < scene->goal)
                ring(scene->fds[token]);
        else if (atomic_fetch_add(&scene->go.value, 1) + 1 == (int)scene->n_fds)
                weir_crew_stop(scene->crew);
}

static void g14_each_event_goes_to_one_thread(void **state) {
        for (unsigned threads = 1; threads <= 9; threads += 4) {
                struct scene scene;

                scene_make(&scene, *state, count_down, 64, 64);
                scene.goal = 500;
                assert_int_equal(weir_crew_run(scene.crew, threads), 0);
                /* Each ring is taken before the next, so each makes one event. */
                for (unsigned i = 0; i < 64; i++)
                        assert_int_equal(scene.counts[i], 500);
                scene_destroy(&scene);
        }
}

/*
 * Token 1 blocks until 2, which became ready with it, is begun; 3 and up ring themselves meanwhile. So each of their events
 * counted there became ready later than 2.
 */
static atomic_int newer;

static void be_overtaken(struct scene *scene, unsigned token) {
        static atomic_int since;

        switch (token) {
        case 0:
                if (scene->counts[0] < SHORT_EVENTS) {
                        ring(scene->fds[0]);
                        return;
                }
                ring(scene->fds[1]);
                ring(scene->fds[2]);
                for (unsigned i = 3; i < scene->n_fds; i++)
                        ring(scene->fds[i]);
                atomic_store(&since, scene->begun);
                return;
        case 1:
        case 2:
                if (scene->go.value == 0)
                        atomic_store(&since, scene->begun);
                if (atomic_fetch_add(&scene->go.value, 1) == 0) {
                        SCENE_REQUIRE(scene, reached(&scene->go.value, 2));
                } else {
                        atomic_store(&newer, scene->begun - since - 1);
                        weir_crew_stop(scene->crew);
                }
                return;
        default:
                ring(scene->fds[token]);
        }
}

static void g14_no_event_begins_after_too_many_newer_ones(void **state) {
        struct scene scene;

        for (unsigned threads = 2; threads <= 4; threads++) {
                unsigned round = 0;

                /* The thread may lose its processor between the moment at which it begins the event and that at which it says so. */
                do {
                        scene_make(&scene, *state, be_overtaken, 40, 1);
                        assert_int_equal(weir_crew_run(scene.crew, threads), 0);
                        scene_destroy(&scene);
                } while (newer > 64 * (int)threads && ++round < 5);
                assert_in_range(newer, 0, 64 * threads);
        }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g14_two_threads_begin_two_events_of_one_fetch),
                CASE(g14_eight_threads_begin_eight_events),
                CASE(g14_sixty_four_threads_begin_as_many_events),
                CASE(g14_two_threads_begin_two_events_after_idle),
                CASE(g14_eight_threads_begin_eight_events_after_idle),
                CASE(g14_what_lies_behind_a_surprise_in_one_fetch_is_begun),
                CASE(g14_what_comes_during_a_surprise_is_begun),
                CASE(g14_what_comes_during_a_surprise_after_idle_is_begun),
                CASE(g14_the_one_thread_that_is_not_blocked_goes_on),
                CASE(g14_a_thread_that_comes_back_takes_what_lies_behind_the_last_one),
                CASE(g14_thread_that_joins_takes_what_lies_behind_the_call_in_progress),
                CASE(g14_each_event_goes_to_one_thread),
                CASE(g14_no_event_begins_after_too_many_newer_ones),
        };

        return cmocka_run_group_tests_name("g14_shared", cases, NULL, NULL);
}
