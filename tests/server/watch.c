/* SPDX-License-Identifier: MIT */
/* A descriptor of the program's own beside the connections: its readiness, one call at a time, until fn() ends it. */
#include "scene.h"

#include <sys/eventfd.h>

struct watched {
        struct scene *scene;
        int fd;
        bool goes_on;
        atomic_int calls, rings, inside;
};

static bool take(struct weir_server *server, int fd, void *data) {
        struct watched *watched = data;

        BROKEN(watched->scene, server != watched->scene->server || fd != watched->fd);
        BROKEN(watched->scene, atomic_fetch_add(&watched->inside, 1) != 0);
        if (polls_readable(fd, 0))
                atomic_fetch_add(&watched->rings, (int)drain(fd));
        atomic_fetch_sub(&watched->inside, 1);
        atomic_fetch_add(&watched->calls, 1);
        return watched->goes_on;
}

static void make_watched(struct watched *watched, struct scene *scene, bool goes_on) {
        memset(watched, 0, sizeof *watched);
        watched->scene = scene;
        watched->fd = make_eventfd(0);
        watched->goes_on = goes_on;
        assert_int_equal(weir_server_watch(scene->server, watched->fd, WEIR_READABLE, take, watched), 0);
}

static void each_readiness_is_told(void **state) {
        struct watched watched;
        struct scene scene;

        (void)state;
        scene_make(&scene, NULL);
        make_watched(&watched, &scene, true);
        scene_start(&scene, 3);
        for (int i = 1; i <= 50; ++i) {
                ring(watched.fd);
                assert_true(reached(&watched.calls, i));
        }
        scene_end(&scene);
        close(watched.fd);
}

static void after_it_has_ended_no_call_comes(void **state) {
        struct watched watched, other;
        struct scene scene;

        (void)state;
        scene_make(&scene, NULL);
        make_watched(&watched, &scene, false);
        make_watched(&other, &scene, true);
        scene_start(&scene, 2);
        ring(watched.fd);
        assert_true(reached(&watched.calls, 1));
        ring(watched.fd);
        ring(other.fd);
        assert_true(reached(&other.calls, 1));
        ring(other.fd);
        assert_true(reached(&other.calls, 2));
        assert_int_equal(watched.calls, 1);
        scene_end(&scene);
        close(watched.fd);
        close(other.fd);
}

/* Else one that reads what blocks would wait there for ever. Another one shows that the triggers have been. */
static void a_stop_does_not_call(void **state) {
        struct watched watched, other;
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .stopping = scene_stopping });
        make_watched(&watched, &scene, true);
        make_watched(&other, &scene, true);
        peer = scene_add(&scene);
        scene_start(&scene, 2);
        weir_server_stop(scene.server);
        assert_true(reached(&scene.stopping, 1));
        ring(other.fd);
        assert_true(reached(&other.calls, 1));
        assert_int_equal(watched.calls, 0);
        ring(watched.fd);
        assert_true(reached(&watched.calls, 1));
        close(peer);
        scene_join(&scene);
        weir_server_destroy(scene.server);
        close(watched.fd);
        close(other.fd);
}

/* Reads one of what is there. */
static bool take_one(struct weir_server *server, int fd, void *data) {
        struct watched *watched = data;
        char byte;

        (void)server;
        BROKEN(watched->scene, read(fd, &byte, 1) != 1);
        return atomic_fetch_add(&watched->calls, 1) < 9;
}

static void what_is_not_read_comes_again(void **state) {
        struct watched watched = { .goes_on = true };
        struct scene scene;
        int fds[2];

        (void)state;
        scene_make(&scene, NULL);
        watched.scene = &scene;
        assert_int_equal(weir_pipe_create(fds), 0);
        assert_int_equal(weir_server_watch(scene.server, fds[0], WEIR_READABLE, take_one, &watched), 0);
        assert_int_equal(write(fds[1], "0123456789", 10), 10);
        scene_start(&scene, 2);
        assert_true(reached(&watched.calls, 10));
        scene_end(&scene);
        close(fds[0]);
        close(fds[1]);
}

/* Closes it: a descriptor that has the number by then is another one, and stays what it is. */
static bool close_and_watch_another(struct weir_server *server, int fd, void *data) {
        struct watched *watched = data;

        close(fd);
        BROKEN(watched->scene, eventfd(1, EFD_NONBLOCK) != fd);
        BROKEN(watched->scene, weir_server_watch(server, fd, WEIR_READABLE, take, watched) != 0);
        return false;
}

static void fn_may_close_and_watch_anew(void **state) {
        struct watched watched = { .goes_on = true };
        struct scene scene;

        (void)state;
        scene_make(&scene, NULL);
        watched.scene = &scene;
        watched.fd = make_eventfd(1);
        assert_int_equal(weir_server_watch(scene.server, watched.fd, WEIR_READABLE, close_and_watch_another, &watched),
                         0);
        scene_start(&scene, 1);
        assert_true(reached(&watched.rings, 1));
        scene_end(&scene);
        close(watched.fd);
}

static void destroy_leaves_the_descriptor_open(void **state) {
        struct watched watched;
        struct scene scene;

        (void)state;
        scene_make(&scene, NULL);
        make_watched(&watched, &scene, true);
        ring(watched.fd);
        weir_server_destroy(scene.server);
        assert_int_equal(watched.calls, 0);
        assert_int_equal(drain(watched.fd), sizeof(uint64_t));
        close(watched.fd);
}

static bool fn_may_use_connections_and_stop(struct weir_server *server, int fd, void *data) {
        struct watched *watched = data;

        drain(fd);
        BROKEN(watched->scene, weir_connection_finish(watched->scene->connection, "bye", 3) != 0);
        weir_server_stop(server);
        return true;
}

static void fn_stops_the_server(void **state) {
        struct watched watched = { .goes_on = true };
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, NULL);
        watched.scene = &scene;
        watched.fd = make_eventfd(0);
        peer = scene_add(&scene);
        assert_int_equal(
                weir_server_watch(scene.server, watched.fd, WEIR_READABLE, fn_may_use_connections_and_stop, &watched),
                0);
        scene_start(&scene, 1);
        ring(watched.fd);
        hear_text(peer, "bye");
        hear_end(peer);
        close(peer);
        scene_join(&scene);
        weir_server_destroy(scene.server);
        close(watched.fd);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(each_readiness_is_told),      CASE(after_it_has_ended_no_call_comes),
                CASE(a_stop_does_not_call),        CASE(what_is_not_read_comes_again),
                CASE(fn_may_close_and_watch_anew), CASE(destroy_leaves_the_descriptor_open),
                CASE(fn_stops_the_server),
        };

        return cmocka_run_group_tests_name("watch", cases, NULL, NULL);
}
