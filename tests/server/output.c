/* SPDX-License-Identifier: MIT */
/* What is sent: by any thread, in order, whole or not at all, within the limit, and as fast as the peer reads. */
#include "scene.h"

#include <poll.h>

/* ---------------------------------------------------------------- order */

#define SENDERS  4
#define MESSAGES 3000

struct message {
        uint32_t sender, number;
        char text[24];
};

struct sender {
        struct worker worker;
        struct scene *scene;
        uint32_t number;
};

static int send_messages(void *arg) {
        struct sender *sender = arg;
        struct message message = { .sender = sender->number };
        int r;

        for (uint32_t i = 0; i < MESSAGES; ++i) {
                message.number = i;
                snprintf(message.text, sizeof message.text, "%u of %u", i, sender->number);
                while ((r = weir_connection_send(sender->scene->connection, &message, sizeof message)) == -ENOBUFS)
                        sched_yield();
                REQUIRE(r == 0);
        }
        return 0;
}

static void messages_of_all_threads_arrive_in_order_and_whole(void **state) {
        uint32_t next[SENDERS] = { 0 };
        struct sender senders[SENDERS];
        struct message message;
        struct scene scene;
        char text[24];
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .output_limit = 20 * sizeof message });
        peer = scene_add(&scene);
        scene_start(&scene, 3);
        for (uint32_t i = 0; i < SENDERS; ++i) {
                senders[i].scene = &scene;
                senders[i].number = i;
                worker_start(&senders[i].worker, send_messages, &senders[i]);
        }
        for (unsigned n = 0; n < SENDERS * MESSAGES; ++n) {
                assert_int_equal(hear(peer, &message, sizeof message), sizeof message);
                assert_in_range(message.sender, 0, SENDERS - 1);
                assert_int_equal(message.number, next[message.sender]++);
                snprintf(text, sizeof text, "%u of %u", message.number, message.sender);
                assert_string_equal(message.text, text);
        }
        for (size_t i = 0; i < SENDERS; ++i)
                assert_int_equal(worker_join(&senders[i].worker), 0);
        assert_int_equal(weir_connection_finish(scene.connection, NULL, 0), 0);
        hear_end(peer);
        close(peer);
        scene_end(&scene);
}

/* ---------------------------------------------------------------- limits */

/* Nobody runs the server: what is queued stays so. */
static void the_limit_is_exact(void **state) {
        enum { LIMIT = 100 };
        char bytes[LIMIT + 1], heard[LIMIT];
        struct scene scene;
        int peer;

        (void)state;
        for (size_t i = 0; i < sizeof bytes; ++i)
                bytes[i] = (char)i;
        scene_make(&scene, &(struct weir_server_config){ .output_limit = LIMIT });
        peer = scene_add(&scene);
        assert_int_equal(weir_connection_send(scene.connection, bytes, LIMIT + 1), -ENOBUFS);
        assert_int_equal(weir_connection_send(scene.connection, bytes, 40), 0);
        assert_int_equal(weir_connection_send(scene.connection, bytes, LIMIT - 39), -ENOBUFS);
        assert_int_equal(weir_connection_send(scene.connection, bytes, SIZE_MAX - 39), -ENOBUFS);
        assert_int_equal(weir_connection_send(scene.connection, bytes + 40, LIMIT - 40), 0);
        assert_int_equal(weir_connection_send(scene.connection, bytes, 1), -ENOBUFS);
        scene_start(&scene, 1);
        assert_int_equal(hear(peer, heard, LIMIT), LIMIT);
        assert_memory_equal(heard, bytes, LIMIT);
        /* There is room again, and nothing of what was refused has come. */
        say_text(peer, "x");
        hear_text(peer, "x");
        assert_int_equal(weir_connection_finish(scene.connection, NULL, 0), 0);
        hear_end(peer);
        close(peer);
        scene_end(&scene);
}

static void the_limit_is_65536_where_none_is_named(void **state) {
        static char bytes[65536];
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, NULL);
        peer = scene_add(&scene);
        assert_int_equal(weir_connection_send(scene.connection, bytes, 65535), 0);
        assert_int_equal(weir_connection_send(scene.connection, bytes, 2), -ENOBUFS);
        assert_int_equal(weir_connection_send(scene.connection, bytes, 1), 0);
        assert_int_equal(weir_connection_send(scene.connection, bytes, 1), -ENOBUFS);
        scene_start(&scene, 1);
        assert_int_equal(hear(peer, bytes, 65536), 65536);
        close(peer);
        scene_end(&scene);
}

static void a_limit_may_be_as_large_as_a_number(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .output_limit = SIZE_MAX });
        peer = scene_add(&scene);
        assert_int_equal(weir_connection_send(scene.connection, "a", 1), 0);
        assert_int_equal(weir_connection_send(scene.connection, "b", 1), 0);
        scene_start(&scene, 1);
        hear_text(peer, "ab");
        close(peer);
        scene_end(&scene);
}

