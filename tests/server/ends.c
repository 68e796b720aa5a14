/* SPDX-License-Identifier: MIT */
/* How a connection ends: by the program, by its peer, by an error; and that the last words arrive. */
#include "scene.h"

/* Reads one byte, and leaves what else has come. */
static void finish_at_once(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);
        char byte;

        atomic_fetch_add(&scene->turns, 1);
        BROKEN(scene, weir_connection_read(connection, &byte, 1) != 1);
        BROKEN(scene, weir_connection_finish(connection, "good bye", 8) != 0);
        BROKEN(scene, weir_connection_read(connection, &byte, 1) != -ESHUTDOWN);
        BROKEN(scene, weir_connection_send(connection, "x", 1) != -ESHUTDOWN);
        BROKEN(scene, weir_connection_finish(connection, "x", 1) != -ESHUTDOWN);
}

/* A close(2) on unread input would reset the connection, and take the words along. */
static void last_words_arrive_though_input_is_unread(void **state) {
        static const char unread[100000];

        (void)state;
        for (int tcp = 0; tcp < 2; ++tcp) {
                struct scene scene;
                int peer;

                scene_make(&scene, &(struct weir_server_config){ .readable = finish_at_once });
                peer = tcp ? scene_add_tcp(&scene) : scene_add(&scene);
                scene_start(&scene, 2);
                say(peer, unread, sizeof unread);
                say(peer, unread, sizeof unread);
                hear_text(peer, "good bye");
                hear_end(peer);
                say(peer, unread, sizeof unread); /* after the end, too */
                assert_int_equal(scene.closed, 0);
                close(peer);
                assert_true(reached(&scene.closed, 1));
                assert_int_equal(scene.reason, 0);
                assert_int_equal(scene.turns, 1);
                scene_end(&scene);
        }
}

static void send_all_and_finish(struct weir_connection *connection) {
        static const char bytes[60000], words[500000];
        struct scene *scene = scene_of(connection);
        char byte;

        BROKEN(scene, weir_connection_read(connection, &byte, 1) != 1);
        BROKEN(scene, weir_connection_send(connection, bytes, sizeof bytes) != 0);
        BROKEN(scene, weir_connection_finish(connection, words, sizeof words) != 0);
        latch_set(&scene->there);
}

/* More than the sockets hold. */
static void what_is_queued_goes_out_before_the_end(void **state) {
        static char heard[60000 + 500000];

        (void)state;
        for (int tcp = 0; tcp < 2; ++tcp) {
                struct scene scene;
                int peer;

                scene_make(&scene, &(struct weir_server_config){ .readable = send_all_and_finish });
                peer = tcp ? scene_add_tcp(&scene) : scene_add(&scene);
                scene_start(&scene, 1);
                say_text(peer, "go, and leave this unread");
                latch_wait(&scene.there);
                say_text(peer, "more");
                assert_int_equal(hear(peer, heard, sizeof heard), sizeof heard);
                hear_end(peer);
                close(peer);
                scene_end(&scene);
                assert_int_equal(scene.reason, 0);
        }
}

static void the_limit_does_not_count_for_last_words(void **state) {
        struct scene scene;
        char heard[10];
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .output_limit = 4 });
        peer = scene_add(&scene);
        assert_int_equal(weir_connection_send(scene.connection, "full", 4), 0);
        assert_int_equal(weir_connection_finish(scene.connection, " & bye", 6), 0);
        scene_start(&scene, 1);
        assert_int_equal(hear(peer, heard, sizeof heard), sizeof heard);
        assert_memory_equal(heard, "full & bye", sizeof heard);
        hear_end(peer);
        close(peer);
        scene_end(&scene);
}

