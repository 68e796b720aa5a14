/* SPDX-License-Identifier: MIT */
/*
 * G8 for those who have not drained: weir_rearm_afresh() arms a one-shot and asks the kernel, so what was left is told again,
 * under the token and in the mode that were. g08_epoll_ctl.c counts its calls.
 */
#include "../support.h"

#define TOKEN 7

static void register_it(struct fixture *fx, int fd, weir_interest directions) {
        assert_int_equal(weir_register(fx->registry, fd, TOKEN, directions | WEIR_ONESHOT), 0);
}

static void afresh(struct fixture *fx, int fd, weir_interest directions) {
        assert_int_equal(weir_rearm_afresh(fx->registry, fd, directions), 0);
}

static void end(struct fixture *fx, int fds[2]) {
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

static void read_one(int fd) {
        char c;

        assert_int_equal(read(fd, &c, 1), 1);
}

static void g8_what_was_left_is_told_again(void **state) {
        void (*const makers[])(int *) = { make_pipe, make_socketpair, make_tcp_pair };
        struct fixture *fx = *state;
        int fds[2];

        for (unsigned m = 0; m < ARRAY_LEN(makers); m++) {
                makers[m](fds);
                register_it(fx, fds[0], WEIR_READABLE);
                for (unsigned i = 0; i < 3; i++)
                        put(fds[1]);
                for (unsigned i = 0; i < 3; i++) {
                        assert_true(weir_event_is_readable(
                                &(struct weir_event){ .readiness = expect_soon(fx, TOKEN).readiness }));
                        read_one(fds[0]);
                        /* The mode stays: it is silent until it is armed. */
                        expect_silence(fx);
                        afresh(fx, fds[0], WEIR_READABLE);
                }
                expect_silence(fx);
                put(fds[1]);
                expect_soon(fx, TOKEN);
                end(fx, fds);
        }
}

static void g8_one_connection_for_each_event(void **state) {
        struct fixture *fx = *state;
        int fds[2] = { socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), -1 }, clients[5], server;
        struct sockaddr_storage address;
        socklen_t length = sizeof(sa_family_t);

        memset(&address, 0, sizeof(address));
        address.ss_family = AF_UNIX;
        assert_int_equal(bind(fds[0], (struct sockaddr *)&address, length), 0);
        length = sizeof(address);
        assert_int_equal(getsockname(fds[0], (struct sockaddr *)&address, &length), 0);
        assert_int_equal(listen(fds[0], 8), 0);
        register_it(fx, fds[0], WEIR_READABLE);
        for (unsigned i = 0; i < 5; i++) {
                clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
                assert_int_equal(connect(clients[i], (struct sockaddr *)&address, length), 0);
        }
        for (unsigned i = 0; i < 5; i++) {
                expect_soon(fx, TOKEN);
                server = accept4(fds[0], NULL, NULL, SOCK_CLOEXEC);
                assert_true(server >= 0);
                close(server);
                close(clients[i]);
                afresh(fx, fds[0], WEIR_READABLE);
        }
        expect_silence(fx);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close(fds[0]);
}

static void g8_the_token_stays_and_directions_are_those_named(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[2];

        make_socketpair(fds);
        put(fds[1]);
        register_it(fx, fds[0], WEIR_READABLE);
        expect_soon(fx, TOKEN);
        assert_int_equal(weir_retoken(fx->registry, fds[0], TOKEN + 1), 0);
        afresh(fx, fds[0], WEIR_WRITABLE);
        event = expect_soon(fx, TOKEN + 1);
        assert_true(weir_event_is_writable(&event) && !weir_event_is_readable(&event));
        /* None: hang-ups and errors alone. */
        afresh(fx, fds[0], 0);
        expect_silence(fx);
        /* It is armed, and that is replaced. */
        afresh(fx, fds[0], WEIR_READABLE);
        event = expect_soon(fx, TOKEN + 1);
        assert_true(weir_event_is_readable(&event) && !weir_event_is_writable(&event));
        end(fx, fds);
}

/* Read in parts, it is told with each; and a short count after that is enough for a plain rearm to bring the end itself. */
static void g8_a_hang_up_is_told_until_it_is_read(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        char text[8];
        int fds[2];

        make_socketpair(fds);
        register_it(fx, fds[0], WEIR_READABLE);
        assert_int_equal(write(fds[1], "abcd", 4), 4);
        assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
        for (unsigned i = 0; i < 3; i++) {
                event = expect_soon(fx, TOKEN);
                assert_true(weir_event_is_read_closed(&event) && weir_event_is_half_closed(&event));
                read_one(fds[0]);
                afresh(fx, fds[0], WEIR_READABLE);
        }
        event = expect_soon(fx, TOKEN);
        assert_true(weir_event_is_read_closed(&event));
        assert_int_equal(read(fds[0], text, sizeof(text)), 1);
        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
        event = expect_soon(fx, TOKEN);
        assert_true(weir_event_is_read_closed(&event));
        assert_true(at_end(fds[0]));
        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
        expect_silence(fx);
        end(fx, fds);
}

