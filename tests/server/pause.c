/* SPDX-License-Identifier: MIT */
/* A connection that waits for an answer of somebody else: it is not read, and does not expire, until it is resumed. */
#include "scene.h"

static void pause_after_one(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);
        char byte;

        atomic_fetch_add(&scene->turns, 1);
        if (weir_connection_read(connection, &byte, 1) == 1) {
                weir_connection_pause(connection);
                atomic_fetch_add(&scene->bytes, 1); /* from here on it may be resumed */
        }
}

static const struct weir_server_config pausing = { .readable = pause_after_one, .stopping = scene_stopping };

/* Another connection shows that the paused one had time. */
static void pass_time(struct scene *scene, int other) {
        (void)scene;
        for (int i = 0; i < 20; ++i) {
                put(other);
                (void)polls_readable(other, 1);
        }
}

static void null_is_taken_quietly(void **state) {
        (void)state;
        weir_connection_pause(NULL);
        weir_connection_resume(NULL);
}

static void what_is_paused_is_not_read_until_it_is_resumed(void **state) {
        struct weir_connection *connection;
        struct scene scene;
        int peer, other;

        (void)state;
        scene_make(&scene, &pausing);
        other = scene_add(&scene);
        peer = scene_add(&scene);
        connection = scene.connection;
        scene_start(&scene, 2);
        say_text(peer, "12345");
        assert_true(reached(&scene.bytes, 1));
        for (int i = 1; i <= 5; ++i) {
                assert_true(reached(&scene.bytes, i));
                pass_time(&scene, other); /* which is paused, too, after its first byte */
                assert_in_range(scene.bytes, i, i + 1);
                weir_connection_resume(connection);
        }
        assert_true(reached(&scene.bytes, 6));
        say_text(peer, "6"); /* while it waits for it */
        assert_true(reached(&scene.bytes, 7));
        close(peer);
        weir_connection_resume(connection);
        assert_true(reached(&scene.closed, 1)); /* the end was not seen while it was paused */
        close(other);
        weir_server_stop(scene.server);
        assert_true(reached(&scene.stopping, 1));
        weir_server_stop(scene.server);
        scene_join(&scene);
        weir_server_destroy(scene.server);
}

static void what_is_paused_sends_and_is_finished(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &pausing);
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(peer, "unread");
        assert_true(reached(&scene.bytes, 1));
        assert_int_equal(weir_connection_send(scene.connection, "answer", 6), 0);
        hear_text(peer, "answer");
        assert_int_equal(weir_connection_finish(scene.connection, "bye", 3), 0);
        hear_text(peer, "bye");
        hear_end(peer);
        close(peer);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, 0);
        assert_int_equal(scene.bytes, 1);
        scene_end(&scene);
}

static void what_is_paused_is_cut_and_stopped(void **state) {
        struct scene scene;
        int first, second;

        (void)state;
        scene_make(&scene, &pausing);
        first = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(first, "x");
        assert_true(reached(&scene.bytes, 1));
        weir_connection_cut(scene.connection, -EPERM);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, -EPERM);
        close(first);

        second = scene_add(&scene);
        say_text(second, "x");
        assert_true(reached(&scene.bytes, 2));
        weir_server_stop(scene.server);
        assert_true(reached(&scene.stopping, 1));
        weir_connection_cut(scene.connection, -EPROTO);
        scene_join(&scene);
        assert_int_equal(scene.reason, -EPROTO);
        close(second);
        weir_server_destroy(scene.server);
}

static void what_is_paused_does_not_expire(void **state) {
        struct weir_server_config config = pausing;
        struct scene scene;
        weir_time resumed;
        int peer;

        (void)state;
        config.idle_limit = 40 * MS;
        scene_make(&scene, &config);
        peer = scene_add(&scene);
        put(peer);
        scene_start(&scene, 1);
        assert_true(reached(&scene.bytes, 1));
        (void)polls_readable(peer, 100); /* the end, if it expires */
        assert_false(polls_readable(peer, 0));
        resumed = weir_now();
        weir_connection_resume(scene.connection);
        hear_end(peer);
        assert_true(weir_now() >= resumed + 40 * MS);
        close(peer);
        scene_end(&scene);
}

static int open_paused(struct weir_connection *connection) {
        weir_connection_pause(connection);
        return scene_opened(connection);
}

/* Until something is known of it, for instance. */
static void opened_may_pause(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .opened = open_paused });
        peer = scene_add(&scene);
        say_text(peer, "early");
        scene_start(&scene, 1);
        assert_int_equal(weir_connection_send(scene.connection, "wait", 4), 0);
        hear_text(peer, "wait");
        assert_int_equal(scene.turns, 0);
        weir_connection_resume(scene.connection);
        hear_text(peer, "early");
        close(peer);
        scene_end(&scene);
}

/* A worker that answers at once: its resume may come before the turn that paused is at its end. */
static int resume_at_once(void *arg) {
        struct scene *scene = arg;

        for (int i = 1; i <= 2000; ++i) {
                REQUIRE(reached(&scene->bytes, i));
                weir_connection_resume(scene->connection);
        }
        return 0;
}

static void a_resume_during_the_turn_is_not_lost(void **state) {
        static const char bytes[2001];
        struct worker worker;
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = pause_after_one });
        peer = scene_add(&scene);
        scene_start(&scene, 2);
        worker_start(&worker, resume_at_once, &scene);
        say(peer, bytes, sizeof bytes);
        assert_int_equal(worker_join(&worker), 0);
        close(peer);
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(null_is_taken_quietly),
                CASE(what_is_paused_is_not_read_until_it_is_resumed),
                CASE(what_is_paused_sends_and_is_finished),
                CASE(what_is_paused_is_cut_and_stopped),
                CASE(what_is_paused_does_not_expire),
                CASE(opened_may_pause),
                CASE(a_resume_during_the_turn_is_not_lost),
        };

        return cmocka_run_group_tests_name("pause", cases, NULL, NULL);
}
