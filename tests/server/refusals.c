/* SPDX-License-Identifier: MIT */
/*
 * What a server refuses: null and bad arguments, a forked child, what comes after a stop. The descriptor that a call takes is
 * closed, whatever comes of the call.
 */
#include "scene.h"

static int refuse(struct weir_connection *connection) {
        (void)connection;
        return -EACCES;
}

/* A descriptor that cannot be polled. */
static int regular_file(void) {
        char name[] = "/tmp/weir-server-XXXXXX";
        int fd = mkostemp(name, O_CLOEXEC);

        assert_true(fd >= 0);
        unlink(name);
        return fd;
}

static int listener(void) {
        struct weir_address address;
        int fd;

        assert_int_equal(weir_address_parse("127.0.0.1:0", &address), 0);
        fd = weir_stream_listen(&address, 0);
        assert_true(fd >= 0);
        return fd;
}

static ssize_t no_bytes(struct weir_connection *connection, void *buffer, size_t size, weir_interest *ret_wanted) {
        (void)connection;
        (void)buffer;
        (void)size;
        (void)ret_wanted;
        return -EAGAIN;
}

static ssize_t no_room(struct weir_connection *connection, const void *bytes, size_t size, weir_interest *ret_wanted) {
        (void)connection;
        (void)bytes;
        (void)size;
        (void)ret_wanted;
        return -EAGAIN;
}

static void create_refuses_bad_arguments(void **state) {
        static const struct weir_transport no_read = { .write = no_room }, no_write = { .read = no_bytes };
        const struct weir_server_config good = { .readable = scene_echo };
        struct weir_server_config bad = { 0 };
        struct weir_server *server = (void *)&bad;

        (void)state;
        assert_int_equal(weir_server_create(NULL, &server), -EINVAL);
        assert_int_equal(weir_server_create(&good, NULL), -EINVAL);
        assert_int_equal(weir_server_create(&bad, &server), -EINVAL);
        bad = good;
        bad.idle_limit = -1;
        assert_int_equal(weir_server_create(&bad, &server), -EINVAL);
        bad = good;
        bad.linger_limit = INT64_MIN;
        assert_int_equal(weir_server_create(&bad, &server), -EINVAL);
        bad = good;
        bad.stop_limit = -1;
        assert_int_equal(weir_server_create(&bad, &server), -EINVAL);
        bad = good;
        bad.transport = &no_read;
        assert_int_equal(weir_server_create(&bad, &server), -EINVAL);
        bad.transport = &no_write;
        assert_int_equal(weir_server_create(&bad, &server), -EINVAL);
        assert_ptr_equal(server, &bad); /* untouched */
        assert_int_equal(weir_server_create(&good, &server), 0);
        weir_server_destroy(server);
}

static void count(struct weir_connection *connection, void *data) {
        (void)connection;
        ++*(int *)data;
}

static bool watched(struct weir_server *server, int fd, void *data) {
        (void)server;
        (void)fd;
        (void)data;
        return true;
}

static void null_is_refused_or_taken_quietly(void **state) {
        struct scene scene;
        char byte = 0;
        int n = 0;

        (void)state;
        assert_int_equal(weir_server_watch(NULL, 0, WEIR_READABLE, watched, NULL), -EINVAL);
        assert_int_equal(weir_server_run(NULL, 1), -EINVAL);
        weir_server_stop(NULL);
        weir_server_for_each(NULL, count, &n);
        assert_null(weir_server_data(NULL));
        assert_null(weir_server_registry(NULL));
        weir_server_destroy(NULL);

        assert_int_equal(weir_connection_read(NULL, &byte, 1), -EINVAL);
        assert_int_equal(weir_connection_send(NULL, &byte, 1), -EINVAL);
        assert_int_equal(weir_connection_finish(NULL, &byte, 1), -EINVAL);
        weir_connection_cut(NULL, -EPROTO);
        assert_null(weir_connection_data(NULL));
        assert_int_equal(weir_connection_fd(NULL), -EINVAL);
        assert_int_equal(weir_connection_id(NULL), 0);
        assert_null(weir_connection_server(NULL));
        assert_null(weir_connection_ref(NULL));
        weir_connection_unref(NULL);

        scene_make(&scene, NULL);
        weir_server_for_each(scene.server, NULL, NULL);
        assert_int_equal(weir_server_watch(scene.server, 0, WEIR_READABLE, NULL, NULL), -EINVAL);
        assert_int_equal(n, 0);
        weir_server_destroy(scene.server);
}

static void add_and_listen_close_also_without_a_server(void **state) {
        int fd;

        (void)state;
        fd = make_eventfd(0);
        assert_int_equal(weir_server_add(NULL, fd), -EINVAL);
        assert_true(is_closed(fd));
        fd = listener();
        assert_int_equal(weir_server_listen(NULL, fd), -EINVAL);
        assert_true(is_closed(fd));
}

static void listen_returns_the_error_that_it_is_given(void **state) {
        struct scene scene;

        (void)state;
        scene_make(&scene, NULL);
        assert_int_equal(weir_server_listen(scene.server, -EADDRINUSE), -EADDRINUSE);
        assert_int_equal(weir_server_listen(scene.server, -EMFILE), -EMFILE);
        weir_server_destroy(scene.server);
}

