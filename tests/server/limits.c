/* SPDX-License-Identifier: MIT */
/* Limits of time: what comes of each, and that none comes early. How late one comes is not looked at. */
#include "scene.h"

#define LIMIT (40 * MS)

static void note_moment(struct weir_connection *connection) {
        atomic_store(&scene_of(connection)->moment, weir_now());
        scene_echo(connection);
}

/* Without expired() it is finished. */
static void an_idle_connection_is_finished(void **state) {
        struct scene scene;
        weir_time start = weir_now();
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .idle_limit = LIMIT });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        hear_end(peer);
        assert_true(weir_now() >= start + LIMIT);
        close(peer);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, 0);
        scene_end(&scene);
}

static void what_is_read_begins_the_limit_anew(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .idle_limit = LIMIT, .readable = note_moment });
        peer = scene_add(&scene);
        scene_start(&scene, 2);
        while (send(peer, "x", 1, MSG_NOSIGNAL) == 1 && scene.bytes < 20)
                (void)polls_readable(peer, 3);
        while (drain(peer) || !at_end(peer))
                (void)polls_readable(peer, DEADLINE_MS);
        assert_true(weir_now() >= scene.moment + LIMIT);
        close(peer);
        scene_end(&scene);
}

static void expire_and_look(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);
        weir_time now = weir_now();

        BROKEN(scene, now < scene->moment + LIMIT);
        scene->moment = now;
        scene_expired(connection);
}

static void expired_comes_again_and_again(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .idle_limit = LIMIT, .expired = expire_and_look });
        scene.moment = weir_now();
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        assert_true(reached(&scene.expired, 4));
        say_text(peer, "x");
        hear_text(peer, "x");
        assert_true(reached(&scene.expired, 5));
        close(peer);
        scene_end(&scene);
}

static void ping(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);

        if (atomic_fetch_add(&scene->expired, 1) == 0)
                BROKEN(scene, weir_connection_send(connection, "ping", 4) != 0);
        else
                BROKEN(scene, weir_connection_finish(connection, "dead", 4) != 0);
}

static void expired_may_send_and_finish(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .idle_limit = LIMIT, .expired = ping });
        peer = scene_add(&scene);
        scene_start(&scene, 2);
        hear_text(peer, "pingdead");
        hear_end(peer);
        close(peer);
        scene_end(&scene);
        assert_int_equal(scene.expired, 2);
        assert_int_equal(scene.reason, 0);
}

/* One whose output is blocked reads nothing, either: so a peer that takes nothing does not stay for ever. */
static void a_peer_that_takes_nothing_expires(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .idle_limit = LIMIT, .linger_limit = LIMIT });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        while (!scene.closed)
                if (send(peer, "fill", 4, MSG_NOSIGNAL) < 0)
                        (void)reached_within(&scene.closed, 1, 10);
        assert_int_equal(scene.reason, -ETIMEDOUT);
        close(peer);
        scene_end(&scene);
}

static int longer_for_the_first(struct weir_connection *connection) {
        BROKEN(scene_of(connection), weir_connection_set_idle_limit(connection, -1) != -EINVAL);
        if (weir_connection_id(connection) == 1)
                BROKEN(scene_of(connection), weir_connection_set_idle_limit(connection, 0) != 0);
        return scene_opened(connection);
}

static void a_connection_has_a_limit_of_its_own(void **state) {
        struct scene scene;
        int first, second;

        (void)state;
        assert_int_equal(weir_connection_set_idle_limit(NULL, 1), -EINVAL);
        scene_make(&scene, &(struct weir_server_config){ .idle_limit = LIMIT, .opened = longer_for_the_first });
        first = scene_add(&scene);
        second = scene_add(&scene);
        scene_start(&scene, 1);
        hear_end(second);
        close(second);
        assert_true(reached(&scene.closed, 1));
        say_text(first, "there");
        hear_text(first, "there");
        close(first);
        scene_end(&scene);
}

static void shorten(struct weir_connection *connection) {
        atomic_store(&scene_of(connection)->moment, weir_now());
        scene_echo(connection);
        BROKEN(scene_of(connection), weir_connection_set_idle_limit(connection, LIMIT) != 0);
}

static void the_limit_may_be_set_in_a_turn(void **state) {
        const weir_time limits[] = { 0, HOUR };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(limits); ++i) {
                struct scene scene;
                int peer;

                scene_make(&scene, &(struct weir_server_config){ .idle_limit = limits[i], .readable = shorten });
                peer = scene_add(&scene);
                scene_start(&scene, 1);
                say_text(peer, "x");
                hear_text(peer, "x");
                hear_end(peer);
                assert_true(weir_now() >= scene.moment + LIMIT);
                close(peer);
                scene_end(&scene);
        }
}

