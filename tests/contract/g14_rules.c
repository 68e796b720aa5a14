/* SPDX-License-Identifier: MIT */
/*
 * G14: what a crew refuses, what a handler may count on, what an idle one costs, and what is left of it in a forked child.
 */
#include "scene.h"

#include <sys/wait.h>

static void nothing(struct scene *scene, unsigned token) {
        (void)scene;
        (void)token;
}

/* ---------------------------------------------------------------- errors */

static void g14_bad_arguments_are_refused(void **state) {
        struct fixture *fx = *state;
        struct weir_crew *crew = NULL;

        assert_int_equal(weir_crew_create(NULL, scene_serve, NULL, &crew), -EINVAL);
        assert_int_equal(weir_crew_create(fx->poll, NULL, NULL, &crew), -EINVAL);
        assert_int_equal(weir_crew_create(fx->poll, scene_serve, NULL, NULL), -EINVAL);
        assert_null(crew);
        assert_int_equal(weir_crew_run(NULL, 1), -EINVAL);
        assert_int_equal(weir_crew_start(NULL, 1), -EINVAL);
        assert_int_equal(weir_crew_work(NULL), -EINVAL);
}

static void g14_poll_has_one_crew_at_a_time(void **state) {
        struct fixture *fx = *state;
        struct weir_crew *other = NULL;
        struct scene scene;

        scene_make(&scene, fx, nothing, 1, 0);
        assert_int_equal(weir_crew_create(fx->poll, scene_serve, NULL, &other), -EBUSY);
        assert_null(other);
        weir_crew_stop(scene.crew);
        assert_int_equal(weir_crew_create(fx->poll, scene_serve, NULL, &other), -EBUSY);
        scene_destroy(&scene);
        assert_int_equal(weir_crew_create(fx->poll, scene_serve, NULL, &other), 0);
        weir_crew_destroy(other);
}

static void g14_plain_wait_is_refused_while_a_crew_has_threads(void **state) {
        struct fixture *fx = *state;
        struct scene scene;

        scene_make(&scene, fx, nothing, 1, 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(weir_crew_start(scene.crew, 2), 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), -EBUSY);
        ring(scene.fds[0]);
        assert_true(reached(&scene.begun, 1));
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), -EBUSY);
        weir_crew_stop(scene.crew);
        expect_threads(1);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        scene_destroy(&scene);
}

static void g14_crew_is_refused_while_a_thread_waits(void **state) {
        struct fixture *fx = *state;
        struct waiter waiter;
        struct scene scene;

        scene_make(&scene, fx, nothing, 1, 0);
        waiter_start(&waiter, fx->poll);
        assert_int_equal(weir_crew_start(scene.crew, 1), -EBUSY);
        assert_int_equal(weir_crew_work(scene.crew), -EBUSY);
        assert_int_equal(weir_crew_run(scene.crew, 2), -EBUSY);
        assert_int_equal(weir_poll_interrupt(fx->poll), 0);
        assert_int_equal(waiter_join(&waiter), -EINTR);
        assert_int_equal(weir_crew_start(scene.crew, 1), 0);
        scene_destroy(&scene);
}

static void wait_inside(struct scene *scene, unsigned token) {
        struct weir_events *events = NULL;

        (void)token;
        SCENE_REQUIRE(scene, weir_events_create(1, &events) == 0);
        SCENE_REQUIRE(scene, wait_ms(scene->poll, events, 0) == -EDEADLK);
        SCENE_REQUIRE(scene, weir_crew_work(scene->crew) == -EDEADLK);
        SCENE_REQUIRE(scene, weir_crew_run(scene->crew, 2) == -EDEADLK);
        SCENE_REQUIRE(scene, weir_synchronize(scene->registry) == -EDEADLK);
        weir_events_destroy(events);
        weir_crew_stop(scene->crew);
        SCENE_REQUIRE(scene, weir_crew_start(scene->crew, 1) == -ECANCELED);
}

static void g14_handler_may_not_wait_for_itself(void **state) {
        struct scene scene;

        scene_make(&scene, *state, wait_inside, 1, 1);
        assert_int_equal(weir_crew_run(scene.crew, 2), 0);
        assert_int_equal(scene.begun, 1);
        scene_destroy(&scene);
}

