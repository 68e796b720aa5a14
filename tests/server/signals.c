/* SPDX-License-Identifier: MIT */
/* Signals stop the server, as calls of weir_server_stop() do, and whatever its threads are doing. */
#include "scene.h"

#include <signal.h>

static const int usual[] = { SIGTERM, SIGINT };

static void a_signal_stops(void **state) {
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(usual); ++i) {
                struct scene scene;
                int peer;

                scene_make(&scene, NULL);
                assert_int_equal(weir_server_stop_on(scene.server, NULL, 0), 0);
                peer = scene_add(&scene);
                scene_start(&scene, 3);
                assert_int_equal(kill(getpid(), usual[i]), 0);
                hear_end(peer);
                close(peer);
                scene_join(&scene);
                weir_server_destroy(scene.server);
        }
}

static void a_second_one_cuts(void **state) {
        struct weir_server_config config = { .stopping = scene_stopping };
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &config);
        assert_int_equal(weir_server_stop_on(scene.server, usual, 2), 0);
        peer = scene_add(&scene);
        scene_start(&scene, 2);
        assert_int_equal(kill(getpid(), SIGINT), 0);
        assert_true(reached(&scene.stopping, 1));
        assert_int_equal(kill(getpid(), SIGTERM), 0);
        hear_end(peer);
        close(peer);
        scene_join(&scene);
        assert_int_equal(scene.reason, -ECANCELED);
        weir_server_destroy(scene.server);
}

/* They are blocked from then on: one that comes after the end does nothing to the process. */
static void they_stay_blocked(void **state) {
        sigset_t now, terminate;
        struct timespec none = { 0, 0 };
        struct scene scene;

        (void)state;
        scene_make(&scene, NULL);
        assert_int_equal(weir_server_stop_on(scene.server, usual, 2), 0);
        weir_server_destroy(scene.server);
        assert_int_equal(kill(getpid(), SIGTERM), 0);
        assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
        assert_true(sigismember(&now, SIGTERM) && sigismember(&now, SIGINT));
        sigemptyset(&terminate);
        sigaddset(&terminate, SIGTERM);
        assert_int_equal(sigtimedwait(&terminate, NULL, &none), SIGTERM);
}

static void it_is_refused(void **state) {
        const int others[] = { SIGUSR1, SIGUSR2 }, none[] = { SIGUSR1, 0 };
        struct scene scene;
        sigset_t now;

        (void)state;
        scene_make(&scene, NULL);
        assert_int_equal(weir_server_stop_on(NULL, others, 2), -EINVAL);
        assert_int_equal(weir_server_stop_on(scene.server, none, 2), -EINVAL);
        assert_int_equal(weir_server_stop_on(scene.server, others, 0), -EINVAL);
        assert_int_equal(weir_server_stop_on(scene.server, NULL, 1), -EINVAL);
        assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
        assert_false(sigismember(&now, SIGUSR1));
        assert_int_equal(weir_server_stop_on(scene.server, others, 2), 0);
        assert_int_equal(weir_server_stop_on(scene.server, others, 2), -EEXIST);
        weir_server_destroy(scene.server);
        assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
        assert_true(sigismember(&now, SIGUSR1));
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(a_signal_stops),
                CASE(a_second_one_cuts),
                CASE(they_stay_blocked),
                CASE(it_is_refused),
        };

        return cmocka_run_group_tests_name("signals", cases, NULL, NULL);
}
