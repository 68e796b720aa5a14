/* SPDX-License-Identifier: MIT */
/* What a connection is to the program: its number, its memory, its references, and the set of all that are open. */
#include "scene.h"

#include <stdalign.h>

static int note_id(struct weir_connection *connection) {
        atomic_store(&scene_of(connection)->bytes, (int)weir_connection_id(connection));
        return scene_opened(connection);
}

static void numbers_begin_at_1_and_are_not_used_again(void **state) {
        struct scene scene;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .opened = note_id });
        scene_start(&scene, 2);
        for (unsigned i = 1; i <= 100; ++i) {
                int peer = scene_add(&scene);

                assert_int_equal(scene.bytes, i);
                close(peer);
                if (i % 10 == 0)
                        assert_true(reached(&scene.closed, (int)i));
        }
        scene_end(&scene);
}

static void a_connection_knows_its_server_and_descriptor(void **state) {
        struct scene scene;
        int fds[2];

        (void)state;
        scene_make(&scene, NULL);
        make_socketpair(fds);
        assert_int_equal(weir_server_add(scene.server, fds[0]), 0);
        assert_ptr_equal(weir_connection_server(scene.connection), scene.server);
        assert_int_equal(weir_connection_fd(scene.connection), fds[0]);
        close(fds[1]);
        scene_start(&scene, 1);
        scene_end(&scene);
}

/* ---------------------------------------------------------------- memory */

#define SIZE 1001

static int look_at_data(struct weir_connection *connection) {
        const unsigned char *data = weir_connection_data(connection);
        struct scene *scene = scene_of(connection);

        BROKEN(scene, (uintptr_t)data % alignof(max_align_t));
        for (size_t i = 0; i < SIZE; ++i)
                BROKEN(scene, data[i]);
        return scene_opened(connection);
}

static void leave_it_dirty(struct weir_connection *connection, int reason) {
        memset(weir_connection_data(connection), 0xa5, SIZE);
        scene_closed(connection, reason);
}

/* Also where the memory was another connection's. */
static void data_is_zero_and_aligned(void **state) {
        struct scene scene;
        int peers[8];

        (void)state;
        scene_make(&scene, &(struct weir_server_config){
                                   .connection_size = SIZE, .opened = look_at_data, .closed = leave_it_dirty });
        scene_start(&scene, 2);
        for (int round = 1; round <= 20; ++round) {
                for (size_t i = 0; i < ARRAY_LEN(peers); ++i)
                        peers[i] = scene_add(&scene);
                for (size_t i = 0; i < ARRAY_LEN(peers); ++i)
                        close(peers[i]);
                assert_true(reached(&scene.closed, round * (int)ARRAY_LEN(peers)));
        }
        scene_end(&scene);
}

static void data_may_be_of_no_size(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .connection_size = 0 });
        peer = scene_add(&scene);
        (void)weir_connection_data(scene.connection);
        close(peer);
        scene_start(&scene, 1);
        scene_end(&scene);
}

/* A size that, with the library's own part, is none any more. */
static void data_too_large_is_refused(void **state) {
        const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 8, SIZE_MAX - 64 };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(sizes); ++i) {
                struct weir_server_config config = { .readable = scene_echo, .connection_size = sizes[i] };
                struct weir_server *server = NULL;
                int fds[2], r = weir_server_create(&config, &server);

                assert_true(r == 0 || r == -EINVAL || r == -ENOMEM);
                if (r < 0)
                        continue;
                make_socketpair(fds);
                assert_int_equal(weir_server_add(server, fds[0]), -ENOMEM);
                assert_true(is_closed(fds[0]));
                close(fds[1]);
                weir_server_destroy(server);
        }
}

/* ---------------------------------------------------------------- references */

static int keep(struct weir_connection *connection) {
        BROKEN(scene_of(connection), weir_connection_ref(connection) != connection);
        strcpy(weir_connection_data(connection), "kept");
        return scene_opened(connection);
}

static void a_reference_keeps_the_memory(void **state) {
        struct weir_connection *connection;
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .connection_size = 8, .opened = keep });
        peer = scene_add(&scene);
        scene_start(&scene, 2);
        connection = scene.connection;
        close(peer);
        assert_true(reached(&scene.closed, 1));
        weir_server_stop(scene.server);
        scene_join(&scene);
        assert_string_equal(weir_connection_data(connection), "kept");
        assert_int_equal(weir_connection_id(connection), 1);
        assert_ptr_equal(weir_connection_server(connection), scene.server);
        assert_ptr_equal(weir_connection_ref(connection), connection);
        weir_connection_unref(connection);
        assert_string_equal(weir_connection_data(connection), "kept");
        weir_connection_unref(connection);
        weir_server_destroy(scene.server);
}