static void bad_arguments_queue_nothing(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, NULL);
        peer = scene_add(&scene);
        assert_int_equal(weir_connection_send(scene.connection, NULL, 3), -EINVAL);
        assert_int_equal(weir_connection_finish(scene.connection, NULL, 3), -EINVAL);
        scene_start(&scene, 1);
        say_text(peer, "open");
        hear_text(peer, "open");
        close(peer);
        scene_end(&scene);
}

static void read_badly(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);
        char byte;

        BROKEN(scene, weir_connection_read(connection, NULL, 1) != -EINVAL);
        BROKEN(scene, weir_connection_read(connection, &byte, 0) != -EINVAL);
        scene_echo(connection);
}

static void bad_arguments_read_nothing(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = read_badly });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(peer, "open");
        hear_text(peer, "open");
        close(peer);
        scene_end(&scene);
}

/* ---------------------------------------------------------------- a peer that does not read */

/* Writes until nothing more is taken. Where it stops too early, less is tested. */
static size_t write_until_it_stands(int fd) {
        struct pollfd writable = { .fd = fd, .events = POLLOUT };
        unsigned char bytes[1000];
        size_t total = 0;

        do {
                for (size_t i = 0; i < sizeof bytes; ++i)
                        bytes[i] = (unsigned char)((total + i) * 31);
                for (size_t done = 0; done < sizeof bytes;) {
                        ssize_t n = send(fd, bytes + done, sizeof bytes - done, MSG_NOSIGNAL);

                        if (n < 0 && poll(&writable, 1, 100) == 0)
                                return total + done;
                        done += n > 0 ? (size_t)n : 0;
                }
                total += sizeof bytes;
        } while (total < 64000000);
        return total;
}

static void hear_all_of_it(int fd, size_t size) {
        unsigned char bytes[1024];

        for (size_t done = 0; done < size;) {
                size_t n = size - done < sizeof bytes ? size - done : sizeof bytes;

                assert_int_equal(hear(fd, bytes, n), n);
                for (size_t i = 0; i < n; ++i, ++done)
                        if (bytes[i] != (unsigned char)(done * 31))
                                fail_msg("byte %zu is wrong", done);
        }
}

/* The echo notes a send that is refused. The peer says nothing while it reads, so no new readiness helps. */
static void an_echo_waits_for_a_peer_that_does_not_read(void **state) {
        (void)state;
        for (int round = 0; round < 4; ++round) {
                struct scene scene;
                size_t written;
                int peer;

                scene_make(&scene, &(struct weir_server_config){ .output_limit = round < 2 ? 0 : 8192 });
                peer = round % 2 ? scene_add_tcp(&scene) : scene_add(&scene);
                scene_start(&scene, 2);
                written = write_until_it_stands(peer);
                assert_true(written < 64000000);
                assert_true((size_t)scene.bytes < written);
                hear_all_of_it(peer, written);
                say_text(peer, "x");
                hear_text(peer, "x");
                close(peer);
                scene_end(&scene);
        }
}

/* Sends by bits: what is sent in a turn waits for its end. */
static void read_beside_output(struct weir_connection *connection) {
        static const char words[51];
        struct scene *scene = scene_of(connection);
        char byte;

        if (atomic_fetch_add(&scene->turns, 1) > 0) {
                scene_echo(connection);
                return;
        }
        BROKEN(scene, weir_connection_read(connection, &byte, 1) != 1);
        BROKEN(scene, weir_connection_send(connection, words, 50) != 0);
        BROKEN(scene, weir_connection_read(connection, &byte, 1) != 1);
        BROKEN(scene, weir_connection_send(connection, words, 1) != 0);
        BROKEN(scene, weir_connection_read(connection, &byte, 1) != -EAGAIN);
}

/* More than half: the read ends, though there is input, and goes on when there is room. */
static void a_read_ends_where_more_than_half_waits(void **state) {
        struct scene scene;
        char bytes[51];
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .output_limit = 100, .readable = read_beside_output });
        peer = scene_add(&scene);
        say_text(peer, "--input");
        scene_start(&scene, 1);
        assert_int_equal(hear(peer, bytes, sizeof bytes), sizeof bytes);
        hear_text(peer, "input");
        close(peer);
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(messages_of_all_threads_arrive_in_order_and_whole),
                CASE(the_limit_is_exact),
                CASE(the_limit_is_65536_where_none_is_named),
                CASE(a_limit_may_be_as_large_as_a_number),
                CASE(bad_arguments_queue_nothing),
                CASE(bad_arguments_read_nothing),
                CASE(an_echo_waits_for_a_peer_that_does_not_read),
                CASE(a_read_ends_where_more_than_half_waits),
        };

        return cmocka_run_group_tests_name("output", cases, NULL, NULL);
}
