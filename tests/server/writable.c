/* SPDX-License-Identifier: MIT */
/* A program that was refused a send is told when there is room for half of the limit. */
#include "scene.h"

#include <sched.h>

#define LIMIT 1000
#define PIECE 300
#define TOTAL 3000000

/* What a connection has sent so far: bytes that count up, in pieces. */
struct stream {
        size_t sent;
};

/* Goes on until it is refused, or all is sent. */
static void stream(struct weir_connection *connection) {
        struct stream *stream = weir_connection_data(connection);
        unsigned char piece[PIECE];

        while (stream->sent < TOTAL) {
                int r;

                for (size_t i = 0; i < PIECE; ++i)
                        piece[i] = (unsigned char)((stream->sent + i) * 13);
                r = weir_connection_send(connection, piece, PIECE);
                if (r == -ENOBUFS)
                        return;
                BROKEN(scene_of(connection), r != 0);
                stream->sent += PIECE;
        }
        BROKEN(scene_of(connection), weir_connection_finish(connection, NULL, 0) != 0);
}

static void go_on(struct weir_connection *connection) {
        struct stream *data = weir_connection_data(connection);
        size_t before = data->sent;

        atomic_fetch_add(&scene_of(connection)->turns, 1);
        stream(connection);
        BROKEN(scene_of(connection), data->sent == before); /* there was room */
}

static int begin_stream(struct weir_connection *connection) {
        stream(connection);
        return scene_opened(connection);
}

static void a_stream_goes_on_as_the_peer_reads(void **state) {
        struct weir_server_config config = {
                .connection_size = sizeof(struct stream),
                .output_limit = LIMIT,
                .opened = begin_stream,
                .writable = go_on,
        };
        static unsigned char heard[TOTAL];

        (void)state;
        for (int tcp = 0; tcp < 2; ++tcp) {
                struct scene scene;
                int peer;

                scene_make(&scene, &config);
                peer = tcp ? scene_add_tcp(&scene) : scene_add(&scene);
                scene_start(&scene, 2);
                memset(heard, 0, sizeof heard);
                assert_int_equal(hear(peer, heard, sizeof heard), sizeof heard);
                for (size_t i = 0; i < sizeof heard; ++i)
                        if (heard[i] != (unsigned char)(i * 13))
                                fail_msg("byte %zu is wrong", i);
                hear_end(peer);
                close(peer);
                scene_end(&scene);
                assert_int_equal(scene.reason, 0);
        }
}

struct meddler {
        struct weir_connection *connection;
        atomic_bool over;
};

static int send_what_never_fits(void *arg) {
        static const char bytes[LIMIT + 1];
        struct meddler *meddler = arg;

        while (!atomic_load(&meddler->over)) {
                if (weir_connection_send(meddler->connection, bytes, sizeof bytes) == 0)
                        return -1;
                sched_yield(); /* where one thread runs at a time, the stream has its time, too */
        }
        return 0;
}

/* Others are refused beside it, also while nothing waits: the stream's own refusal stands all the same. */
static void a_refusal_is_not_forgotten_for_another(void **state) {
        struct weir_server_config config = {
                .connection_size = sizeof(struct stream),
                .output_limit = LIMIT,
                .opened = begin_stream,
                .writable = go_on,
        };
        static unsigned char heard[TOTAL];
        struct meddler meddler = { .over = false };
        struct worker worker;
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &config);
        peer = scene_add(&scene);
        meddler.connection = weir_connection_ref(scene.connection);
        worker_start(&worker, send_what_never_fits, &meddler);
        scene_start(&scene, 1);
        assert_int_equal(hear(peer, heard, sizeof heard), sizeof heard);
        atomic_store(&meddler.over, true);
        assert_int_equal(worker_join(&worker), 0);
        weir_connection_unref(meddler.connection);
        hear_end(peer);
        close(peer);
        scene_end(&scene);
}

static void note_room(struct weir_connection *connection) {
        atomic_fetch_add(&scene_of(connection)->stopping, 1);
}

/* Within a turn nothing is sent meanwhile. */
static void be_refused(struct weir_connection *connection) {
        static const char bytes[600];
        char byte;

        while (weir_connection_read(connection, &byte, 1) > 0) {
                BROKEN(scene_of(connection), weir_connection_send(connection, bytes, 600) != 0);
                BROKEN(scene_of(connection), weir_connection_send(connection, bytes, 600) != -ENOBUFS);
        }
}

static void each_refusal_is_answered_once(void **state) {
        struct scene scene;
        char heard[600];
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){
                                   .output_limit = LIMIT, .readable = be_refused, .writable = note_room });
        peer = scene_add(&scene);
        scene_start(&scene, 2);
        for (int i = 1; i <= 3; ++i) {
                say_text(peer, "x");
                assert_int_equal(hear(peer, heard, sizeof heard), sizeof heard);
                assert_true(reached(&scene.stopping, i));
                assert_int_equal(weir_connection_send(scene.connection, "y", 1), 0); /* makes a turn, at the latest */
                assert_int_equal(hear(peer, heard, 1), 1);
                assert_int_equal(scene.stopping, i);
        }
        close(peer);
        scene_end(&scene);
}

static int open_full(struct weir_connection *connection) {
        fill(weir_connection_fd(connection));
        return scene_opened(connection);
}

/* Less than half waits, and more than that is refused: so room is told only when some of it was sent. */
static void a_large_one_is_told_when_something_was_sent(void **state) {
        static const char bytes[600];
        struct scene scene;
        char heard[4096];
        int peer;

        (void)state;
        scene_make(&scene,
                   &(struct weir_server_config){ .output_limit = LIMIT, .opened = open_full, .writable = note_room });
        peer = scene_add(&scene);
        assert_int_equal(weir_connection_send(scene.connection, bytes, 450), 0);
        assert_int_equal(weir_connection_send(scene.connection, bytes, 600), -ENOBUFS);
        scene_start(&scene, 2);
        for (int i = 1; i <= 10; ++i) {
                say_text(peer, "x");
                assert_true(reached(&scene.bytes, i));
        }
        assert_int_equal(scene.stopping, 0);
        for (int i = 0; i < 10000 && !reached_within(&scene.stopping, 1, 1); ++i)
                while (polls_readable(peer, 0))
                        assert_true(recv(peer, heard, sizeof heard, 0) > 0);
        assert_true(reached(&scene.stopping, 1));
        assert_int_equal(scene.stopping, 1);
        close(peer);
        scene_end(&scene);
}

/* What never fits is refused without a word to follow. */
static void what_never_fits_is_not_told(void **state) {
        static const char bytes[LIMIT + 1];
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .output_limit = LIMIT, .writable = note_room });
        peer = scene_add(&scene);
        assert_int_equal(weir_connection_send(scene.connection, bytes, sizeof bytes), -ENOBUFS);
        scene_start(&scene, 2);
        say_text(peer, "x");
        hear_text(peer, "x");
        say_text(peer, "y");
        hear_text(peer, "y");
        assert_int_equal(scene.stopping, 0);
        close(peer);
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(a_stream_goes_on_as_the_peer_reads), CASE(a_refusal_is_not_forgotten_for_another),
                CASE(each_refusal_is_answered_once),      CASE(a_large_one_is_told_when_something_was_sent),
                CASE(what_never_fits_is_not_told),
        };

        return cmocka_run_group_tests_name("writable", cases, NULL, NULL);
}
