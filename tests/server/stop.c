/* SPDX-License-Identifier: MIT */
/* The end of a server: who is told, who is waited for, who is cut, and from where it may be asked for. */
#include "scene.h"

#include <signal.h>

static const struct weir_server_config goes_on = { .stopping = scene_stopping };

static void run_returns_when_the_last_one_has_left(void **state) {
        struct scene scene;
        int first, second;

        (void)state;
        scene_make(&scene, &goes_on);
        first = scene_add(&scene);
        second = scene_add(&scene);
        scene_start(&scene, 2);
        weir_server_stop(scene.server);
        assert_true(reached(&scene.stopping, 2));
        close(first);
        assert_true(reached(&scene.closed, 1));
        say_text(second, "still there");
        hear_text(second, "still there");
        assert_false(atomic_load(&scene.runner.done));
        close(second);
        scene_join(&scene);
        assert_int_equal(scene.stopping, 2);
        assert_int_equal(scene.reason, 0);
        weir_server_destroy(scene.server);
}

/* Without stopping() they are finished: what is queued goes out, then the end. */
static void a_stop_finishes(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, NULL);
        peer = scene_add(&scene);
        assert_int_equal(weir_connection_send(scene.connection, "last", 4), 0);
        weir_server_stop(scene.server);
        scene_start(&scene, 1);
        hear_text(peer, "last");
        hear_end(peer);
        assert_int_equal(scene.closed, 0); /* it waits for the peer to end, too */
        close(peer);
        scene_join(&scene);
        assert_int_equal(scene.reason, 0);
        weir_server_destroy(scene.server);
}

static void stopped_before_the_run(void **state) {
        struct scene scene;

        (void)state;
        scene_make(&scene, NULL);
        weir_server_stop(scene.server);
        assert_int_equal(weir_server_run(scene.server, 3), 0);
        weir_server_destroy(scene.server);
}

static void a_stop_closes_the_listeners(void **state) {
        struct weir_address address;
        struct scene scene;
        int listener, peer;

        (void)state;
        scene_make(&scene, &goes_on);
        assert_int_equal(weir_address_parse("127.0.0.1:0", &address), 0);
        listener = weir_stream_listen(&address, 0);
        assert_int_equal(weir_server_listen(scene.server, listener), 0);
        peer = scene_add(&scene);
        scene_start(&scene, 2);
        weir_server_stop(scene.server);
        assert_true(reached(&scene.stopping, 1));
        assert_true(is_closed(listener));
        close(peer);
        scene_join(&scene);
        weir_server_destroy(scene.server);
}

static void a_second_stop_cuts(void **state) {
        struct scene scene;
        int peers[3];

        (void)state;
        scene_make(&scene, &goes_on);
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i)
                peers[i] = scene_add(&scene);
        scene_start(&scene, 2);
        weir_server_stop(scene.server);
        assert_true(reached(&scene.stopping, ARRAY_LEN(peers)));
        weir_server_stop(scene.server);
        scene_join(&scene);
        assert_int_equal(scene.reason, -ECANCELED);
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i) {
                hear_end(peers[i]);
                close(peers[i]);
        }
        weir_server_destroy(scene.server);
}

/* Also those that are at their end, and wait for the peer. */
static void a_second_stop_cuts_what_lingers(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, NULL);
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        weir_server_stop(scene.server);
        hear_end(peer);
        weir_server_stop(scene.server);
        scene_join(&scene);
        assert_int_equal(scene.reason, -ECANCELED);
        close(peer);
        weir_server_destroy(scene.server);
}

static void the_stop_limit_cuts(void **state) {
        const weir_time limit = 50 * MS;
        struct scene scene;
        weir_time start;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .stopping = scene_stopping, .stop_limit = limit });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(peer, "runs");
        hear_text(peer, "runs");
        start = weir_now();
        weir_server_stop(scene.server);
        hear_end(peer);
        assert_true(weir_now() >= start + limit);
        scene_join(&scene);
        assert_int_equal(scene.stopping, 1);
        assert_int_equal(scene.reason, -ECANCELED);
        close(peer);
        weir_server_destroy(scene.server);
}

/* ---------------------------------------------------------------- stopping() */

static void finish_with_words(struct weir_connection *connection) {
        scene_stopping(connection);
        BROKEN(scene_of(connection), weir_connection_finish(connection, "bye", 3) != 0);
}

static void stopping_finishes_with_last_words(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .stopping = finish_with_words });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        weir_server_stop(scene.server);
        hear_text(peer, "bye");
        hear_end(peer);
        close(peer);
        scene_join(&scene);
        assert_int_equal(scene.reason, 0);
        weir_server_destroy(scene.server);
}

static void cut(struct weir_connection *connection) {
        weir_connection_cut(connection, -EPROTO);
}

static void stopping_may_cut(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .stopping = cut });
        peer = scene_add(&scene);
        scene_start(&scene, 2);
        weir_server_stop(scene.server);
        scene_join(&scene);
        assert_int_equal(scene.reason, -EPROTO);
        hear_end(peer);
        close(peer);
        weir_server_destroy(scene.server);
}