static void g8_a_held_one_s_first_rearm_may_be_afresh(void **state) {
        struct fixture *fx = *state;
        int fds[2];

        make_socketpair(fds);
        put(fds[1]);
        assert_int_equal(weir_register(fx->registry, fds[0], TOKEN, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), 0);
        expect_silence(fx);
        afresh(fx, fds[0], WEIR_READABLE);
        expect_soon(fx, TOKEN);
        expect_silence(fx);
        end(fx, fds);
}

static void g13_time_and_triggers_of_the_owned_time_come(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[2];

        make_socketpair(fds);
        put(fds[1]);
        register_it(fx, fds[0], WEIR_READABLE);
        expect_soon(fx, TOKEN);
        drain(fds[0]);
        assert_int_equal(weir_trigger(fx->registry, fds[0]), 0);
        assert_int_equal(weir_set_deadline(fx->registry, fds[0], 0), 0);
        expect_silence(fx);
        afresh(fx, fds[0], WEIR_READABLE);
        event = expect_soon(fx, TOKEN);
        assert_true(weir_event_is_triggered(&event) && weir_event_is_timeout(&event));
        assert_false(weir_event_is_readable(&event));
        /* The owner replaces a deadline that has passed before it rearms. */
        assert_int_equal(weir_set_deadline(fx->registry, fds[0], 0), 0);
        expect_silence(fx);
        assert_int_equal(weir_set_deadline(fx->registry, fds[0], WEIR_NEVER), 0);
        afresh(fx, fds[0], WEIR_READABLE);
        expect_silence(fx);
        end(fx, fds);
}

static void g9_an_outer_loop_sees_what_was_left(void **state) {
        struct fixture *fx = *state;
        int fds[2], outer = weir_poll_fd(fx->poll);

        assert_true(outer >= 0);
        make_socketpair(fds);
        put(fds[1]);
        put(fds[1]);
        register_it(fx, fds[0], WEIR_READABLE);
        for (unsigned i = 0; i < 2; i++) {
                assert_true(polls_readable(outer, DEADLINE_MS));
                expect_soon(fx, TOKEN);
                read_one(fds[0]);
                expect_silence(fx);
                afresh(fx, fds[0], WEIR_READABLE);
        }
        expect_silence(fx);
        end(fx, fds);
}

/* ---------------------------------------------------------------- threads */

#define READERS 3
#define PAIRS   4
#define BYTES   4000 /* to each */

struct record {
        int fds[2];
        unsigned plain; /* touched by the owner alone, so a sanitizer sees a second one */
        unsigned left;
};

struct readers {
        struct fixture *fx;
        struct record records[PAIRS];
        atomic_int ended, owners[PAIRS], crowded;
};

/* One byte for each event, never more: what is left must come again. */
static int serve(struct readers *readers, unsigned i) {
        struct record *record = &readers->records[i];
        char c;

        if (atomic_fetch_add_explicit(&readers->owners[i], 1, memory_order_relaxed))
                atomic_fetch_add_explicit(&readers->crowded, 1, memory_order_relaxed);
        record->plain++;
        if (read(record->fds[0], &c, 1) == 1 && --record->left == 0)
                atomic_fetch_add(&readers->ended, 1);
        atomic_fetch_sub_explicit(&readers->owners[i], 1, memory_order_relaxed);
        REQUIRE(weir_rearm_afresh(readers->fx->registry, record->fds[0], WEIR_READABLE) == 0);
        return 0;
}

static int read_in_turns(void *arg) {
        struct readers *readers = arg;
        struct weir_events *events = NULL;
        struct weir_event event;

        REQUIRE(weir_events_create(2, &events) == 0);
        while (atomic_load(&readers->ended) < PAIRS) {
                int r = wait_ms(readers->fx->poll, events, 2);

                if (r == -EBUSY) {
                        sched_yield();
                        continue;
                }
                REQUIRE(r >= 0);
                while (weir_events_next(events, &event))
                        REQUIRE(serve(readers, (unsigned)event.token) == 0);
        }
        weir_events_destroy(events);
        return 0;
}