/* ---------------------------------------------------------------- linger */

static void finish(struct weir_connection *connection) {
        BROKEN(scene_of(connection), weir_connection_finish(connection, "bye", 3) != 0);
}

static void a_peer_that_does_not_end_is_left(void **state) {
        (void)state;
        for (int listens = 0; listens < 2; ++listens) {
                struct scene scene;
                weir_time start;
                int peer;

                scene_make(&scene, &(struct weir_server_config){ .linger_limit = LIMIT, .readable = finish });
                peer = scene_add(&scene);
                start = weir_now();
                scene_start(&scene, 1);
                put(peer);
                if (listens) {
                        hear_text(peer, "bye");
                        hear_end(peer);
                }
                assert_true(reached(&scene.closed, 1));
                assert_true(weir_now() >= start + LIMIT);
                assert_int_equal(scene.reason, -ETIMEDOUT);
                close(peer);
                scene_end(&scene);
        }
}

static int flood(void *arg) {
        static const char bytes[16384];
        int fd = *(int *)arg;

        while (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) >= 0 || errno == EAGAIN)
                ;
        return 0;
}

static void a_peer_that_sends_without_end_is_left(void **state) {
        struct worker flooder;
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .linger_limit = LIMIT, .readable = finish });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        worker_start(&flooder, flood, &peer);
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, -ETIMEDOUT);
        assert_int_equal(worker_join(&flooder), 0);
        close(peer);
        scene_end(&scene);
}

static void the_words_of_a_blocked_peer_are_left(void **state) {
        static const char bytes[2000000];
        struct scene scene;
        weir_time start;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .linger_limit = LIMIT });
        peer = scene_add(&scene);
        scene_start(&scene, 1);
        start = weir_now();
        assert_int_equal(weir_connection_finish(scene.connection, bytes, sizeof bytes), 0);
        assert_true(reached(&scene.closed, 1));
        assert_true(weir_now() >= start + LIMIT);
        assert_int_equal(scene.reason, -ETIMEDOUT);
        close(peer);
        scene_end(&scene);
}

/* The idle limit is over with finish(): the linger limit has begun. */
static void what_lingers_does_not_expire(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .idle_limit = 5 * MS,
                                                         .linger_limit = 100 * MS,
                                                         .expired = scene_expired,
                                                         .readable = finish });
        peer = scene_add(&scene);
        put(peer);
        scene_start(&scene, 1);
        hear_text(peer, "bye");
        assert_true(reached(&scene.closed, 1));
        assert_int_equal(scene.reason, -ETIMEDOUT);
        assert_in_range(scene.expired, 0, 1); /* one that came before the turn */
        close(peer);
        scene_end(&scene);
}

/* No sum of now and a limit is too large. */
static void limits_may_be_as_long_as_time(void **state) {
        const struct weir_server_config config = {
                .idle_limit = INT64_MAX,
                .linger_limit = INT64_MAX,
                .stop_limit = INT64_MAX,
                .expired = scene_expired,
                .stopping = scene_stopping,
        };
        struct scene scene;
        int first, second;

        (void)state;
        scene_make(&scene, &config);
        first = scene_add(&scene);
        second = scene_add(&scene);
        scene_start(&scene, 2);
        say_text(first, "x");
        hear_text(first, "x");
        assert_int_equal(weir_connection_finish(scene.connection, "bye", 3), 0);
        hear_text(second, "bye");
        hear_end(second);
        weir_server_stop(scene.server);
        assert_true(reached(&scene.stopping, 1));
        say_text(first, "x");
        hear_text(first, "x");
        assert_int_equal(scene.closed, 0);
        assert_int_equal(scene.expired, 0);
        close(first);
        close(second);
        scene_join(&scene);
        assert_int_equal(scene.reason, 0);
        weir_server_destroy(scene.server);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(an_idle_connection_is_finished),        CASE(what_is_read_begins_the_limit_anew),
                CASE(expired_comes_again_and_again),         CASE(expired_may_send_and_finish),
                CASE(a_connection_has_a_limit_of_its_own),   CASE(the_limit_may_be_set_in_a_turn),
                CASE(a_peer_that_takes_nothing_expires),     CASE(a_peer_that_does_not_end_is_left),
                CASE(a_peer_that_sends_without_end_is_left), CASE(the_words_of_a_blocked_peer_are_left),
                CASE(what_lingers_does_not_expire),          CASE(limits_may_be_as_long_as_time),
        };

        return cmocka_run_group_tests_name("limits", cases, NULL, NULL);
}