static struct scene *outer_scene;

static void work_elsewhere(struct scene *scene, unsigned token) {
        (void)token;
        if (scene != outer_scene) {
                weir_crew_stop(scene->crew);
                return;
        }
        /* On this thread another crew works meanwhile. */
        SCENE_REQUIRE(scene, weir_crew_work(scene[1].crew) == 0);
        SCENE_REQUIRE(scene, weir_crew_work(scene->crew) == -EDEADLK);
        weir_crew_stop(scene->crew);
}

static void g14_handler_may_work_for_another_crew(void **state) {
        struct fixture other = { 0 };
        struct scene scenes[2];

        assert_int_equal(weir_poll_create(&other.poll), 0);
        scene_make(&scenes[0], *state, work_elsewhere, 1, 1);
        scene_make(&scenes[1], &other, work_elsewhere, 1, 1);
        outer_scene = &scenes[0];
        assert_int_equal(weir_crew_run(scenes[0].crew, 1), 0);
        scene_destroy(&scenes[1]);
        scene_destroy(&scenes[0]);
        weir_poll_destroy(other.poll);
}

/* ---------------------------------------------------------------- what a handler may count on */

struct payload {
        struct weir_deferred node;
        struct scene *scene;
};

static void count_run(struct weir_deferred *node) {
        struct payload *payload = (struct payload *)node;

        latch_set(&payload->scene->go);
        weir_crew_stop(payload->scene->crew);
}

static void defer_one(struct scene *scene, unsigned token) {
        static struct payload payload;

        (void)token;
        payload.scene = scene;
        weir_defer(scene->registry, &payload.node, count_run);
        SCENE_REQUIRE(scene, !latch_is_set(&scene->go));
}

static void g6_deferred_function_waits_for_the_call_in_progress(void **state) {
        struct scene scene;

        for (unsigned threads = 1; threads <= 3; threads += 2) {
                scene_make(&scene, *state, defer_one, 1, 1);
                assert_int_equal(weir_crew_run(scene.crew, threads), 0);
                assert_true(latch_is_set(&scene.go));
                scene_destroy(&scene);
        }
}

static pthread_t main_thread;

static void look_at_signals(struct scene *scene, unsigned token) {
        sigset_t set;

        pthread_sigmask(SIG_SETMASK, NULL, &set);
        if (!pthread_equal(pthread_self(), main_thread)) {
                SCENE_REQUIRE(scene,
                              sigismember(&set, SIGINT) && sigismember(&set, SIGTERM) && sigismember(&set, SIGUSR1));
                latch_set(&scene->go);
                weir_crew_stop(scene->crew);
        } else {
                SCENE_REQUIRE(scene, !sigismember(&set, SIGINT));
                ring(scene->fds[token]);
                SCENE_REQUIRE(scene, reached(&scene->begun, 2));
        }
}

static void g14_made_threads_block_all_signals(void **state) {
        struct scene scene;

        main_thread = pthread_self();
        scene_make(&scene, *state, look_at_signals, 2, 2);
        assert_int_equal(weir_crew_run(scene.crew, 2), 0);
        assert_true(latch_is_set(&scene.go));
        scene_destroy(&scene);
}

static void be_cancelled(struct scene *scene, unsigned token) {
        (void)token;
        pthread_cancel(pthread_self());
        pthread_testcancel();
        latch_set(&scene->go);
        weir_crew_stop(scene->crew);
}

static void *work_and_end(void *arg) {
        struct scene *scene = arg;

        weir_crew_work(scene->crew);
        atomic_fetch_add(&scene->go.value, 1);
        pthread_testcancel();
        return NULL;
}