static int write_to_all(void *arg) {
        struct readers *readers = arg;

        for (unsigned n = 0; n < PAIRS * BYTES;)
                n += write(readers->records[n % PAIRS].fds[1], "x", 1) == 1;
        return 0;
}

static void g8_threads_that_read_one_byte_each_turn_read_all(void **state) {
        struct readers readers = { .fx = *state };
        struct worker workers[READERS + 1];

        for (unsigned i = 0; i < PAIRS; i++) {
                make_socketpair(readers.records[i].fds);
                readers.records[i].left = BYTES;
                assert_int_equal(
                        weir_register(readers.fx->registry, readers.records[i].fds[0], i, WEIR_READABLE | WEIR_ONESHOT),
                        0);
        }
        for (unsigned i = 0; i < READERS; i++)
                worker_start(&workers[i], read_in_turns, &readers);
        worker_start(&workers[READERS], write_to_all, &readers);
        for (unsigned i = 0; i <= READERS; i++)
                assert_int_equal(worker_join(&workers[i]), 0);
        assert_int_equal(atomic_load(&readers.crowded), 0);
        for (unsigned i = 0; i < PAIRS; i++) {
                assert_true(readers.records[i].plain >= BYTES);
                end(readers.fx, readers.records[i].fds);
        }
}

/* ---------------------------------------------------------------- errors */

static int afresh_in_child(void *arg) {
        struct fixture *fx = arg;

        REQUIRE(weir_rearm_afresh(fx->registry, 0, WEIR_READABLE) == -ECHILD);
        return 0;
}

static void g12_errors_of_rearm_afresh(void **state) {
        struct fixture *fx = *state;
        struct weir_registry *clone = weir_registry_clone(fx->registry);
        int fds[2], file, number;

        make_socketpair(fds);
        register_it(fx, fds[0], WEIR_READABLE);
        assert_int_equal(weir_rearm_afresh(NULL, fds[0], WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_rearm_afresh(fx->registry, fds[0], WEIR_READABLE | WEIR_ONESHOT), -EINVAL);
        assert_int_equal(weir_rearm_afresh(fx->registry, fds[0], WEIR_LEVEL), -EINVAL);
        assert_int_equal(weir_rearm_afresh(fx->registry, fds[1], WEIR_READABLE), -ENOENT);
        assert_int_equal(weir_rearm_afresh(fx->registry, -1, WEIR_READABLE), -EBADF);
        assert_int_equal(weir_register(fx->registry, fds[1], 1, WEIR_READABLE), 0);
        assert_int_equal(weir_rearm_afresh(fx->registry, fds[1], WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_reregister(fx->registry, fds[1], 1, WEIR_READABLE | WEIR_LEVEL), 0);
        assert_int_equal(weir_rearm_afresh(fx->registry, fds[1], WEIR_READABLE), -EINVAL);
        assert_int_equal(run_child(afresh_in_child, fx), 0);

        /* Closed, and then another file. A refused one is still what it was: a deregister ends it. */
        number = fds[0];
        close(number);
        assert_int_equal(weir_rearm_afresh(fx->registry, number, WEIR_READABLE), -EBADF);
        file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
        assert_true(file >= 0);
        if (file != number)
                move_descriptor(file, number);
        assert_int_equal(weir_rearm_afresh(fx->registry, number, WEIR_READABLE), -EPERM);
        close(number);
        move_descriptor(make_eventfd(0), number);
        assert_int_equal(weir_rearm_afresh(fx->registry, number, WEIR_READABLE), -ENOENT);
        assert_int_equal(weir_deregister(fx->registry, number), 0);

        fixture_end_poll(fx);
        assert_int_equal(weir_rearm_afresh(clone, fds[1], WEIR_READABLE), -ESHUTDOWN);
        weir_registry_release(clone);
        close(number);
        close(fds[1]);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_what_was_left_is_told_again),
                CASE(g8_one_connection_for_each_event),
                CASE(g8_the_token_stays_and_directions_are_those_named),
                CASE(g8_a_hang_up_is_told_until_it_is_read),
                CASE(g8_a_held_one_s_first_rearm_may_be_afresh),
                CASE(g13_time_and_triggers_of_the_owned_time_come),
                CASE(g9_an_outer_loop_sees_what_was_left),
                CASE(g8_threads_that_read_one_byte_each_turn_read_all),
                CASE(g12_errors_of_rearm_afresh),
        };

        return cmocka_run_group_tests_name("afresh", cases, NULL, NULL);
}
