/* SPDX-License-Identifier: MIT */
/* The shared helpers of the cases of a server: see scene.h. */
#include "scene.h"

#include <poll.h>

void scene_broken(struct scene *scene, int line) {
        int none = 0;

        atomic_compare_exchange_strong(&scene->broken, &none, line);
}

struct scene *scene_of(struct weir_connection *connection) {
        return weir_server_data(weir_connection_server(connection));
}

/* ---------------------------------------------------------------- what the server calls */

int scene_opened(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);

        atomic_store(&scene->connection, connection);
        atomic_fetch_add(&scene->opened, 1);
        return 0;
}

void scene_echo(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);
        char bytes[4096];
        ssize_t n;

        while ((n = weir_connection_read(connection, bytes, sizeof bytes)) > 0) {
                BROKEN(scene, weir_connection_send(connection, bytes, (size_t)n) != 0);
                atomic_fetch_add(&scene->bytes, (int)n);
        }
        atomic_fetch_add(&scene->turns, 1);
}

void scene_stopping(struct weir_connection *connection) {
        atomic_fetch_add(&scene_of(connection)->stopping, 1);
}

void scene_expired(struct weir_connection *connection) {
        atomic_fetch_add(&scene_of(connection)->expired, 1);
}

void scene_closed(struct weir_connection *connection, int reason) {
        struct scene *scene = scene_of(connection);

        BROKEN(scene, is_closed(weir_connection_fd(connection)));
        atomic_store(&scene->reason, reason);
        atomic_fetch_add(&scene->closed, 1);
}

/* ---------------------------------------------------------------- the server */

void scene_make(struct scene *scene, const struct weir_server_config *config) {
        struct weir_server_config own = { 0 };

        if (config)
                own = *config;
        memset(scene, 0, sizeof *scene);
        own.data = scene;
        if (!own.opened)
                own.opened = scene_opened;
        if (!own.readable)
                own.readable = scene_echo;
        if (!own.closed)
                own.closed = scene_closed;
        if (!own.linger_limit)
                own.linger_limit = HOUR;
        assert_int_equal(weir_server_create(&own, &scene->server), 0);
        assert_non_null(scene->server);
}

static int run(void *arg) {
        struct scene *scene = arg;

        return weir_server_run(scene->server, scene->threads);
}

void scene_start(struct scene *scene, unsigned threads) {
        scene->threads = threads;
        worker_start(&scene->runner, run, scene);
}

void scene_join(struct scene *scene) {
        assert_int_equal(worker_join(&scene->runner), 0);
        assert_int_equal(scene->broken, 0);
        assert_int_equal(scene->closed, scene->opened);
}

void scene_end(struct scene *scene) {
        weir_server_stop(scene->server);
        scene_join(scene);
        weir_server_destroy(scene->server);
}

static int add(struct scene *scene, int fds[2]) {
        assert_int_equal(weir_server_add(scene->server, fds[0]), 0);
        return fds[1];
}

int scene_add(struct scene *scene) {
        int fds[2];

        make_socketpair(fds);
        return add(scene, fds);
}

int scene_add_tcp(struct scene *scene) {
        int fds[2];

        make_tcp_pair(fds);
        return add(scene, fds);
}

/* ---------------------------------------------------------------- the other ends */

void say(int fd, const void *bytes, size_t size) {
        struct pollfd writable = { .fd = fd, .events = POLLOUT };
        size_t done = 0;

        while (done < size) {
                ssize_t n = send(fd, (const char *)bytes + done, size - done, MSG_NOSIGNAL);

                if (n > 0) {
                        done += (size_t)n;
                        continue;
                }
                assert_int_equal(errno, EAGAIN);
                assert_int_equal(poll(&writable, 1, DEADLINE_MS), 1);
        }
}

void say_text(int fd, const char *text) {
        say(fd, text, strlen(text));
}

ssize_t hear(int fd, void *buffer, size_t size) {
        size_t done = 0;

        while (done < size) {
                ssize_t n;

                assert_true(polls_readable(fd, DEADLINE_MS));
                n = recv(fd, (char *)buffer + done, size - done, 0);
                if (n < 0 && errno == EAGAIN)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                done += (size_t)n;
        }
        return (ssize_t)done;
}

void hear_text(int fd, const char *text) {
        char heard[256];
        size_t size = strlen(text);

        assert_true(size < sizeof heard);
        assert_int_equal(hear(fd, heard, size), size);
        assert_memory_equal(heard, text, size);
}

void hear_end(int fd) {
        char byte;

        assert_int_equal(hear(fd, &byte, 1), 0);
}

bool is_closed(int fd) {
        return fcntl(fd, F_GETFD) < 0;
}
