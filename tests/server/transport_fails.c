/* SPDX-License-Identifier: MIT */
/* The errors of a transport: each ends the connection, and is the reason that is told. */
#include "scene.h"

static ssize_t plain_read(struct weir_connection *connection, void *buffer, size_t size, weir_interest *ret_wanted) {
        ssize_t n = recv(weir_connection_fd(connection), buffer, size, 0);

        BROKEN(scene_of(connection), *ret_wanted != WEIR_READABLE || size == 0);
        return n < 0 ? -errno : n;
}

static ssize_t plain_write(struct weir_connection *connection, const void *bytes, size_t size,
                           weir_interest *ret_wanted) {
        ssize_t n = send(weir_connection_fd(connection), bytes, size, MSG_NOSIGNAL);

        BROKEN(scene_of(connection), *ret_wanted != WEIR_WRITABLE || size == 0);
        return n < 0 ? -errno : n;
}

static void finish_with_words(struct weir_connection *connection) {
        char byte;

        while (weir_connection_read(connection, &byte, 1) > 0)
                ;
        BROKEN(scene_of(connection), weir_connection_finish(connection, "words,", 6) != 0);
}

static ssize_t read_fails(struct weir_connection *connection, void *buffer, size_t size, weir_interest *ret_wanted) {
        (void)connection;
        (void)buffer;
        (void)size;
        (void)ret_wanted;
        return -EPROTO;
}

static ssize_t write_fails(struct weir_connection *connection, const void *bytes, size_t size,
                           weir_interest *ret_wanted) {
        (void)connection;
        (void)bytes;
        (void)size;
        (void)ret_wanted;
        return -EBADMSG;
}

static int end_fails(struct weir_connection *connection, weir_interest *ret_wanted) {
        (void)connection;
        (void)ret_wanted;
        return -EREMOTEIO;
}

static void read_the_error(struct weir_connection *connection) {
        char byte;

        scene_of(connection)->bytes = (int)weir_connection_read(connection, &byte, 1);
}

static void an_error_of_read_ends_the_connection(void **state) {
        static const struct weir_transport transport = { .read = read_fails, .write = plain_write };
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .transport = &transport, .readable = read_the_error });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        put(peer);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.bytes, -EPROTO);
        assert_int_equal(scene.reason, -EPROTO);
        close(peer);
        scene_end(&scene);
}

static void an_error_of_write_ends_the_connection(void **state) {
        static const struct weir_transport transport = { .read = plain_read, .write = write_fails };
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .transport = &transport });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(peer, "x");
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, -EBADMSG);
        close(peer);
        scene_end(&scene);
}

static void an_error_of_end_ends_the_connection(void **state) {
        static const struct weir_transport transport = { .read = plain_read, .write = plain_write, .end = end_fails };
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .transport = &transport, .readable = finish_with_words });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(peer, "x");
        hear_text(peer, "words,");
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, -EREMOTEIO);
        close(peer);
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(an_error_of_read_ends_the_connection),
                CASE(an_error_of_write_ends_the_connection),
                CASE(an_error_of_end_ends_the_connection),
        };

        return cmocka_run_group_tests_name("transport_fails", cases, NULL, NULL);
}