static void finish_itself(struct weir_connection *connection) {
        scene_echo(connection);
        BROKEN(scene_of(connection), weir_connection_finish(connection, NULL, 0) != 0);
}

/* One that is at its end already is not asked to come to it. */
static void stopping_is_not_called_for_one_that_is_finished(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = finish_itself, .stopping = finish_with_words });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(peer, "x");
        hear_text(peer, "x");
        hear_end(peer);
        weir_server_stop(scene.server);
        close(peer);
        scene_join(&scene);
        assert_int_equal(scene.stopping, 0);
        weir_server_destroy(scene.server);
}

/* ---------------------------------------------------------------- from where */

static void stop_in_turn(struct weir_connection *connection) {
        scene_echo(connection);
        weir_server_stop(scene_of(connection)->server);
}

static void stop_inside_a_turn(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = stop_in_turn });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(peer, "stop");
        hear_text(peer, "stop");
        hear_end(peer);
        close(peer);
        scene_join(&scene);
        weir_server_destroy(scene.server);
}

static int opened_stops(struct weir_connection *connection) {
        weir_server_stop(scene_of(connection)->server);
        return scene_opened(connection);
}

static void stop_inside_opened(void **state) {
        struct scene scene;
        int fds[2], r;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .opened = opened_stops });
        make_socketpair(fds);
        r = weir_server_add(scene.server, fds[0]);
        assert_true(r == 0 || r == -ESHUTDOWN);
        close(fds[1]);
        assert_int_equal(weir_server_run(scene.server, 2), 0);
        assert_int_equal(scene.closed, scene.opened);
        weir_server_destroy(scene.server);
}

static struct weir_server *to_stop;

static void stop_it(int number) {
        (void)number;
        errno = EXDEV;
        weir_server_stop(to_stop);
        if (errno != EXDEV)
                to_stop = NULL;
}

static void stop_by_a_signal(void **state) {
        (void)state;
        for (int round = 0; round < 20; ++round) {
                struct sigaction action = { .sa_handler = stop_it }, former;
                struct scene scene;
                int peer;

                scene_make(&scene, NULL);
                to_stop = scene.server;
                assert_int_equal(sigaction(SIGTERM, &action, &former), 0);
                peer = scene_add(&scene);
                scene_start(&scene, 1 + (unsigned)round % 3);
                if (round % 2)
                        worker_settle(&scene.runner);
                if (round % 4 > 1)
                        raise(SIGTERM);
                else
                        pthread_kill(scene.runner.thread, SIGTERM); /* who waits, or is about to */
                hear_end(peer);
                close(peer);
                scene_join(&scene);
                assert_ptr_equal(to_stop, scene.server);
                assert_int_equal(sigaction(SIGTERM, &former, NULL), 0);
                weir_server_destroy(scene.server);
        }
}

static void block(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);

        latch_set(&scene->there);
        latch_wait(&scene->go);
}

static void block_and_echo(struct weir_connection *connection) {
        block(connection);
        scene_echo(connection);
}

/* The others are told; run waits for it. */

static void a_stop_waits_for_a_turn_that_blocks(void **state) {
        struct scene scene;
        int busy, idle;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = block_and_echo });
        busy = scene_add(&scene);
        idle = scene_add(&scene);
        scene_start(&scene, 2);
        say_text(busy, "x");
        latch_wait(&scene.there);
        weir_server_stop(scene.server);
        hear_end(idle);
        close(idle);
        assert_true(reached(&scene.closed, 1));
        assert_false(atomic_load(&scene.runner.done));
        latch_set(&scene.go);
        hear_text(busy, "x");
        hear_end(busy);
        close(busy);
        scene_join(&scene);
        weir_server_destroy(scene.server);
}

/* Also a cut lets the turn come to its end. */
static void a_second_stop_waits_for_a_turn_that_blocks(void **state) {
        struct scene scene;
        int busy;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = block });
        busy = scene_add(&scene);
        scene_start(&scene, 2);
        say_text(busy, "x");
        latch_wait(&scene.there);
        weir_server_stop(scene.server);
        weir_server_stop(scene.server);
        assert_int_equal(scene.closed, 0);
        latch_set(&scene.go);
        /* Both stops may have been seen as one. */
        close(busy);
        scene_join(&scene);
        weir_server_destroy(scene.server);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(run_returns_when_the_last_one_has_left),
                CASE(a_stop_finishes),
                CASE(stopped_before_the_run),
                CASE(a_stop_closes_the_listeners),
                CASE(a_second_stop_cuts),
                CASE(a_second_stop_cuts_what_lingers),
                CASE(the_stop_limit_cuts),
                CASE(stopping_finishes_with_last_words),
                CASE(stopping_may_cut),
                CASE(stopping_is_not_called_for_one_that_is_finished),
                CASE(stop_inside_a_turn),
                CASE(stop_inside_opened),
                CASE(stop_by_a_signal),
                CASE(a_stop_waits_for_a_turn_that_blocks),
                CASE(a_second_stop_waits_for_a_turn_that_blocks),
        };

        return cmocka_run_group_tests_name("stop", cases, NULL, NULL);
}