static void what_is_closed_takes_nothing(void **state) {
        struct weir_connection *connection;
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .connection_size = 8, .opened = keep });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        connection = scene.connection;
        close(peer);
        assert_true(reached(&scene.closed, 1));
        for (int round = 0; round < 2; ++round) {
                assert_int_equal(weir_connection_send(connection, "x", 1), -ESHUTDOWN);
                assert_int_equal(weir_connection_finish(connection, "x", 1), -ESHUTDOWN);
                weir_connection_cut(connection, -EPROTO);
                if (round == 0) {
                        weir_server_stop(scene.server);
                        scene_join(&scene);
                }
        }
        assert_int_equal(scene.closed, 1);
        assert_int_equal(scene.reason, 0);
        weir_connection_unref(connection);
        weir_server_destroy(scene.server);
}

static void sends_in_closed(struct weir_connection *connection, int reason) {
        struct scene *scene = scene_of(connection);
        char byte;

        BROKEN(scene, weir_connection_send(connection, "x", 1) != -ESHUTDOWN);
        BROKEN(scene, weir_connection_finish(connection, "x", 1) != -ESHUTDOWN);
        BROKEN(scene, weir_connection_read(connection, &byte, 1) != -ESHUTDOWN);
        weir_connection_cut(connection, -EPROTO);
        scene_closed(connection, reason);
}

static void in_closed_it_is_over(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .closed = sends_in_closed });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        close(peer);
        assert_true(reached(&scene.closed, 1));
        scene_end(&scene);
        assert_int_equal(scene.reason, 0);
}

/* ---------------------------------------------------------------- all that are open */

struct sum {
        unsigned met;
        uint64_t ids;
};

static void add_up(struct weir_connection *connection, void *data) {
        struct sum *sum = data;

        ++sum->met;
        sum->ids += weir_connection_id(connection);
}

static struct sum sum_of(struct scene *scene) {
        struct sum sum = { 0, 0 };

        weir_server_for_each(scene->server, add_up, &sum);
        return sum;
}

static void for_each_meets_each_that_is_open_once(void **state) {
        struct scene scene;
        int peers[10];

        (void)state;
        scene_make(&scene, NULL);
        assert_int_equal(sum_of(&scene).met, 0);
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i)
                peers[i] = scene_add(&scene);
        assert_int_equal(sum_of(&scene).met, 10);
        assert_int_equal(sum_of(&scene).ids, 55);
        scene_start(&scene, 2);
        close(peers[0]);
        close(peers[4]);
        assert_true(reached(&scene.closed, 2));
        while (sum_of(&scene).met != 8) /* until the turns that closed them are at their end */
                sched_yield();
        assert_int_equal(sum_of(&scene).ids, 55 - 1 - 5);
        for (size_t i = 1; i < ARRAY_LEN(peers); ++i)
                if (i != 4)
                        close(peers[i]);
        weir_server_stop(scene.server);
        scene_join(&scene);
        assert_int_equal(sum_of(&scene).met, 0);
        weir_server_destroy(scene.server);
}

static void send_to(struct weir_connection *connection, void *data) {
        BROKEN(scene_of(connection), weir_connection_send(connection, data, strlen(data)) != 0);
}

static void to_all(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);
        char text[64] = { 0 };

        while (weir_connection_read(connection, text, sizeof text - 1) > 0)
                weir_server_for_each(scene->server, send_to, text);
}

static void a_turn_sends_to_all(void **state) {
        struct scene scene;
        int peers[5];

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = to_all });
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i)
                peers[i] = scene_add(&scene);
        scene_start(&scene, 3);
        say_text(peers[2], "to all");
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i)
                hear_text(peers[i], "to all");
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i)
                close(peers[i]);
        scene_end(&scene);
}

static void cut_odd_ones(struct weir_connection *connection, void *data) {
        (void)data;
        if (weir_connection_id(connection) % 2)
                weir_connection_cut(connection, -EPERM);
        else
                (void)weir_connection_finish(connection, "bye", 3);
}

static void for_each_may_end_what_it_meets(void **state) {
        struct scene scene;
        int peers[6];

        (void)state;
        scene_make(&scene, NULL);
        scene_start(&scene, 2);
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i)
                peers[i] = scene_add(&scene);
        weir_server_for_each(scene.server, cut_odd_ones, NULL);
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i) {
                if (i % 2)
                        hear_text(peers[i], "bye");
                hear_end(peers[i]);
                close(peers[i]);
        }
        assert_true(reached(&scene.closed, ARRAY_LEN(peers)));
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(numbers_begin_at_1_and_are_not_used_again),
                CASE(a_connection_knows_its_server_and_descriptor),
                CASE(data_is_zero_and_aligned),
                CASE(data_may_be_of_no_size),
                CASE(data_too_large_is_refused),
                CASE(a_reference_keeps_the_memory),
                CASE(what_is_closed_takes_nothing),
                CASE(in_closed_it_is_over),
                CASE(for_each_meets_each_that_is_open_once),
                CASE(a_turn_sends_to_all),
                CASE(for_each_may_end_what_it_meets),
        };

        return cmocka_run_group_tests_name("connections", cases, NULL, NULL);
}
