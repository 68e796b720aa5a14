/* SPDX-License-Identifier: MIT */
/*
 * G4: after weir_deregister() returned, no weir_events_next() hands out an event of that registration, wherever the
 * event was at that moment: in the kernel, in a wait in progress, in a batch on another thread, or in a queue.
 */
#include "../support.h"

static void g4_event_fetched_before_deregister_is_not_handed_out(void **state) {
        struct fixture *fx = *state;
        unsigned counts[2] = { 0 };
        int fds[2];

        for (unsigned i = 0; i < 2; i++) {
                fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE), 0);
        }
        fetch(fx, 2);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        /* The other one in the same batch is not lost with it. */
        assert_int_equal(tally_batch(fx->events, counts, 2), 1);
        assert_int_equal(counts[0], 0);
        assert_int_equal(counts[1], 1);
        weir_events_clear(fx->events);
        expect_silence(fx);
        assert_int_equal(weir_deregister(fx->registry, fds[1]), 0);
        close_pair(fds);
}

struct taker {
        struct fixture *fx;
        struct latch fetched, go;
        unsigned counts[8];
        int fetched_n, n;
};

static int take_when_told(void *arg) {
        struct taker *taker = arg;
        struct weir_events *events = NULL;

        REQUIRE(weir_events_create(BATCH, &events) == 0);
        taker->fetched_n = wait_ms(taker->fx->poll, events, DEADLINE_MS);
        latch_set(&taker->fetched);
        REQUIRE(latch_within(&taker->go, DEADLINE_MS));
        taker->n = tally_batch(events, taker->counts, 8);
        weir_events_destroy(events);
        return 0;
}

static void g4_event_fetched_before_deregister_on_another_thread_is_not_handed_out(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                struct taker taker = { .fx = fx };
                struct worker worker;
                int fds[8];

                for (unsigned i = 0; i < 8; i++) {
                        fds[i] = make_eventfd(1);
                        assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | modes[m]), 0);
                }
                worker_start(&worker, take_when_told, &taker);
                assert_true(latch_within(&taker.fetched, DEADLINE_MS));
                assert_int_equal(taker.fetched_n, 8);
                for (unsigned i = 0; i < 8; i += 2)
                        assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                latch_set(&taker.go);
                assert_int_equal(worker_join(&worker), 0);
                assert_int_equal(taker.n, 4);
                for (unsigned i = 0; i < 8; i++)
                        assert_int_equal(taker.counts[i], i % 2);
                for (unsigned i = 1; i < 8; i += 2)
                        assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                expect_silence(fx);
                for (unsigned i = 0; i < 8; i++)
                        close(fds[i]);
        }
}

static void g4_later_wait_hands_out_nothing_of_a_deregistered_descriptor(void **state) {
        struct fixture *fx = *state;
        int fds[2];

        make_pipe(fds);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_LEVEL), 0);
        put(fds[1]);
        expect_one(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        expect_silence(fx);
        put(fds[1]);
        expect_silence(fx);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), -ENOENT);
        close_pair(fds);
}

static void g4_readiness_in_the_kernel_before_any_wait_is_dropped_by_deregister(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        expect_silence(fx);
        close(fd);
}

static void g4_leftovers_of_a_half_read_batch_are_dropped_by_deregister(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[4];

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                for (unsigned i = 0; i < 4; i++) {
                        fds[i] = make_eventfd(1);
                        assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | modes[m]), 0);
                }
                fetch(fx, 4);
                assert_true(weir_events_next(fx->events, &event));
                weir_events_clear(fx->events);
                /* Three of them are to come again; take two away, before and after a close. */
                for (unsigned i = 0; i < 4; i++) {
                        if (i == event.token)
                                continue;
                        if (i % 2)
                                close(fds[i]);
                        assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                        if (!(i % 2))
                                close(fds[i]);
                }
                if (modes[m] == WEIR_LEVEL)
                        expect_one(fx, event.token);
                assert_int_equal(weir_deregister(fx->registry, fds[event.token]), 0);
                expect_silence(fx);
                close(fds[event.token]);
        }
}

static void g4_rearmed_readiness_in_the_queue_is_dropped_by_deregister(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 1);
        drain(fd);
        ring(fd);
        /* The wait sees the new data, which nobody asked for yet. */
        assert_int_equal(collect(fx->poll, fx->events, 0, (struct weir_event[1]){ 0 }, 1), 0);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        expect_silence(fx);
        close(fd);
}

/* ---------------------------------------------------------------- closed, reused, gone */

static void g4_deregister_succeeds_after_close(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        fetch(fx, 1);
        close(fd);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        expect_drained_batch(fx);
        assert_int_equal(stats_of(fx->registry).registered, 0);
        /* Now it is neither registered nor open. */
        assert_int_equal(weir_deregister(fx->registry, fd), -EBADF);
}

