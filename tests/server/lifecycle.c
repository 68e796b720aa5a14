/* SPDX-License-Identifier: MIT */
/* A server from its first descriptor to its last: listening, adding, running, and being destroyed without a run. */
#include "scene.h"

#include <netinet/tcp.h>

static int listen_on(struct scene *scene, const char *text, struct weir_address *ret_address) {
        struct weir_address address;
        int fd;

        assert_int_equal(weir_address_parse(text, &address), 0);
        fd = weir_stream_listen(&address, 0);
        assert_true(fd >= 0);
        ret_address->length = sizeof ret_address->sa;
        assert_int_equal(getsockname(fd, &ret_address->sa.any, &ret_address->length), 0);
        assert_int_equal(weir_server_listen(scene->server, fd), 0);
        return fd;
}

static int connect_to(const struct weir_address *address) {
        int fd = weir_stream_connect(address);

        assert_true(fd >= 0);
        return fd;
}

static void a_server_that_was_made_is_destroyed(void **state) {
        struct scene scene;

        (void)state;
        scene_make(&scene, NULL);
        assert_ptr_equal(weir_server_data(scene.server), &scene);
        assert_non_null(weir_server_registry(scene.server));
        weir_server_destroy(scene.server);
}

static void the_configuration_is_copied(void **state) {
        struct weir_server_config config = { .readable = scene_echo, .linger_limit = HOUR };
        struct scene scene = { 0 };
        int peer;

        (void)state;
        config.data = &scene;
        assert_int_equal(weir_server_create(&config, &scene.server), 0);
        memset(&config, 0xff, sizeof config);
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(peer, "all that is NULL has a meaning");
        hear_text(peer, "all that is NULL has a meaning");
        close(peer);
        scene_end(&scene);
}

static void who_connects_is_served(void **state) {
        const char *addresses[] = { "127.0.0.1:0", "[::1]:0", "unix:@weir-server-lifecycle" };
        struct weir_address address;
        struct scene scene;

        (void)state;
        scene_make(&scene, NULL);
        scene_start(&scene, 2);
        for (size_t i = 0; i < ARRAY_LEN(addresses); ++i) {
                int peer;

                listen_on(&scene, addresses[i], &address);
                peer = connect_to(&address);
                assert_int_equal(fcntl(peer, F_SETFL, 0), 0);
                say_text(peer, "hello");
                hear_text(peer, "hello");
                close(peer);
                assert_true(reached(&scene.closed, (int)i + 1));
                assert_int_equal(scene.reason, 0);
        }
        scene_end(&scene);
}

/* They are waiting before the server runs, on several listeners. */
static void all_that_wait_are_accepted(void **state) {
        struct weir_address addresses[3];
        struct scene scene;
        int peers[60];

        (void)state;
        scene_make(&scene, NULL);
        for (size_t i = 0; i < ARRAY_LEN(addresses); ++i)
                listen_on(&scene, "127.0.0.1:0", &addresses[i]);
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i)
                peers[i] = connect_to(&addresses[i % ARRAY_LEN(addresses)]);
        assert_int_equal(scene.opened, 0);
        scene_start(&scene, 3);
        assert_true(reached(&scene.opened, ARRAY_LEN(peers)));
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i) {
                say_text(peers[i], "x");
                hear_text(peers[i], "x");
                close(peers[i]);
        }
        scene_end(&scene);
        assert_int_equal(scene.opened, ARRAY_LEN(peers));
}

static int look_at_options(struct weir_connection *connection) {
        socklen_t length = sizeof(int);
        int value = 0, fd = weir_connection_fd(connection);

        BROKEN(scene_of(connection), getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &length) < 0 || !value);
        BROKEN(scene_of(connection), !(fcntl(fd, F_GETFD) & FD_CLOEXEC));
        return scene_opened(connection);
}

static void what_is_accepted_sends_at_once(void **state) {
        struct weir_address address;
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .opened = look_at_options });
        listen_on(&scene, "127.0.0.1:0", &address);
        scene_start(&scene, 1);
        peer = connect_to(&address);
        assert_true(reached(&scene.opened, 1));
        close(peer);
        scene_end(&scene);
}

static int refuse_odd_ones(struct weir_connection *connection) {
        if (weir_connection_id(connection) % 2)
                return -EACCES;
        return scene_opened(connection);
}

static void who_is_not_wanted_sees_the_end(void **state) {
        struct weir_address address;
        struct scene scene;
        int first, second;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .opened = refuse_odd_ones });
        listen_on(&scene, "127.0.0.1:0", &address);
        scene_start(&scene, 1);
        first = connect_to(&address);
        hear_end(first);
        second = connect_to(&address);
        say_text(second, "second");
        hear_text(second, "second");
        close(first);
        close(second);
        scene_end(&scene);
        assert_int_equal(scene.opened, 1);
}

