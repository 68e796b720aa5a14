/* SPDX-License-Identifier: MIT */
/*
 * A transport waits for what it likes: its read for room to write, its write for input, its end for an answer; it is called
 * again when that came. What it is given to write after -EAGAIN are the same bytes.
 */
#include "scene.h"

/* What the transport of a connection does, and what it has met. */
struct layer {
        bool has_key; /* the byte without which it writes nothing */
        atomic_int reads, writes, ends;
        char same[64];
        size_t size; /* of the bytes that were refused */
};

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

static void scene_make_over(struct scene *scene, const struct weir_transport *transport) {
        scene_make(scene,
                   &(struct weir_server_config){ .connection_size = sizeof(struct layer), .transport = transport });
}

static struct layer *layer_of(struct scene *scene) {
        return weir_connection_data(scene->connection);
}

/* ---------------------------------------------------------------- waiting for the other direction */

/* Wants to write an answer before it reads on; the socket is full, until the peer reads. */
static ssize_t read_behind_a_full_socket(struct weir_connection *connection, void *buffer, size_t size,
                                         weir_interest *ret_wanted) {
        struct layer *layer = weir_connection_data(connection);
        int fd = weir_connection_fd(connection);

        if (!layer->has_key) {
                if (atomic_fetch_add(&layer->reads, 1) == 0)
                        fill(fd);
                if (send(fd, "!", 1, MSG_NOSIGNAL) < 0) {
                        latch_set(&scene_of(connection)->there);
                        *ret_wanted = WEIR_WRITABLE;
                        return -EAGAIN;
                }
                layer->has_key = true;
        }
        return plain_read(connection, buffer, size, ret_wanted);
}

static void a_read_waits_for_the_peer_to_read(void **state) {
        static const struct weir_transport transport = { .read = read_behind_a_full_socket, .write = plain_write };
        struct scene scene;
        char byte = 0;
        int peer;

        (void)state;
        scene_make_over(&scene, &transport);
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(peer, "?");
        latch_wait(&scene.there);
        while (byte != '!')
                assert_int_equal(hear(peer, &byte, 1), 1);
        hear_text(peer, "?");
        close(peer);
        scene_end(&scene);
}

/* Writes nothing before the peer's first byte has come, which either direction takes. */
static bool takes_key(struct weir_connection *connection) {
        struct layer *layer = weir_connection_data(connection);
        char byte;

        if (!layer->has_key && recv(weir_connection_fd(connection), &byte, 1, 0) == 1)
                layer->has_key = true;
        return layer->has_key;
}

static ssize_t read_after_key(struct weir_connection *connection, void *buffer, size_t size,
                              weir_interest *ret_wanted) {
        struct layer *layer = weir_connection_data(connection);

        atomic_fetch_add(&layer->reads, 1);
        return takes_key(connection) ? plain_read(connection, buffer, size, ret_wanted) : -EAGAIN;
}

static ssize_t write_after_key(struct weir_connection *connection, const void *bytes, size_t size,
                               weir_interest *ret_wanted) {
        struct layer *layer = weir_connection_data(connection);

        BROKEN(scene_of(connection), layer->size && (size != layer->size || memcmp(bytes, layer->same, size)));
        layer->size = 0;
        atomic_fetch_add(&layer->writes, 1);
        if (takes_key(connection))
                return plain_write(connection, bytes, size, ret_wanted);
        layer->size = size < sizeof layer->same ? size : sizeof layer->same;
        memcpy(layer->same, bytes, layer->size);
        latch_set(&scene_of(connection)->there);
        *ret_wanted = WEIR_READABLE;
        return -EAGAIN;
}

/* Takes some of the first bytes, and then none until the peer has sent its key. */
static ssize_t write_some(struct weir_connection *connection, const void *bytes, size_t size,
                          weir_interest *ret_wanted) {
        struct layer *layer = weir_connection_data(connection);

        if (atomic_fetch_add(&layer->writes, 1) == 0)
                return plain_write(connection, bytes, size < 60 ? size : 60, ret_wanted);
        if (takes_key(connection))
                return plain_write(connection, bytes, size, ret_wanted);
        latch_set(&scene_of(connection)->there);
        *ret_wanted = WEIR_READABLE;
        return -EAGAIN;
}

