/* SPDX-License-Identifier: MIT */
/*
 * The kernel and the allocator refuse one call after another: what a call had begun is undone, what fails in a turn ends one
 * connection and no other, and where descriptors run out the server goes on. The linker sends the calls here (--wrap).
 */
#include "scene.h"

#include <signal.h>

/* The n-th allocation from now on by this thread fails, and all after it; 0: none. */
static _Thread_local int allocations_left;

/* Of all threads: the next ones fail with the errno. */
static atomic_int refused_accepts, refused_receives, refused_sends, refused_shutdowns, refused_blocks, refuse_with;

static bool refuses(atomic_int *left) {
        int n = atomic_load(left);

        while (n > 0)
                if (atomic_compare_exchange_weak(left, &n, n - 1)) {
                        errno = atomic_load(&refuse_with);
                        return true;
                }
        return false;
}

static bool no_memory(void) {
        if (refuses(&refused_blocks))
                return true;
        if (allocations_left > 1) {
                --allocations_left;
                return false;
        }
        if (allocations_left)
                errno = ENOMEM;
        return allocations_left;
}

#define WRAP(type, name, parameters, arguments, refused, failure)       \
        type __real_##name parameters;                                  \
        type __wrap_##name parameters;                                  \
        type __wrap_##name parameters {                                 \
                return (refused) ? (failure) : __real_##name arguments; \
        }

WRAP(void *, malloc, (size_t size), (size), no_memory(), NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), no_memory(), NULL)
WRAP(void *, realloc, (void *block, size_t size), (block, size), no_memory(), NULL)
WRAP(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size), no_memory(), NULL)
WRAP(int, posix_memalign, (void **ret, size_t alignment, size_t size), (ret, alignment, size), no_memory(), ENOMEM)
WRAP(int, accept4, (int fd, struct sockaddr *sa, socklen_t *length, int flags), (fd, sa, length, flags),
     refuses(&refused_accepts), -1)
WRAP(ssize_t, recv, (int fd, void *buffer, size_t size, int flags), (fd, buffer, size, flags),
     refuses(&refused_receives), -1)
WRAP(ssize_t, send, (int fd, const void *buffer, size_t size, int flags), (fd, buffer, size, flags),
     refuses(&refused_sends), -1)
WRAP(int, shutdown, (int fd, int how), (fd, how), refuses(&refused_shutdowns), -1)

static void refuse(atomic_int *calls, int n, int error) {
        atomic_store(&refuse_with, error);
        atomic_store(calls, n);
}

static struct weir_address listen_anywhere(struct scene *scene) {
        struct weir_address address;
        int fd;

        assert_int_equal(weir_address_parse("127.0.0.1:0", &address), 0);
        fd = weir_stream_listen(&address, 0);
        address.length = sizeof address.sa;
        assert_int_equal(getsockname(fd, &address.sa.any, &address.length), 0);
        assert_int_equal(weir_server_listen(scene->server, fd), 0);
        return address;
}

/* ---------------------------------------------------------------- accept */

/* Nobody connects meanwhile: it goes on by itself. */
static void accept_goes_on_where_something_ran_out(void **state) {
        const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(errors); ++i) {
                struct weir_address address;
                struct scene scene;
                int peers[3];

                scene_make(&scene, NULL);
                address = listen_anywhere(&scene);
                refuse(&refused_accepts, 3, errors[i]);
                for (size_t k = 0; k < ARRAY_LEN(peers); ++k)
                        peers[k] = weir_stream_connect(&address);
                scene_start(&scene, 2);
                for (size_t k = 0; k < ARRAY_LEN(peers); ++k) {
                        say_text(peers[k], "x");
                        hear_text(peers[k], "x");
                        close(peers[k]);
                }
                scene_end(&scene);
                assert_int_equal(refused_accepts, 0);
        }
}

/* It serves those that it has, and can be stopped. */
static void without_descriptors_the_others_are_served(void **state) {
        struct weir_address address;
        struct scene scene;
        int peer, waiting;

        (void)state;
        scene_make(&scene, NULL);
        address = listen_anywhere(&scene);
        peer = scene_add(&scene);
        refuse(&refused_accepts, INT32_MAX, EMFILE);
        waiting = weir_stream_connect(&address);
        scene_start(&scene, 1);
        for (int i = 0; i < 50; ++i) {
                say_text(peer, "x");
                hear_text(peer, "x");
        }
        close(peer);
        scene_end(&scene);
        atomic_store(&refused_accepts, 0);
        close(waiting);
        assert_int_equal(scene.opened, 1);
}

/* Of these the next one is taken at once. */
static void accept_goes_on_after_one_that_has_gone(void **state) {
        const int errors[] = { ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, EPERM };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(errors); ++i) {
                struct weir_address address;
                struct scene scene;
                int peer;

                scene_make(&scene, NULL);
                address = listen_anywhere(&scene);
                refuse(&refused_accepts, 1, errors[i]);
                peer = weir_stream_connect(&address);
                scene_start(&scene, 1);
                say_text(peer, "x");
                hear_text(peer, "x");
                close(peer);
                scene_end(&scene);
        }
}

