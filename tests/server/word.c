/* SPDX-License-Identifier: MIT */
/*
 * A word of another thread to a connection at which nothing goes on: there is a turn for it. And one that comes at some step of a
 * turn, which is to be sent as well: it comes before each of the locks that the turn takes, one after the other.
 */
#include "scene.h"

#include <pthread.h>

#define STEPS 30 /* more than a turn takes locks */

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

/* ---------------------------------------------------------------- in a turn */

/* Of the server's thread. */
static _Thread_local struct weir_connection *talked_to;
static _Thread_local unsigned steps; /* locks that it takes until the word comes */

static atomic_uint said;

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);

/* As if another thread came in before this one has the lock. */
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex) {
        if (steps > 0 && --steps == 0) {
                BROKEN(scene_of(talked_to), weir_connection_send(talked_to, "w", 1) != 0);
                atomic_fetch_add(&said, 1);
        }
        return __real_pthread_mutex_lock(mutex);
}

/* A byte says at which step the word comes; others are echoed. */
static void talk(struct weir_connection *connection) {
        unsigned char byte;

        while (weir_connection_read(connection, &byte, 1) == 1)
                if (byte <= STEPS) {
                        talked_to = connection;
                        steps = byte;
                } else {
                        BROKEN(scene_of(connection), weir_connection_send(connection, &byte, 1) != 0);
                }
}

static void a_send_at_any_step_of_a_turn_is_sent(void **state) {
        const struct weir_server_config config = { .readable = talk };
        struct scene scene;
        int peer, other;

        (void)state;
        scene_make(&scene, &config);
        peer = scene_add(&scene);
        other = scene_add(&scene);
        scene_start(&scene, 1);
        for (unsigned char step = 1; step <= STEPS; ++step) {
                say(peer, &step, 1);
                /* If the turn is over before, the thread takes locks for another connection. */
                while (atomic_load(&said) < step) {
                        say_text(other, "x");
                        hear_text(other, "x");
                }
                hear_text(peer, "w");
        }
        close(peer);
        close(other);
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(a_send_makes_a_turn),
                CASE(a_send_at_any_step_of_a_turn_is_sent),
        };

        return cmocka_run_group_tests_name("word", cases, NULL, NULL);
}