static void what_was_written_in_part_makes_room(void **state) {
        static const struct weir_transport transport = { .read = read_after_key, .write = write_some };
        struct scene scene;
        char bytes[160] = { 0 }, heard[sizeof bytes];
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .connection_size = sizeof(struct layer),
                                                         .transport = &transport,
                                                         .output_limit = 100 });
        peer = scene_add(&scene);
        assert_int_equal(weir_connection_send(scene.connection, bytes, 100), 0);
        assert_int_equal(weir_connection_send(scene.connection, bytes, 1), -ENOBUFS);
        scene_start(&scene, 1);
        latch_wait(&scene.there);
        assert_int_equal(hear(peer, heard, 60), 60);
        assert_int_equal(weir_connection_send(scene.connection, bytes, 60), 0);
        assert_int_equal(weir_connection_send(scene.connection, bytes, 1), -ENOBUFS);
        say(peer, "k", 1);
        assert_int_equal(hear(peer, heard, 100), 100);
        close(peer);
        scene_end(&scene);
}

static const struct weir_transport with_key = { .read = read_after_key, .write = write_after_key };

/* After the key nothing comes: whoever takes it, the write goes on. */
static void a_write_waits_for_input(void **state) {
        (void)state;
        for (int tcp = 0; tcp < 2; ++tcp)
                for (int early = 0; early < 2; ++early) {
                        struct scene scene;
                        int peer;

                        scene_make_over(&scene, &with_key);
                        peer = tcp ? scene_add_tcp(&scene) : scene_add(&scene);
                        if (early)
                                say_text(peer, "k");
                        assert_int_equal(weir_connection_send(scene.connection, "message", 7), 0);
                        scene_start(&scene, 1);
                        if (!early) {
                                latch_wait(&scene.there);
                                say_text(peer, "k");
                        }
                        hear_text(peer, "message");
                        say_text(peer, "x");
                        hear_text(peer, "x");
                        close(peer);
                        scene_end(&scene);
                }
}

/* Others send meanwhile; the bytes that were refused are the same, and as many. */
static void a_write_is_repeated_with_the_same_bytes(void **state) {
        struct scene scene;
        char text[16], all[1000] = { 0 };
        int peer;

        (void)state;
        scene_make_over(&scene, &with_key);
        peer = scene_add(&scene);
        scene_start(&scene, 2);
        for (int i = 0; i < 60; ++i) {
                int writes = layer_of(&scene)->writes;

                snprintf(text, sizeof text, "message %d,", i);
                strcat(all, text);
                assert_int_equal(weir_connection_send(scene.connection, text, strlen(text)), 0);
                if (i == 0)
                        latch_wait(&scene.there);
                if (i % 8 == 7) /* a turn in between, if there is one */
                        (void)reached_within(&layer_of(&scene)->writes, writes + 1, 1);
        }
        assert_int_equal(weir_connection_finish(scene.connection, "end", 3), 0);
        strcat(all, "end");
        say_text(peer, "k");
        for (char *rest = all; *rest; rest += strlen(text)) {
                snprintf(text, sizeof text, "%.10s", rest);
                hear_text(peer, text);
        }
        hear_end(peer);
        close(peer);
        scene_end(&scene);
        assert_int_equal(scene.reason, 0);
}

/* ---------------------------------------------------------------- the end */

/* What the peer says to the end, whoever reads it. */
static ssize_t read_and_note(struct weir_connection *connection, void *buffer, size_t size, weir_interest *ret_wanted) {
        struct layer *layer = weir_connection_data(connection);
        ssize_t n = plain_read(connection, buffer, size, ret_wanted);

        layer->has_key |= n > 0 && memchr(buffer, '!', (size_t)n);
        return n;
}

/* Says so, and waits for the peer to say so. */
static int end_in_turns(struct weir_connection *connection, weir_interest *ret_wanted) {
        struct layer *layer = weir_connection_data(connection);
        int fd = weir_connection_fd(connection);
        char byte;

        BROKEN(scene_of(connection), *ret_wanted != WEIR_WRITABLE);
        if (atomic_fetch_add(&layer->ends, 1) == 0)
                BROKEN(scene_of(connection), send(fd, "end?", 4, MSG_NOSIGNAL) != 4);
        if (layer->has_key || (recv(fd, &byte, 1, 0) == 1 && byte == '!'))
                return 0;
        *ret_wanted = WEIR_READABLE;
        return -EAGAIN;
}