static void g14_handler_is_not_cancelled(void **state) {
        struct scene scene;
        pthread_t thread;
        void *result;

        scene_make(&scene, *state, be_cancelled, 1, 1);
        assert_int_equal(pthread_create(&thread, NULL, work_and_end, &scene), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_int_equal(scene.go.value, 2);
        assert_ptr_equal(result, PTHREAD_CANCELED);
        scene_destroy(&scene);
}

/* ---------------------------------------------------------------- as many threads as asked for */

static void count_workers(struct scene *scene, unsigned token) {
        (void)token;
        if (scene->goal > 0)
                SCENE_REQUIRE(scene, reached(&scene->begun, scene->goal));
        weir_crew_stop(scene->crew);
}

static void g14_run_without_a_number_has_a_thread_for_each_processor(void **state) {
        cpu_set_t former, one;
        struct scene scene;
        int count;

        assert_int_equal(sched_getaffinity(0, sizeof former, &former), 0);
        count = CPU_COUNT(&former);
        scene_make(&scene, *state, count_workers, (unsigned)count, (unsigned)count);
        scene.goal = count;
        assert_int_equal(weir_crew_run(scene.crew, 0), 0);
        scene_destroy(&scene);

        CPU_ZERO(&one);
        for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
                if (CPU_ISSET(i, &former))
                        CPU_SET(i, &one);
        assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
        scene_make(&scene, *state, nothing, 1, 0);
        assert_int_equal(weir_crew_start(scene.crew, 0), 0);
        assert_int_equal(count_threads(), 2);
        assert_int_equal(sched_setaffinity(0, sizeof former, &former), 0);
        scene_destroy(&scene);
}

/* ---------------------------------------------------------------- an idle crew */

/* Context switches of all threads but this one, the voluntary and the others. */
static uint64_t count_switches(void) {
        DIR *dir = opendir("/proc/self/task");
        struct dirent *entry;
        uint64_t sum = 0, number;
        char path[300], line[256];

        while (dir && (entry = readdir(dir))) {
                FILE *file;

                if (entry->d_name[0] == '.' || atoi(entry->d_name) == getpid())
                        continue;
                snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
                file = fopen(path, "r");
                while (file && fgets(line, sizeof line, file))
                        if (sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &number) == 1 ||
                            sscanf(line, "nonvoluntary_ctxt_switches: %" SCNu64, &number) == 1)
                                sum += number;
                if (file)
                        fclose(file);
        }
        if (dir)
                closedir(dir);
        return sum;
}

/* Each thread sleeps in one call, which it would leave and enter again with a switch; so none makes a call. */
static void expect_idle(void) {
        uint64_t before, after, end = now_ns() + DEADLINE_MS * UINT64_C(1000000);

        if (SCENE_STRANGERS)
                return;
        do {
                before = count_switches();
                sleep_ms(300);
                after = count_switches();
        } while (before != after && now_ns() < end);
        assert_int_equal(before, after);
}

static void g14_idle_crew_makes_no_system_call(void **state) {
        for (unsigned threads = 1; threads <= 8; threads += 7) {
                struct scene scene;

                scene_make(&scene, *state, nothing, 64, 64);
                assert_int_equal(weir_crew_start(scene.crew, threads), 0);
                assert_true(reached(&scene.begun, 64));
                expect_idle();
                for (int i = 0; i < 64; i++)
                        ring(scene.fds[i]);
                assert_true(reached(&scene.begun, 128));
                expect_idle();
                scene_destroy(&scene);
        }
}

static void block(struct scene *scene, unsigned token) {
        (void)token;
        latch_wait(&scene->go);
}

/* latch_wait() yields, which counts as a switch; so the blocked one sleeps in the kernel instead. */
static int blocker[2];

static void block_in_the_kernel(struct scene *scene, unsigned token) {
        char byte;

        (void)scene;
        (void)token;
        while (read(blocker[0], &byte, 1) < 0 && errno == EINTR)
                ;
}

static void g14_crew_with_a_thread_blocked_in_a_call_falls_idle(void **state) {
        struct scene scene;

        assert_int_equal(pipe(blocker), 0);
        scene_make(&scene, *state, block_in_the_kernel, 2, 2);
        assert_int_equal(weir_crew_start(scene.crew, 4), 0);
        assert_true(reached(&scene.begun, 2));
        expect_idle();
        close(blocker[1]);
        scene_destroy(&scene);
        close(blocker[0]);
}

/* ---------------------------------------------------------------- fork */