static int thread_of_opened(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);

        BROKEN(scene, weir_connection_send(connection, "welcome", 7) != 0);
        return scene_opened(connection);
}

static void add_opens_before_it_returns(void **state) {
        struct scene scene;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .opened = thread_of_opened });
        for (int round = 0; round < 2; ++round) {
                int peer = scene_add(&scene);

                assert_int_equal(scene.opened, round + 1);
                if (round == 0)
                        scene_start(&scene, 2);
                hear_text(peer, "welcome");
                close(peer);
        }
        scene_end(&scene);
}

/* A connection on its way is served when it is there; one that does not get there is told by closed(). */
static void add_takes_what_is_on_its_way(void **state) {
        struct weir_address address, nobody;
        struct scene scene;
        int listener, peer, fd;

        (void)state;
        assert_int_equal(weir_address_parse("127.0.0.1:0", &address), 0);
        listener = weir_stream_listen(&address, 0);
        assert_true(listener >= 0);
        address.length = sizeof address.sa;
        assert_int_equal(getsockname(listener, &address.sa.any, &address.length), 0);
        scene_make(&scene, &(struct weir_server_config){ .opened = thread_of_opened });
        scene_start(&scene, 1);
        assert_int_equal(weir_server_add(scene.server, connect_to(&address)), 0);
        assert_true(polls_readable(listener, DEADLINE_MS));
        peer = weir_stream_accept(listener, NULL);
        assert_true(peer >= 0);
        hear_text(peer, "welcome");
        close(peer);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, 0);

        nobody = address;
        close(listener);
        fd = weir_stream_connect(&nobody);
        if (fd >= 0) {
                assert_int_equal(weir_server_add(scene.server, fd), 0);
                assert_true(reached(&scene.closed, 2));
                assert_int_equal(scene.reason, -ECONNREFUSED);
        }
        scene_end(&scene);
}

static void destroy_without_a_run_closes_all(void **state) {
        struct weir_address address;
        struct scene scene;
        int peers[3], listener, waiting;

        (void)state;
        scene_make(&scene, NULL);
        listener = listen_on(&scene, "127.0.0.1:0", &address);
        waiting = connect_to(&address);
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i)
                peers[i] = scene_add(&scene);
        weir_server_destroy(scene.server);
        assert_int_equal(scene.opened, ARRAY_LEN(peers));
        assert_int_equal(scene.closed, ARRAY_LEN(peers));
        assert_int_equal(scene.reason, -ECANCELED);
        assert_int_equal(scene.broken, 0);
        assert_true(is_closed(listener));
        for (size_t i = 0; i < ARRAY_LEN(peers); ++i) {
                hear_end(peers[i]);
                close(peers[i]);
        }
        close(waiting);
}

static void run_again(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);

        BROKEN(scene, weir_server_run(scene->server, 1) != -EBUSY);
        scene_echo(connection);
}

static void a_second_run_is_refused(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = run_again });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(peer, "again");
        hear_text(peer, "again");
        assert_int_equal(weir_server_run(scene.server, 1), -EBUSY);
        say_text(peer, "it goes on");
        hear_text(peer, "it goes on");
        close(peer);
        weir_server_stop(scene.server);
        scene_join(&scene);
        assert_int_equal(weir_server_run(scene.server, 3), 0); /* it has ended */
        weir_server_destroy(scene.server);
}

static void as_many_threads_as_processors(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, NULL);
        scene_start(&scene, 0);
        peer = scene_add(&scene);
        say_text(peer, "0");
        hear_text(peer, "0");
        close(peer);
        scene_end(&scene);
}

/* A connection whose turn adds another one, as a proxy does. */
static void add_another(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);
        int fds[2];

        if (atomic_load(&scene->opened) == 1) {
                BROKEN(scene, weir_stream_pair(fds) < 0);
                BROKEN(scene, send(fds[1], "from the side", 13, MSG_NOSIGNAL) != 13);
                BROKEN(scene, weir_server_add(scene->server, fds[0]) != 0);
                close(fds[1]);
        }
        scene_echo(connection);
}

static void a_turn_adds_a_connection(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = add_another });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(peer, "x");
        hear_text(peer, "x");
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.bytes, 14);
        close(peer);
        scene_end(&scene);
        assert_int_equal(scene.opened, 2);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(a_server_that_was_made_is_destroyed),
                CASE(the_configuration_is_copied),
                CASE(who_connects_is_served),
                CASE(all_that_wait_are_accepted),
                CASE(what_is_accepted_sends_at_once),
                CASE(who_is_not_wanted_sees_the_end),
                CASE(add_opens_before_it_returns),
                CASE(add_takes_what_is_on_its_way),
                CASE(destroy_without_a_run_closes_all),
                CASE(a_second_run_is_refused),
                CASE(as_many_threads_as_processors),
                CASE(a_turn_adds_a_connection),
        };

        return cmocka_run_group_tests_name("lifecycle", cases, NULL, NULL);
}
