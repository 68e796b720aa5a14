/* SPDX-License-Identifier: MIT */
/* A word of another thread to a connection at which nothing goes on: there is a turn for it. */
#include "scene.h"

static void a_send_makes_a_turn(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, NULL);
        peer = scene_add(&scene);
        scene_start(&scene, 2);
        say_text(peer, "x");
        hear_text(peer, "x");
        for (int i = 0; i < 100; ++i) {
                assert_int_equal(weir_connection_send(scene.connection, "word", 4), 0);
                hear_text(peer, "word");
        }
        close(peer);
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(a_send_makes_a_turn),
        };

        return cmocka_run_group_tests_name("word", cases, NULL, NULL);
}