static void another_thread_finishes(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, NULL);
        peer = scene_add(&scene);
        scene_start(&scene, 2);
        say_text(peer, "idle from now on");
        hear_text(peer, "idle from now on");
        assert_int_equal(weir_connection_finish(scene.connection, "bye", 3), 0);
        assert_int_equal(weir_connection_send(scene.connection, "x", 1), -ESHUTDOWN);
        hear_text(peer, "bye");
        hear_end(peer);
        close(peer);
        scene_end(&scene);
        assert_int_equal(scene.reason, 0);
}

/* ---------------------------------------------------------------- cut */

static void the_reason_of_a_cut_is_told(void **state) {
        const int reasons[][2] = {
                { -EPROTO, -EPROTO }, { -ETIMEDOUT, -ETIMEDOUT }, { 0, -ECANCELED }, { 5, -ECANCELED }
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(reasons); ++i) {
                struct scene scene;
                int peer;

                scene_make(&scene, NULL);
                peer = scene_add(&scene);
                scene_start(&scene, 1 + i % 2);
                assert_int_equal(weir_connection_send(scene.connection, "may be lost", 11), 0);
                weir_connection_cut(scene.connection, reasons[i][0]);
                assert_true(reached(&scene.closed, 1));
                assert_int_equal(scene.reason, reasons[i][1]);
                close(peer);
                scene_end(&scene);
        }
}

static void cut_twice(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);
        char byte;

        weir_connection_cut(connection, -EPROTO);
        weir_connection_cut(connection, -EPERM);
        BROKEN(scene, weir_connection_read(connection, &byte, 1) != -ESHUTDOWN);
        BROKEN(scene, weir_connection_send(connection, "x", 1) != -ESHUTDOWN);
        BROKEN(scene, weir_connection_finish(connection, "x", 1) != -ESHUTDOWN);
        BROKEN(scene, scene->closed);
}

static void the_first_cut_counts_and_waits_for_the_turn(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = cut_twice });
        peer = scene_add(&scene);
        scene_start(&scene, 2);
        put(peer);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, -EPROTO);
        close(peer);
        scene_end(&scene);
}

static void send_and_cut(struct weir_connection *connection) {
        char byte;

        BROKEN(scene_of(connection), weir_connection_read(connection, &byte, 1) != 1);
        BROKEN(scene_of(connection), weir_connection_send(connection, "secret", 6) != 0);
        weir_connection_cut(connection, -EPROTO);
}

/* Also where the peer has ended already, and the connection would be over by itself. */
static void a_cut_in_the_turn_sends_nothing(void **state) {
        (void)state;
        for (int ended = 0; ended < 2; ++ended) {
                struct scene scene;
                int peer;

                scene_make(&scene, &(struct weir_server_config){ .readable = send_and_cut });
                peer = scene_add(&scene);
                put(peer);
                if (ended)
                        assert_int_equal(shutdown(peer, SHUT_WR), 0);
                scene_start(&scene, 1);
                hear_end(peer);
                close(peer);
                assert_true(reached(&scene.closed, 1));
                assert_int_equal(scene.reason, -EPROTO);
                scene_end(&scene);
        }
}

static void what_lingers_is_cut(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = finish_at_once });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        put(peer);
        hear_text(peer, "good bye");
        hear_end(peer);
        weir_connection_cut(scene.connection, -EPERM);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, -EPERM);
        close(peer);
        scene_end(&scene);
}

/* While its output is blocked, and nothing comes. */
static void what_is_blocked_is_cut(void **state) {
        static const char bytes[2000000];
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .output_limit = sizeof bytes });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        assert_int_equal(weir_connection_send(scene.connection, bytes, sizeof bytes), 0);
        assert_true(polls_readable(peer, DEADLINE_MS));
        weir_connection_cut(scene.connection, -EPERM);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, -EPERM);
        close(peer);
        scene_end(&scene);
}

/* ---------------------------------------------------------------- the peer */

