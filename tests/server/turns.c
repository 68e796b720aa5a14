/* SPDX-License-Identifier: MIT */
/* Turns: their order, one at a time for a connection, and none kept from another connection. */
#include "scene.h"

/* ---------------------------------------------------------------- order */

struct log {
        atomic_bool busy;
        unsigned n;
        char text[4096]; /* o, r, e, s, f(inish), c */
};

static struct log *note(struct weir_connection *connection, char letter) {
        struct log *log = weir_connection_data(connection);

        BROKEN(scene_of(connection), atomic_exchange(&log->busy, true));
        if (log->n < sizeof log->text - 1)
                log->text[log->n++] = letter;
        return log;
}

static int log_opened(struct weir_connection *connection) {
        struct log *log = note(connection, 'o');

        atomic_store(&log->busy, false);
        return scene_opened(connection);
}

static void log_readable(struct weir_connection *connection) {
        struct log *log = note(connection, 'r');

        scene_echo(connection);
        atomic_store(&log->busy, false);
}

static void log_expired(struct weir_connection *connection) {
        struct log *log = note(connection, 'e');

        scene_expired(connection);
        atomic_store(&log->busy, false);
}

static void log_stopping(struct weir_connection *connection) {
        struct log *log = note(connection, 's');

        scene_stopping(connection);
        log->text[log->n++] = 'f';
        BROKEN(scene_of(connection), weir_connection_finish(connection, NULL, 0) != 0);
        atomic_store(&log->busy, false);
}

/* Once opened, once closed, once asked to stop, and nothing of the program's after it was finished. */
static void log_closed(struct weir_connection *connection, int reason) {
        struct log *log = note(connection, 'c');
        char *finish = strchr(log->text, 'f');

        BROKEN(scene_of(connection), log->text[0] != 'o' || strchr(log->text + 1, 'o'));
        BROKEN(scene_of(connection), log->text[log->n - 1] != 'c' || strchr(log->text, 'c') != &log->text[log->n - 1]);
        BROKEN(scene_of(connection), finish && (finish[-1] != 's' || finish[1] != 'c'));
        BROKEN(scene_of(connection), strchr(log->text, 's') != strrchr(log->text, 's'));
        atomic_store(&log->busy, false);
        scene_closed(connection, reason);
}

static const struct weir_server_config logging = {
        .connection_size = sizeof(struct log),
        .idle_limit = 10 * MS,
        .opened = log_opened,
        .readable = log_readable,
        .expired = log_expired,
        .stopping = log_stopping,
        .closed = log_closed,
};

static void opened_first_closed_last(void **state) {
        struct scene scene;
        int peer;

        (void)state;
        scene_make(&scene, &logging);
        peer = scene_add(&scene);
        scene_start(&scene, 2);
        for (int i = 1; i < 4; ++i) {
                say_text(peer, "x");
                hear_text(peer, "x");
                assert_true(reached(&scene.expired, i));
        }
        weir_server_stop(scene.server);
        hear_end(peer);
        close(peer);
        scene_end(&scene);
        assert_true(scene.turns >= 3);
        assert_int_equal(scene.stopping, 1);
}

/* ---------------------------------------------------------------- one at a time */

#define SENDERS     4
#define CONNECTIONS 6
#define ROUNDS      (UNDER_SANITIZER ? 200 : 1000)

static void disturb(struct weir_connection *connection, void *data) {
        int r = weir_connection_send(connection, data, 8);

        BROKEN(scene_of(connection), r != 0 && r != -ENOBUFS);
}

static int send_to_all(void *arg) {
        struct scene *scene = arg;
        char bytes[8] = "disturb";

        while (!latch_is_set(&scene->go))
                weir_server_for_each(scene->server, disturb, bytes);
        return 0;
}

static void read_all(struct weir_connection *connection) {
        struct log *log = note(connection, 'r');
        char bytes[64];

        while (weir_connection_read(connection, bytes, sizeof bytes) > 0)
                ;
        atomic_fetch_add(&scene_of(connection)->turns, 1);
        atomic_store(&log->busy, false);
}

/* Senders and deadlines ask for turns as readiness does. */
static void one_thread_has_the_turn(void **state) {
        struct weir_server_config config = logging;
        struct worker senders[SENDERS];
        int peers[CONNECTIONS];
        struct scene scene;

        (void)state;
        config.readable = read_all;
        config.idle_limit = 1 * MS;
        scene_make(&scene, &config);
        for (size_t i = 0; i < CONNECTIONS; ++i)
                peers[i] = scene_add(&scene);
        scene_start(&scene, 4);
        for (size_t i = 0; i < SENDERS; ++i)
                worker_start(&senders[i], send_to_all, &scene);
        for (int round = 0; round < ROUNDS; ++round)
                for (size_t i = 0; i < CONNECTIONS; ++i) {
                        (void)send(peers[i], "x", 1, MSG_NOSIGNAL); /* or it is full */
                        drain(peers[i]);
                }
        latch_set(&scene.go);
        for (size_t i = 0; i < SENDERS; ++i)
                assert_int_equal(worker_join(&senders[i]), 0);
        /* It reads again when it has sent half of what waits: perhaps nothing was read so far. */
        for (int i = 0; i < 10000 && !reached_within(&scene.turns, 1, 1); ++i)
                for (size_t k = 0; k < CONNECTIONS; ++k)
                        drain(peers[k]);
        assert_true(reached(&scene.turns, 1));
        for (size_t i = 0; i < CONNECTIONS; ++i)
                close(peers[i]);
        scene_end(&scene);
}

