/* SPDX-License-Identifier: MIT */
/* A connection is found by its number, and told from one that was finished, as long as it has a say. */
#include "scene.h"

static bool finds(struct scene *scene, uint64_t id) {
        struct weir_connection *connection = weir_server_find(scene->server, id);
        bool found = connection;

        if (found)
                assert_true(weir_connection_id(connection) == id);
        weir_connection_unref(connection);
        return found;
}

static void it_finds_each_by_its_number(void **state) {
        struct scene scene;
        int peers[5];

        (void)state;
        scene_make(&scene, NULL);
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i)
                peers[i] = scene_add(&scene);
        for (uint64_t id = 1; id <= ARRAY_LEN(peers); ++id)
                assert_true(finds(&scene, id));
        assert_false(finds(&scene, 0));
        assert_false(finds(&scene, 6));
        assert_null(weir_server_find(NULL, 1));
        scene_start(&scene, 1);
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i)
                close(peers[i]);
        assert_true(reached(&scene.closed, ARRAY_LEN(peers)));
        assert_false(finds(&scene, 1));
        scene_end(&scene);
}

static void met(struct weir_connection *connection, void *data) {
        (void)connection;
        ++*(int *)data;
}

/* It lingers, for its peer has not ended, but has no say any more. */
static void what_was_finished_is_not_found(void **state) {
        struct weir_connection *one, *other;
        struct scene scene;
        int peers[2], count = 0;

        (void)state;
        scene_make(&scene, NULL);
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i)
                peers[i] = scene_add(&scene);
        one = weir_server_find(scene.server, 1);
        other = weir_server_find(scene.server, 2);
        assert_true(weir_connection_is_open(one) && weir_connection_is_open(other));
        assert_false(weir_connection_is_open(NULL));
        assert_int_equal(weir_connection_finish(one, "bye", 3), 0);
        assert_false(weir_connection_is_open(one));
        assert_false(finds(&scene, 1));
        weir_server_for_each(scene.server, met, &count);
        assert_int_equal(count, 1);
        weir_connection_cut(other, -EPERM);
        assert_false(weir_connection_is_open(other));
        assert_false(finds(&scene, 2));
        scene_start(&scene, 1);
        hear_text(peers[0], "bye");
        hear_end(peers[1]);
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i)
                close(peers[i]);
        assert_true(reached(&scene.closed, 2));
        assert_false(weir_connection_is_open(one));
        weir_connection_unref(one);
        weir_connection_unref(other);
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(it_finds_each_by_its_number),
                CASE(what_was_finished_is_not_found),
        };

        return cmocka_run_group_tests_name("find", cases, NULL, NULL);
}
