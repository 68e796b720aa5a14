/* SPDX-License-Identifier: MIT */
/*
 * Moments that have to be held: a call that names a connection whose descriptor number is somebody else's by now; a run that ends
 * while another thread adds a connection; and more clients before the door than one turn lets in.
 */
#include "scene.h"

#define CROWD 150 /* more than two turns of a listener accept */

/* ---------------------------------------------------------------- a number that is used again */

static struct weir_connection *kept;

static int keep(struct weir_connection *connection) {
        kept = weir_connection_ref(connection);
        return scene_opened(connection);
}

static bool count_call(struct weir_server *server, int fd, void *data) {
        (void)server;
        (void)fd;
        atomic_fetch_add((atomic_int *)data, 1);
        return true;
}

static void what_is_over_does_not_reach_who_has_its_number(void **state) {
        struct weir_server_config config = { .opened = keep };
        atomic_int events = 0;
        struct scene scene;
        int fd, other;

        (void)state;
        scene_make(&scene, &config);
        close(scene_add(&scene));
        fd = weir_connection_fd(kept);
        scene_start(&scene, 1);
        assert_true(reached(&scene.closed, 1));
        while (!is_closed(fd)) /* closed() comes just before */
                sched_yield();
        other = make_eventfd(0);
        assert_int_equal(dup2(other, fd), fd);
        assert_int_equal(weir_server_watch(scene.server, fd, WEIR_READABLE, count_call, &events), 0);
        assert_int_equal(weir_connection_send(kept, "x", 1), -ESHUTDOWN);
        assert_int_equal(weir_connection_finish(kept, NULL, 0), -ESHUTDOWN);
        weir_connection_pause(kept);
        weir_connection_resume(kept);
        weir_connection_cut(kept, -EPERM);
        weir_connection_unref(kept); /* and now that of the second */
        /* Another's event, which comes behind. */
        close(scene_add(&scene));
        assert_true(reached(&scene.closed, 2));
        assert_int_equal(events, 0);
        weir_connection_unref(kept);
        scene_end(&scene);
        close(fd);
        close(other);
}

/* ---------------------------------------------------------------- a run that ends beside an add */

static struct latch inside, let_on;

static int wait_inside(struct weir_connection *connection) {
        latch_set(&inside);
        latch_wait(&let_on);
        return scene_opened(connection);
}

struct adder {
        struct weir_server *server;
        int fd;
};

static int add(void *argument) {
        struct adder *adder = argument;

        return weir_server_add(adder->server, adder->fd);
}

static void run_waits_for_who_adds(void **state) {
        struct weir_server_config config = { .opened = wait_inside, .stop_limit = MS };
        struct worker thread;
        struct adder adder;
        struct scene scene;
        int fds[2];

        (void)state;
        scene_make(&scene, &config);
        scene_start(&scene, 1);
        assert_int_equal(weir_stream_pair(fds), 0);
        adder = (struct adder){ .server = scene.server, .fd = fds[0] };
        worker_start(&thread, add, &adder);
        latch_wait(&inside);
        weir_server_stop(scene.server);
        (void)worker_done_within(&scene.runner, 100); /* one that does not wait would leave the connection behind */
        latch_set(&let_on);
        assert_int_equal(worker_join(&thread), 0);
        scene_join(&scene);
        close(fds[1]);
        weir_server_destroy(scene.server);
}

/* ---------------------------------------------------------------- a crowd before the door */

static void all_are_let_in(void **state) {
        struct weir_address address;
        int listener, peers[CROWD];
        struct scene scene;

        (void)state;
        assert_int_equal(weir_address_parse("127.0.0.1:0", &address), 0);
        listener = weir_stream_listen(&address, 0);
        assert_true(listener >= 0);
        address.length = sizeof address.sa;
        assert_int_equal(getsockname(listener, &address.sa.any, &address.length), 0);
        scene_make(&scene, NULL);
        for (size_t i = 0; i < CROWD; ++i) {
                peers[i] = weir_stream_connect(&address);
                assert_true(peers[i] >= 0);
        }
        assert_int_equal(weir_server_listen(scene.server, listener), 0);
        scene_start(&scene, 1);
        assert_true(reached(&scene.opened, CROWD));
        for (size_t i = 0; i < CROWD; ++i)
                close(peers[i]);
        scene_end(&scene);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(what_is_over_does_not_reach_who_has_its_number),
                CASE(run_waits_for_who_adds),
                CASE(all_are_let_in),
        };

        return cmocka_run_group_tests_name("races", cases, NULL, NULL);
}