/* A connection for which there is no memory: the listener lives on. */
static void a_listener_survives_a_lack_of_memory(void **state) {
        (void)state;
        for (int n = 1; n <= 4; ++n) {
                struct weir_address address;
                struct scene scene;
                int first, second;

                scene_make(&scene, NULL);
                address = listen_anywhere(&scene);
                scene_start(&scene, 1);
                first = weir_stream_connect(&address);
                assert_true(reached(&scene.opened, 1));
                refuse(&refused_blocks, n, ENOMEM);
                second = weir_stream_connect(&address);
                while (scene.opened < 2 && !polls_readable(second, 1)) /* it is served, or sees the end */
                        ;
                atomic_store(&refused_blocks, 0);
                close(second);
                second = weir_stream_connect(&address);
                say_text(second, "x");
                hear_text(second, "x");
                say_text(first, "x");
                hear_text(first, "x");
                close(first);
                close(second);
                scene_end(&scene);
        }
}

/* ---------------------------------------------------------------- memory */

static void create_without_memory_leaves_nothing(void **state) {
        const struct weir_server_config config = { .readable = scene_echo, .stop_limit = HOUR };
        struct weir_server *server = NULL;
        unsigned before = count_descriptors();
        int r = -ENOMEM, n = 0;

        (void)state;
        while (r == -ENOMEM) {
                assert_null(server);
                assert_int_equal(count_descriptors(), before);
                allocations_left = ++n;
                r = weir_server_create(&config, &server);
                allocations_left = 0;
        }
        assert_int_equal(r, 0);
        assert_true(n > 2);
        weir_server_destroy(server);
}

static void add_without_memory_leaves_nothing(void **state) {
        struct scene scene;
        int fds[2], r = -ENOMEM, n = 0;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .idle_limit = HOUR });
        while (r == -ENOMEM) {
                make_socketpair(fds);
                allocations_left = ++n;
                r = weir_server_add(scene.server, fds[0]);
                allocations_left = 0;
                if (r == 0)
                        break;
                assert_true(is_closed(fds[0]));
                assert_int_equal(scene.opened, scene.closed);
                hear_end(fds[1]);
                close(fds[1]);
        }
        assert_int_equal(r, 0);
        assert_true(n > 1);
        say_text(fds[1], "x");
        scene_start(&scene, 1);
        hear_text(fds[1], "x");
        close(fds[1]);
        scene_end(&scene);
}

static void listen_without_memory_leaves_nothing(void **state) {
        struct weir_address address;
        struct scene scene;
        int fd, r = -ENOMEM, n = 0;

        (void)state;
        scene_make(&scene, NULL);
        assert_int_equal(weir_address_parse("127.0.0.1:0", &address), 0);
        while (r == -ENOMEM) {
                fd = weir_stream_listen(&address, 0);
                allocations_left = ++n;
                r = weir_server_listen(scene.server, fd);
                allocations_left = 0;
                assert_true(r == 0 || is_closed(fd));
        }
        assert_int_equal(r, 0);
        weir_server_destroy(scene.server);
}

/* Nothing is queued of what was refused, and the rest goes out. */
static void send_without_memory_queues_nothing(void **state) {
        static char large[60000], heard[60000];
        struct scene scene;
        int peer, r;

        (void)state;
        memset(large, 'l', sizeof large);
        scene_make(&scene, NULL);
        peer = scene_add(&scene);
        assert_int_equal(weir_connection_send(scene.connection, "small", 5), 0);
        allocations_left = 1;
        r = weir_connection_send(scene.connection, large, sizeof large);
        allocations_left = 0;
        assert_int_equal(r, -ENOMEM);
        assert_int_equal(weir_connection_send(scene.connection, "after", 5), 0);
        assert_int_equal(weir_connection_send(scene.connection, large, 50000), 0);
        scene_start(&scene, 1);
        hear_text(peer, "smallafter");
        assert_int_equal(hear(peer, heard, 50000), 50000);
        assert_memory_equal(heard, large, 50000);
        assert_int_equal(weir_connection_finish(scene.connection, NULL, 0), 0);
        hear_end(peer);
        close(peer);
        scene_end(&scene);
}

static void finish_without_memory_finishes_without_the_words(void **state) {
        static const char words[100000];
        struct scene scene;
        int peer, r;

        (void)state;
        scene_make(&scene, NULL);
        peer = scene_add(&scene);
        assert_int_equal(weir_connection_send(scene.connection, "before", 6), 0);
        allocations_left = 1;
        r = weir_connection_finish(scene.connection, words, sizeof words);
        allocations_left = 0;
        assert_int_equal(r, -ENOMEM);
        assert_int_equal(weir_connection_send(scene.connection, "x", 1), -ESHUTDOWN);
        assert_int_equal(weir_connection_finish(scene.connection, "x", 1), -ESHUTDOWN);
        scene_start(&scene, 1);
        hear_text(peer, "before");
        hear_end(peer);
        close(peer);
        scene_end(&scene);
        assert_int_equal(scene.reason, 0);
}