static void finish_with_words(struct weir_connection *connection) {
        char byte;

        while (weir_connection_read(connection, &byte, 1) > 0)
                ;
        BROKEN(scene_of(connection), weir_connection_finish(connection, "words,", 6) != 0);
}

static void the_end_takes_several_turns(void **state) {
        static const struct weir_transport transport = { .read = read_and_note,
                                                         .write = plain_write,
                                                         .end = end_in_turns };
        struct weir_server_config config = {
                .connection_size = sizeof(struct layer),
                .transport = &transport,
                .readable = finish_with_words,
        };

        (void)state;
        for (int tcp = 0; tcp < 2; ++tcp) {
                struct scene scene;
                int peer;

                scene_make(&scene, &config);
                peer = tcp ? scene_add_tcp(&scene) : scene_add(&scene);
                scene_start(&scene, 2);
                say_text(peer, "x");
                hear_text(peer, "words,end?");
                say_text(peer, "!");
                hear_end(peer);
                close(peer);
                scene_end(&scene);
                assert_int_equal(scene.reason, 0);
        }
}

/* The other end, for a transport that has it answer just after the socket was found empty. */
static int answering;

static bool answered(struct weir_connection *connection) {
        struct layer *layer = weir_connection_data(connection);
        char byte;

        while (!layer->has_key && recv(weir_connection_fd(connection), &byte, 1, 0) == 1)
                layer->has_key = byte == '!';
        if (!layer->has_key && answering >= 0) {
                BROKEN(scene_of(connection), send(answering, "!", 1, MSG_NOSIGNAL) != 1);
                answering = -1;
        }
        return layer->has_key;
}

static ssize_t write_answered(struct weir_connection *connection, const void *bytes, size_t size,
                              weir_interest *ret_wanted) {
        if (answered(connection))
                return plain_write(connection, bytes, size, ret_wanted);
        *ret_wanted = WEIR_READABLE;
        return -EAGAIN;
}

static int end_answered(struct weir_connection *connection, weir_interest *ret_wanted) {
        if (answered(connection))
                return 0;
        *ret_wanted = WEIR_READABLE;
        return -EAGAIN;
}

/* The answer is read by the one who throws away what the peer still sends: those who wait for it go on all the same. */
static void what_is_thrown_away_may_be_waited_for(void **state) {
        static const struct weir_transport transports[] = {
                { .read = read_and_note, .write = plain_write, .end = end_answered },
                { .read = read_and_note, .write = write_answered },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(transports); ++i) {
                struct scene scene;
                int peer;

                scene_make_over(&scene, &transports[i]);
                peer = answering = scene_add(&scene);
                say_text(peer, "unread");
                assert_int_equal(weir_connection_finish(scene.connection, "bye", 3), 0);
                scene_start(&scene, 1);
                hear_text(peer, "bye");
                hear_end(peer);
                close(peer);
                scene_end(&scene);
                assert_int_equal(scene.reason, 0);
        }
}

/* The peer's own end, of the transport alone, while its socket is open. */
static ssize_t read_to_a_mark(struct weir_connection *connection, void *buffer, size_t size,
                              weir_interest *ret_wanted) {
        struct layer *layer = weir_connection_data(connection);
        ssize_t n = layer->has_key ? 0 : plain_read(connection, buffer, size, ret_wanted);

        if (n > 0 && memchr(buffer, '.', (size_t)n)) {
                layer->has_key = true;
                --n;
        }
        return n;
}

static void the_end_of_the_transport_is_the_peers_end(void **state) {
        static const struct weir_transport transport = { .read = read_to_a_mark, .write = plain_write };
        struct scene scene;
        int peer;

        (void)state;
        scene_make_over(&scene, &transport);
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        say_text(peer, "sentence.");
        hear_text(peer, "sentence");
        hear_end(peer);
        close(peer);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, 0);
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(a_read_waits_for_the_peer_to_read),       CASE(a_write_waits_for_input),
                CASE(a_write_is_repeated_with_the_same_bytes), CASE(the_end_takes_several_turns),
                CASE(what_is_thrown_away_may_be_waited_for),   CASE(the_end_of_the_transport_is_the_peers_end),
                CASE(what_was_written_in_part_makes_room),
        };

        return cmocka_run_group_tests_name("transport", cases, NULL, NULL);
}
