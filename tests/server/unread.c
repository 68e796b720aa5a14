/* SPDX-License-Identifier: MIT */
/* What a turn left comes again, though the kernel has nothing new to tell, or knows nothing of it. */
#include "scene.h"

static void read_one_byte(struct weir_connection *connection) {
        char byte;

        if (weir_connection_read(connection, &byte, 1) == 1)
                atomic_fetch_add(&scene_of(connection)->bytes, 1);
        atomic_fetch_add(&scene_of(connection)->turns, 1);
}

/* The peer is silent meanwhile: no new readiness helps. */
static void one_byte_a_turn_reads_all(void **state) {
        static const char bytes[1000];

        (void)state;
        for (int tcp = 0; tcp < 2; ++tcp) {
                struct scene scene;
                int peer;

                scene_make(&scene, &(struct weir_server_config){ .readable = read_one_byte });
                peer = tcp ? scene_add_tcp(&scene) : scene_add(&scene);
                scene_start(&scene, 2);
                say(peer, bytes, sizeof bytes);
                assert_true(reached(&scene.bytes, sizeof bytes));
                put(peer);
                assert_true(reached(&scene.bytes, sizeof bytes + 1));
                say(peer, bytes, 100);
                close(peer); /* and the end comes after them */
                assert_true(reached(&scene.closed, 1));
                assert_int_equal(scene.bytes, sizeof bytes + 101);
                assert_int_equal(scene.reason, 0);
                scene_end(&scene);
        }
}

static void read_nothing_at_first(struct weir_connection *connection) {
        if (atomic_fetch_add(&scene_of(connection)->turns, 1) >= 3)
                scene_echo(connection);
}

static void a_turn_that_reads_nothing_has_another(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = read_nothing_at_first });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(peer, "x");
        hear_text(peer, "x");
        close(peer);
        scene_end(&scene);
}

/* Of a transport that takes more from the socket than it gives, the kernel knows nothing. */
struct buffering {
        char bytes[4096];
        size_t begin, end;
};

static ssize_t buffering_read(struct weir_connection *connection, void *buffer, size_t size,
                              weir_interest *ret_wanted) {
        struct buffering *buffering = weir_connection_data(connection);
        ssize_t n;

        BROKEN(scene_of(connection), *ret_wanted != WEIR_READABLE);
        if (buffering->begin == buffering->end) {
                n = recv(weir_connection_fd(connection), buffering->bytes, sizeof buffering->bytes, 0);
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                buffering->begin = 0;
                buffering->end = (size_t)n;
        }
        if (size > 10)
                size = 10;
        if (size > buffering->end - buffering->begin)
                size = buffering->end - buffering->begin;
        memcpy(buffer, buffering->bytes + buffering->begin, size);
        buffering->begin += size;
        return (ssize_t)size;
}

static ssize_t buffering_write(struct weir_connection *connection, const void *bytes, size_t size,
                               weir_interest *ret_wanted) {
        ssize_t n = send(weir_connection_fd(connection), bytes, size < 3 ? size : 3, MSG_NOSIGNAL);

        BROKEN(scene_of(connection), *ret_wanted != WEIR_WRITABLE);
        return n < 0 ? -errno : n;
}

static const struct weir_transport buffering = { .read = buffering_read, .write = buffering_write };

static void what_a_transport_keeps_is_read(void **state) {
        void (*const readers[])(struct weir_connection *) = { read_one_byte, scene_echo };
        static char bytes[10000];

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(readers); ++i) {
                struct weir_server_config config = {
                        .connection_size = sizeof(struct buffering),
                        .transport = &buffering,
                        .readable = readers[i],
                };
                struct scene scene;
                int peer;

                scene_make(&scene, &config);
                peer = scene_add(&scene);
                scene_start(&scene, 2);
                say(peer, bytes, sizeof bytes);
                assert_true(reached(&scene.bytes, sizeof bytes));
                say(peer, bytes, 77);
                assert_true(reached(&scene.bytes, sizeof bytes + 77));
                close(peer);
                assert_true(reached(&scene.closed, 1));
                scene_end(&scene);
        }
}

static void short_writes_of_a_transport_go_on(void **state) {
        char bytes[5000], heard[5000];
        struct weir_server_config config = { .connection_size = sizeof(struct buffering), .transport = &buffering };
        struct scene scene;
        int peer;

        (void)state;
        for (size_t i = 0; i < sizeof bytes; ++i)
                bytes[i] = (char)(i * 7);
        scene_make(&scene, &config);
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say(peer, bytes, sizeof bytes);
        assert_int_equal(hear(peer, heard, sizeof heard), sizeof heard);
        assert_memory_equal(heard, bytes, sizeof heard);
        close(peer);
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(one_byte_a_turn_reads_all),
                CASE(a_turn_that_reads_nothing_has_another),
                CASE(what_a_transport_keeps_is_read),
                CASE(short_writes_of_a_transport_go_on),
        };

        return cmocka_run_group_tests_name("unread", cases, NULL, NULL);
}