static void a_half_close_still_gets_the_answer(void **state) {
        (void)state;
        for (int tcp = 0; tcp < 2; ++tcp) {
                struct scene scene;
                int peer;

                scene_make(&scene, NULL);
                peer = tcp ? scene_add_tcp(&scene) : scene_add(&scene);
                say_text(peer, "request");
                assert_int_equal(shutdown(peer, SHUT_WR), 0);
                scene_start(&scene, 1);
                hear_text(peer, "request");
                hear_end(peer);
                assert_true(reached(&scene.closed, 1)); /* both have ended */
                assert_int_equal(scene.reason, 0);
                close(peer);
                scene_end(&scene);
        }
}

static void answer_at_the_end(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);
        char bytes[16];
        ssize_t n;

        while ((n = weir_connection_read(connection, bytes, sizeof bytes)) > 0)
                ;
        if (n != 0)
                return;
        BROKEN(scene, weir_connection_send(connection, "all ", 4) != 0);
        BROKEN(scene, weir_connection_finish(connection, "read", 4) != 0);
}

static void the_end_can_be_answered_in_its_turn(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = answer_at_the_end });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(peer, "request");
        assert_int_equal(shutdown(peer, SHUT_WR), 0);
        hear_text(peer, "all read");
        hear_end(peer);
        close(peer);
        scene_end(&scene);
        assert_int_equal(scene.reason, 0);
}

static void read_the_error(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);
        char bytes[16];
        ssize_t n;

        while ((n = weir_connection_read(connection, bytes, sizeof bytes)) > 0)
                ;
        if (n != -EAGAIN)
                atomic_store(&scene->bytes, (int)n);
}

static void a_reset_is_told(void **state) {
        const struct linger at_once = { .l_onoff = 1 };
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = read_the_error });
        peer = scene_add_tcp(&scene);
        scene_start(&scene, 1);
        assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
        close(peer);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, -ECONNRESET);
        assert_int_equal(scene.bytes, -ECONNRESET);
        scene_end(&scene);
}

/* No SIGPIPE, which would end the program. */
static void a_peer_that_reads_no_more_is_told(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, NULL);
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        assert_int_equal(shutdown(peer, SHUT_RD), 0);
        assert_int_equal(weir_connection_send(scene.connection, "x", 1), 0);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, -EPIPE);
        close(peer);
        scene_end(&scene);
}

static int finish_in_opened(struct weir_connection *connection) {
        BROKEN(scene_of(connection), weir_connection_finish(connection, "busy", 4) != 0);
        return scene_opened(connection);
}

static int cut_in_opened(struct weir_connection *connection) {
        weir_connection_cut(connection, -EBUSY);
        return scene_opened(connection);
}

static void opened_may_finish(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .opened = finish_in_opened });
        scene_start(&scene, 1);
        peer = scene_add(&scene);
        say_text(peer, "request");
        hear_text(peer, "busy");
        hear_end(peer);
        close(peer);
        scene_end(&scene);
        assert_int_equal(scene.turns, 0);
        assert_int_equal(scene.reason, 0);
}

static void opened_may_cut(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .opened = cut_in_opened });
        scene_start(&scene, 1);
        peer = scene_add(&scene);
        hear_end(peer);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, -EBUSY);
        close(peer);
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(last_words_arrive_though_input_is_unread),
                CASE(what_is_queued_goes_out_before_the_end),
                CASE(the_limit_does_not_count_for_last_words),
                CASE(another_thread_finishes),
                CASE(the_reason_of_a_cut_is_told),
                CASE(the_first_cut_counts_and_waits_for_the_turn),
                CASE(a_cut_in_the_turn_sends_nothing),
                CASE(what_lingers_is_cut),
                CASE(what_is_blocked_is_cut),
                CASE(a_half_close_still_gets_the_answer),
                CASE(the_end_can_be_answered_in_its_turn),
                CASE(a_reset_is_told),
                CASE(a_peer_that_reads_no_more_is_told),
                CASE(opened_may_finish),
                CASE(opened_may_cut),
        };

        return cmocka_run_group_tests_name("ends", cases, NULL, NULL);
}