static int use_in_child(void *arg) {
        struct scene *scene = arg;
        struct weir_crew *other = NULL;

        REQUIRE(weir_crew_create(scene->poll, scene_serve, NULL, &other) == -ECHILD);
        REQUIRE(weir_crew_run(scene->crew, 1) == -ECHILD);
        REQUIRE(weir_crew_start(scene->crew, 1) == -ECHILD);
        REQUIRE(weir_crew_work(scene->crew) == -ECHILD);
        weir_crew_stop(scene->crew);
        REQUIRE(weir_crew_work(scene->crew) == -ECHILD);
        /* Thread sanitizer does not know that the other threads, whose memory this frees, are not here. */
        if (!SCENE_STRANGERS)
                weir_crew_destroy(scene->crew);
        return 0;
}

static void g11_child_has_no_crew(void **state) {
        struct scene scene;

        scene_make(&scene, *state, block, 2, 2);
        assert_int_equal(run_child(use_in_child, &scene), 0);
        assert_int_equal(weir_crew_start(scene.crew, 3), 0);
        assert_true(reached(&scene.begun, 2));
        assert_int_equal(run_child(use_in_child, &scene), 0);
        latch_set(&scene.go);
        weir_crew_stop(scene.crew);
        expect_threads(1);
        /* Nor that a thread which has ended, and will be joined, is no leak in the child. */
        if (!SCENE_STRANGERS)
                assert_int_equal(run_child(use_in_child, &scene), 0);
        scene_destroy(&scene);
}

static void fork_inside(struct scene *scene, unsigned token) {
        pid_t child = fork();
        int status = 0;

        (void)token;
        if (child == 0) {
                sigset_t none;

                sigemptyset(&none);
                pthread_sigmask(SIG_SETMASK, &none, NULL);
                alarm(DEADLINE_MS / 1000 / 2);
                _exit(use_in_child(scene) == 0 ? 7 : 1);
        }
        SCENE_REQUIRE(scene, child > 0 && waitpid(child, &status, 0) == child);
        SCENE_REQUIRE(scene, WIFEXITED(status) && WEXITSTATUS(status) == 7);
        weir_crew_stop(scene->crew);
}

static void g11_handler_forks(void **state) {
        struct scene scene;

        scene_make(&scene, *state, fork_inside, 2, 2);
        assert_int_equal(weir_crew_run(scene.crew, 3), 0);
        scene_destroy(&scene);
}

static void fork_while_awaited(struct scene *scene, unsigned token) {
        latch_wait(&scene->go);
        fork_inside(scene, token);
}

static int destroy_it(void *arg) {
        struct scene *scene = arg;

        weir_crew_destroy(scene->crew);
        return 0;
}

/* In the child, the thread that waits for the others is not there, and what it waits on must not wait for it. */
static void g11_child_frees_a_crew_whose_end_a_thread_waits_for(void **state) {
        struct worker worker;
        struct scene scene;

        scene_make(&scene, *state, fork_while_awaited, 1, 1);
        assert_int_equal(weir_crew_start(scene.crew, 2), 0);
        assert_true(reached(&scene.begun, 1));
        worker_start(&worker, destroy_it, &scene);
        worker_settle(&worker);
        latch_set(&scene.go);
        assert_int_equal(worker_join(&worker), 0);
        expect_threads(1);
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g14_bad_arguments_are_refused),
                CASE(g14_poll_has_one_crew_at_a_time),
                CASE(g14_plain_wait_is_refused_while_a_crew_has_threads),
                CASE(g14_crew_is_refused_while_a_thread_waits),
                CASE(g14_handler_may_not_wait_for_itself),
                CASE(g14_handler_may_work_for_another_crew),
                CASE(g6_deferred_function_waits_for_the_call_in_progress),
                CASE(g14_made_threads_block_all_signals),
                CASE(g14_handler_is_not_cancelled),
                CASE(g14_run_without_a_number_has_a_thread_for_each_processor),
                CASE(g14_idle_crew_makes_no_system_call),
                CASE(g14_crew_with_a_thread_blocked_in_a_call_falls_idle),
                CASE(g11_child_has_no_crew),
                CASE(g11_handler_forks),
                CASE(g11_child_frees_a_crew_whose_end_a_thread_waits_for),
        };

        return cmocka_run_group_tests_name("g14_rules", cases, NULL, NULL);
}