static void g4_deregister_succeeds_after_the_number_was_reused_by_a_stranger(void **state) {
        struct fixture *fx = *state;
        int fd, stranger;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        close(fd);
        stranger = make_eventfd(1);
        move_descriptor(stranger, fd);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        assert_int_equal(weir_deregister(fx->registry, fd), -ENOENT);
        expect_silence(fx);
        assert_int_equal(weir_register(fx->registry, fd, 2, WEIR_READABLE), 0);
        expect_one(fx, 2);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g4_deregister_after_close_silences_what_a_duplicate_keeps_alive(void **state) {
        struct fixture *fx = *state;
        int fds[2], copy;

        make_pipe(fds);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE), 0);
        copy = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
        assert_true(copy >= 0);
        put(fds[1]);
        fetch(fx, 1);
        close(fds[0]);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        expect_drained_batch(fx);
        put(fds[1]);
        expect_silence(fx);
        close(copy);
        close(fds[1]);
}

static void g4_later_register_of_the_number_works(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        for (unsigned i = 0; i < 1000; i++) {
                assert_int_equal(weir_register(fx->registry, fd, i, WEIR_READABLE), 0);
                fetch(fx, 1);
                if (i % 3 == 0) {
                        close(fd);
                        assert_int_equal(weir_deregister(fx->registry, fd), 0);
                        move_descriptor(make_eventfd(1), fd);
                } else {
                        assert_int_equal(weir_deregister(fx->registry, fd), 0);
                }
                expect_drained_batch(fx);
        }
        close(fd);
}

static void g4_deregister_while_the_poll_is_gone_still_ends_the_registration(void **state) {
        struct fixture *fx = *state;
        struct weir_registry *clone;
        struct weir_event event;
        int fd;

        fd = make_eventfd(1);
        clone = weir_registry_clone(fx->registry);
        assert_int_equal(weir_register(clone, fd, 1, WEIR_READABLE), 0);
        fetch(fx, 1);
        fixture_end_poll(fx);
        assert_int_equal(weir_deregister(clone, fd), 0);
        assert_int_equal(weir_deregister(clone, fd), -ENOENT);
        assert_false(weir_events_next(fx->events, &event));
        weir_registry_release(clone);
        close(fd);
}

/* ---------------------------------------------------------------- the same under fire */

#define TARGETS 4

struct shooting {
        struct fixture *fx;
        /* Per descriptor, how many of its registrations have ended; the token tells which one an event is of. */
        atomic_uint ended[TARGETS];
        struct latch stop;
        unsigned late, handed_out;
};

static int read_all_the_time(void *arg) {
        struct shooting *s = arg;
        struct weir_event event;
        unsigned ended[TARGETS];
        int r;

        while (!latch_is_set(&s->stop)) {
                r = wait_ms(s->fx->poll, s->fx->events, 5);
                REQUIRE(r >= 0);
                for (;;) {
                        /* Read before the call begins: what had ended by then must not come out of it. */
                        for (unsigned i = 0; i < TARGETS; i++)
                                ended[i] = atomic_load_explicit(&s->ended[i], memory_order_seq_cst);
                        if (!weir_events_next(s->fx->events, &event))
                                break;
                        s->handed_out++;
                        s->late += event.token / TARGETS < ended[event.token % TARGETS];
                }
        }
        return 0;
}

static void g4_next_that_begins_after_deregister_returned_never_hands_out_the_token(void **state) {
        struct fixture *fx = *state;
        struct shooting s = { .fx = fx };
        struct worker worker;
        int fds[TARGETS];

        for (unsigned i = 0; i < TARGETS; i++)
                fds[i] = make_eventfd(1);
        worker_start(&worker, read_all_the_time, &s);
        for (unsigned round = 0; round < 5000; round++) {
                for (unsigned i = 0; i < TARGETS; i++)
                        assert_int_equal(weir_register(fx->registry, fds[i], (weir_token)round * TARGETS + i,
                                                       WEIR_READABLE | WEIR_LEVEL),
                                         0);
                if (round % 8 == 0)
                        sched_yield();
                for (unsigned i = 0; i < TARGETS; i++) {
                        assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                        atomic_store_explicit(&s.ended[i], round + 1, memory_order_seq_cst);
                }
        }
        latch_set(&s.stop);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(s.late, 0);
        weir_events_clear(fx->events);
        for (unsigned i = 0; i < TARGETS; i++)
                close(fds[i]);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g4_event_fetched_before_deregister_is_not_handed_out),
                CASE(g4_event_fetched_before_deregister_on_another_thread_is_not_handed_out),
                CASE(g4_later_wait_hands_out_nothing_of_a_deregistered_descriptor),
                CASE(g4_readiness_in_the_kernel_before_any_wait_is_dropped_by_deregister),
                CASE(g4_leftovers_of_a_half_read_batch_are_dropped_by_deregister),
                CASE(g4_rearmed_readiness_in_the_queue_is_dropped_by_deregister),
                CASE(g4_deregister_succeeds_after_close),
                CASE(g4_deregister_succeeds_after_the_number_was_reused_by_a_stranger),
                CASE(g4_deregister_after_close_silences_what_a_duplicate_keeps_alive),
                CASE(g4_later_register_of_the_number_works),
                CASE(g4_deregister_while_the_poll_is_gone_still_ends_the_registration),
                CASE(g4_next_that_begins_after_deregister_returned_never_hands_out_the_token),
        };

        return cmocka_run_group_tests_name("g04_deregister", cases, NULL, NULL);
}