static void what_does_not_listen_is_refused_and_closed(void **state) {
        struct scene scene;
        int fds[4], pair[2], datagrams[2];

        (void)state;
        scene_make(&scene, NULL);
        make_socketpair(pair);
        assert_int_equal(weir_datagram_pair(datagrams), 0);
        fds[0] = regular_file();
        fds[1] = make_eventfd(1);
        fds[2] = pair[0];
        fds[3] = datagrams[0];
        for (size_t i = 0; i < ARRAY_LEN(fds); ++i) {
                assert_int_equal(weir_server_listen(scene.server, fds[i]), -EINVAL);
                assert_true(is_closed(fds[i]));
        }
        close(pair[1]);
        close(datagrams[1]);
        weir_server_destroy(scene.server);
}

static void add_that_fails_closes(void **state) {
        int fd = regular_file();
        struct scene scene;

        (void)state;
        scene_make(&scene, NULL);
        assert_int_equal(weir_server_add(scene.server, -1), -EINVAL);
        assert_int_equal(weir_server_add(scene.server, -EMFILE), -EINVAL);
        assert_int_equal(weir_server_add(scene.server, fd), -EPERM);
        assert_true(is_closed(fd));
        assert_int_equal(scene.opened, scene.closed);
        weir_server_destroy(scene.server);
}

static void what_opened_refuses_is_not_closed_by_the_program(void **state) {
        struct scene scene;
        int fds[2], n = 0;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .opened = refuse });
        make_socketpair(fds);
        assert_int_equal(weir_server_add(scene.server, fds[0]), -EACCES);
        assert_true(is_closed(fds[0]));
        hear_end(fds[1]);
        close(fds[1]);
        weir_server_for_each(scene.server, count, &n);
        assert_int_equal(n, 0);
        assert_int_equal(scene.closed, 0);
        weir_server_destroy(scene.server);
        assert_int_equal(scene.closed, 0);
}

static int refuse_with_words(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);

        BROKEN(scene, weir_connection_send(connection, "no", 2) != 0);
        BROKEN(scene, weir_connection_finish(connection, "!", 1) != 0);
        return -EBUSY;
}

/* Whether the words go out is not said. */
static void opened_may_refuse_though_it_has_sent(void **state) {
        struct scene scene;
        int fds[2];

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .opened = refuse_with_words });
        make_socketpair(fds);
        assert_int_equal(weir_server_add(scene.server, fds[0]), -EBUSY);
        assert_true(is_closed(fds[0]));
        close(fds[1]);
        scene_start(&scene, 2);
        scene_end(&scene);
        assert_int_equal(scene.closed, 0);
}

static void watch_takes_directions_alone(void **state) {
        struct scene scene;
        int fd = make_eventfd(0);

        (void)state;
        scene_make(&scene, NULL);
        assert_int_equal(weir_server_watch(scene.server, fd, WEIR_READABLE | WEIR_LEVEL, watched, NULL), -EINVAL);
        assert_int_equal(weir_server_watch(scene.server, fd, WEIR_READABLE | WEIR_ONESHOT, watched, NULL), -EINVAL);
        assert_int_equal(weir_server_watch(scene.server, fd, WEIR_READABLE | UINT32_C(0x80000000), watched, NULL),
                         -EINVAL);
        assert_int_equal(weir_server_watch(scene.server, -1, WEIR_READABLE, watched, NULL), -EBADF);
        assert_int_equal(weir_server_watch(scene.server, fd, WEIR_READABLE, watched, NULL), 0);
        assert_int_equal(weir_server_watch(scene.server, fd, WEIR_READABLE, watched, NULL), -EEXIST);
        weir_server_destroy(scene.server);
        assert_false(is_closed(fd));
        close(fd);
}

/* A stop begins in the run: until then connections are taken, and meet their end there. */
static void after_the_end_nothing_is_taken(void **state) {
        struct scene scene;
        int fds[2], fd;

        (void)state;
        scene_make(&scene, NULL);
        weir_server_stop(scene.server);
        fd = listener();
        assert_int_equal(weir_server_listen(scene.server, fd), 0);
        close(scene_add(&scene));
        assert_int_equal(weir_server_run(scene.server, 2), 0);
        assert_true(is_closed(fd));
        assert_int_equal(scene.opened, 1);
        assert_int_equal(scene.closed, 1);

        fd = listener();
        assert_int_equal(weir_server_listen(scene.server, fd), -ESHUTDOWN);
        assert_true(is_closed(fd));
        make_socketpair(fds);
        assert_int_equal(weir_server_add(scene.server, fds[0]), -ESHUTDOWN);
        assert_true(is_closed(fds[0]));
        close(fds[1]);
        assert_int_equal(scene.opened, 1);
        weir_server_destroy(scene.server);
}

/* ---------------------------------------------------------------- a forked child */

static int destroys(void *arg) {
        struct scene *scene = arg;

        weir_server_destroy(scene->server);
        REQUIRE(scene->closed == 0);
        return 0;
}

static void a_child_that_destroys_leaves_the_parents_connections(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, NULL);
        peer = scene_add(&scene);
        assert_int_equal(run_child(destroys, &scene), 0);
        scene_start(&scene, 1);
        say_text(peer, "parent");
        hear_text(peer, "parent");
        close(peer);
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(create_refuses_bad_arguments),
                CASE(null_is_refused_or_taken_quietly),
                CASE(add_and_listen_close_also_without_a_server),
                CASE(listen_returns_the_error_that_it_is_given),
                CASE(what_does_not_listen_is_refused_and_closed),
                CASE(add_that_fails_closes),
                CASE(what_opened_refuses_is_not_closed_by_the_program),
                CASE(opened_may_refuse_though_it_has_sent),
                CASE(watch_takes_directions_alone),
                CASE(after_the_end_nothing_is_taken),
                CASE(a_child_that_destroys_leaves_the_parents_connections),
        };

        return cmocka_run_group_tests_name("refusals", cases, NULL, NULL);
}