/* ---------------------------------------------------------------- one beside another */

static ssize_t plain_write(struct weir_connection *connection, const void *bytes, size_t size,
                           weir_interest *ret_wanted) {
        ssize_t n = send(weir_connection_fd(connection), bytes, size, MSG_NOSIGNAL);

        (void)ret_wanted;
        return n < 0 ? -errno : n;
}

/* The first connection has input without end, and reads it as long as the library lets it. */
static ssize_t endless_read(struct weir_connection *connection, void *buffer, size_t size, weir_interest *ret_wanted) {
        ssize_t n;

        (void)ret_wanted;
        if (weir_connection_id(connection) == 1) {
                memset(buffer, 0, size);
                return (ssize_t)size;
        }
        n = recv(weir_connection_fd(connection), buffer, size, 0);
        return n < 0 ? -errno : n;
}

static void read_or_echo(struct weir_connection *connection) {
        if (weir_connection_id(connection) == 1)
                read_all(connection);
        else
                scene_echo(connection);
}

static void stop_the_endless(struct weir_connection *connection) {
        weir_connection_cut(connection, -ECANCELED);
}

static void endless_input_keeps_no_other_from_its_turn(void **state) {
        static const struct weir_transport endless = { .read = endless_read, .write = plain_write };
        struct weir_server_config config = {
                .connection_size = sizeof(struct log),
                .transport = &endless,
                .readable = read_or_echo,
                .stopping = stop_the_endless,
        };
        int busy, other, late;
        struct scene scene;

        (void)state;
        scene_make(&scene, &config);
        busy = scene_add(&scene);
        other = scene_add(&scene);
        scene_start(&scene, 1);
        put(busy);
        assert_true(reached(&scene.turns, 10));
        say_text(other, "x");
        hear_text(other, "x");
        late = scene_add(&scene);
        say_text(late, "y");
        hear_text(late, "y");
        close(other);
        close(late);
        scene_end(&scene);
        close(busy);
}

/* So, too, over the kernel: while a thread writes without end. */
static int flood(void *arg) {
        static const char bytes[16384];
        int fd = *(int *)arg;

        while (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) >= 0 || errno == EAGAIN)
                ;
        return 0;
}

static void a_flood_keeps_no_other_from_its_turn(void **state) {
        struct weir_server_config config = { .connection_size = sizeof(struct log), .readable = read_or_echo };
        struct worker flooder;
        struct scene scene;
        int busy, other;

        (void)state;
        scene_make(&scene, &config);
        busy = scene_add(&scene);
        other = scene_add(&scene);
        scene_start(&scene, 1);
        worker_start(&flooder, flood, &busy);
        assert_true(reached(&scene.turns, 3));
        for (int i = 0; i < 20; ++i) {
                say_text(other, "x");
                hear_text(other, "x");
        }
        shutdown(busy, SHUT_WR);
        assert_int_equal(worker_join(&flooder), 0);
        close(busy);
        close(other);
        scene_end(&scene);
}

static void block_the_first(struct weir_connection *connection) {
        struct scene *scene = scene_of(connection);

        if (weir_connection_id(connection) == 1) {
                latch_set(&scene->there);
                latch_wait(&scene->go);
        }
        scene_echo(connection);
}

static void a_turn_that_blocks_holds_no_other(void **state) {
        struct scene scene;
        int blocked, other;

        (void)state;
        scene_make(&scene, &(struct weir_server_config){ .readable = block_the_first });
        blocked = scene_add(&scene);
        scene_start(&scene, 2);
        say_text(blocked, "x");
        latch_wait(&scene.there);
        other = scene_add(&scene);
        for (int i = 0; i < 20; ++i) {
                say_text(other, "y");
                hear_text(other, "y");
        }
        latch_set(&scene.go);
        hear_text(blocked, "x");
        close(blocked);
        close(other);
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(opened_first_closed_last),
                CASE(one_thread_has_the_turn),
                CASE(endless_input_keeps_no_other_from_its_turn),
                CASE(a_flood_keeps_no_other_from_its_turn),
                CASE(a_turn_that_blocks_holds_no_other),
        };

        return cmocka_run_group_tests_name("turns", cases, NULL, NULL);
}