/* A run that cannot begin leaves all as it was: another one can. */
static void run_without_memory_leaves_all_open(void **state) {
        int r = -ENOMEM;

        (void)state;
        for (int n = 1; r == -ENOMEM; ++n)
                for (int again = 0; again < 2; ++again) {
                        struct scene scene;
                        int peer;

                        scene_make(&scene, NULL);
                        peer = scene_add(&scene);
                        weir_server_stop(scene.server);
                        close(peer);
                        allocations_left = n;
                        r = weir_server_run(scene.server, 1);
                        allocations_left = 0;
                        assert_true(r == 0 || r == -ENOMEM);
                        assert_int_equal(scene.closed, r == 0);
                        if (r < 0 && again)
                                assert_int_equal(weir_server_run(scene.server, 1), 0);
                        assert_int_equal(scene.closed, r == 0 || again);
                        weir_server_destroy(scene.server);
                        assert_int_equal(scene.closed, 1);
                        assert_int_equal(scene.reason, r == 0 || again ? 0 : -ECANCELED);
                }
}

/* ---------------------------------------------------------------- sockets */

static void an_error_of_recv_is_told(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, NULL);
        peer = scene_add(&scene);
        put(peer);
        refuse(&refused_receives, 1, EHOSTUNREACH);
        scene_start(&scene, 1);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, -EHOSTUNREACH);
        close(peer);
        scene_end(&scene);
}

static void an_error_of_send_is_told(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, NULL);
        peer = scene_add(&scene);
        assert_int_equal(weir_connection_send(scene.connection, "x", 1), 0);
        refuse(&refused_sends, 1, EHOSTUNREACH);
        scene_start(&scene, 1);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, -EHOSTUNREACH);
        hear_end(peer);
        close(peer);
        scene_end(&scene);
}

/* The peer may have gone in this instant: it is closed, and the server lives. */
static void an_error_of_shutdown_ends_the_connection(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, NULL);
        peer = scene_add(&scene);
        refuse(&refused_shutdowns, 1, ENOTCONN);
        assert_int_equal(weir_connection_finish(scene.connection, "bye", 3), 0);
        scene_start(&scene, 1);
        hear_text(peer, "bye");
        close(peer);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(refused_shutdowns, 0);
        scene_end(&scene);
}

static bool watched(struct weir_server *server, int fd, void *data) {
        (void)server;
        (void)fd;
        (void)data;
        return true;
}

static void watch_without_memory_leaves_nothing(void **state) {
        struct scene scene;
        int fd = make_eventfd(0);
        sigset_t now;

        (void)state;
        scene_make(&scene, NULL);
        allocations_left = 1;
        assert_int_equal(weir_server_watch(scene.server, fd, WEIR_READABLE, watched, NULL), -ENOMEM);
        assert_int_equal(weir_server_stop_on(scene.server, NULL, 0), -ENOMEM);
        allocations_left = 0;
        assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
        assert_false(sigismember(&now, SIGTERM));
        assert_int_equal(weir_server_watch(scene.server, fd, WEIR_READABLE, watched, NULL), 0);
        weir_server_destroy(scene.server);
        close(fd);
}

/* Reads on after the end, or an error, which is told again. */
static void read_twice(struct weir_connection *connection) {
        char byte;
        ssize_t n;

        do
                n = weir_connection_read(connection, &byte, 1);
        while (n > 0);
        BROKEN(scene_of(connection), weir_connection_read(connection, &byte, 1) != n);
        atomic_store(&scene_of(connection)->bytes, (int)n);
}

static void the_end_of_reading_is_told_again(void **state) {
        (void)state;
        for (int error = 0; error < 2; ++error) {
                struct scene scene;
                int peer;

                scene_make(&scene, &(struct weir_server_config){ .readable = read_twice });
                peer = scene_add(&scene);
                put(peer);
                if (error)
                        refuse(&refused_receives, 1, EHOSTUNREACH);
                else
                        assert_int_equal(shutdown(peer, SHUT_WR), 0);
                scene_start(&scene, 1);
                close(peer);
                assert_true(reached(&scene.closed, 1));
                assert_int_equal(scene.bytes, error ? -EHOSTUNREACH : 0);
                scene_end(&scene);
        }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(accept_goes_on_where_something_ran_out),
                CASE(without_descriptors_the_others_are_served),
                CASE(accept_goes_on_after_one_that_has_gone),
                CASE(a_listener_survives_a_lack_of_memory),
                CASE(create_without_memory_leaves_nothing),
                CASE(add_without_memory_leaves_nothing),
                CASE(listen_without_memory_leaves_nothing),
                CASE(send_without_memory_queues_nothing),
                CASE(finish_without_memory_finishes_without_the_words),
                CASE(run_without_memory_leaves_all_open),
                CASE(an_error_of_recv_is_told),
                CASE(an_error_of_send_is_told),
                CASE(an_error_of_shutdown_ends_the_connection),
                CASE(watch_without_memory_leaves_nothing),
                CASE(the_end_of_reading_is_told_again),
        };

        return cmocka_run_group_tests_name("failures", cases, NULL, NULL);
}
