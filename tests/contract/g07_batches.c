/* SPDX-License-Identifier: MIT */
/*
 * G7 for batches: more ready than fits, batches closed half read, and events objects that go from poll to poll keep
 * every event. Each case counts tokens and knows how often each must come.
 */
#include "../support.h"

#define MANY 500

static void g7_more_ready_than_fits_comes_in_the_next_waits(void **state) {
        const weir_interest modes[] = { 0, WEIR_ONESHOT, WEIR_LEVEL };
        const unsigned capacities[] = { 1, 3, 64 };
        static unsigned counts[MANY];
        static int fds[MANY];
        struct fixture *fx = *state;

        for (unsigned c = 0; c < ARRAY_LEN(capacities); c++) {
                for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                        struct weir_events *events = NULL;
                        unsigned seen = 0, waits = 0;

                        assert_int_equal(weir_events_create(capacities[c], &events), 0);
                        assert_int_equal(weir_events_capacity(events), capacities[c]);
                        memset(counts, 0, sizeof(counts));
                        for (unsigned i = 0; i < MANY; i++) {
                                fds[i] = make_eventfd(1);
                                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | modes[m]), 0);
                        }
                        while (seen < MANY) {
                                int n = tally(fx->poll, events, DEADLINE_MS, counts, MANY);

                                assert_in_range(n, 1, capacities[c]);
                                /* Level-triggered ones come in every wait, yet nobody starves. */
                                assert_true(waits++ < 100 * MANY);
                                while (seen < MANY && counts[seen])
                                        seen++;
                        }
                        for (unsigned i = 0; i < MANY; i++) {
                                if (modes[m] != WEIR_LEVEL)
                                        assert_int_equal(counts[i], 1);
                                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                                close(fds[i]);
                        }
                        expect_silence(fx);
                        weir_events_destroy(events);
                }
        }
}

enum closing {
        BY_CLEAR,
        BY_WAIT,
        BY_DESTROY,
        N_CLOSINGS,
};

/* Reads some of the batch, closes it in one of three ways, and counts all that comes until nothing does. */
static void close_half_read(struct fixture *fx, unsigned read, enum closing closing, unsigned *counts, unsigned n) {
        struct weir_events *events = NULL;
        struct weir_event event;

        assert_int_equal(weir_events_create(BATCH, &events), 0);
        assert_int_equal(wait_ms(fx->poll, events, DEADLINE_MS), n);
        for (unsigned i = 0; i < read; i++) {
                assert_false(weir_events_is_empty(events));
                assert_true(weir_events_next(events, &event));
                counts[event.token]++;
        }
        if (closing == BY_CLEAR) {
                weir_events_clear(events);
                assert_true(weir_events_is_empty(events));
                assert_false(weir_events_next(events, &event));
        } else if (closing == BY_DESTROY) {
                weir_events_destroy(events);
                assert_int_equal(weir_events_create(BATCH, &events), 0);
        }
        /* Without end: what was left unread is there already. */
        if (read < n)
                assert_true(tally(fx->poll, events, -1, counts, n) > 0);
        for (unsigned idle = 0; idle < 3;)
                idle = tally(fx->poll, events, 0, counts, n) > 0 ? 0 : idle + 1;
        weir_events_destroy(events);
}

static void half_read(struct fixture *fx, weir_interest mode) {
        for (unsigned closing = 0; closing < N_CLOSINGS; closing++) {
                for (unsigned read = 0; read <= 8; read += 2) {
                        unsigned counts[8] = { 0 };
                        int fds[8];

                        for (unsigned i = 0; i < 8; i++) {
                                fds[i] = make_eventfd(1);
                                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | mode), 0);
                        }
                        close_half_read(fx, read, closing, counts, 8);
                        for (unsigned i = 0; i < 8; i++) {
                                assert_int_equal(counts[i], 1);
                                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                                close(fds[i]);
                        }
                }
        }
}

static void g7_half_read_batch_of_edges_comes_again_each_once(void **state) {
        half_read(*state, 0);
}

static void g7_half_read_batch_of_oneshots_comes_again_each_once(void **state) {
        half_read(*state, WEIR_ONESHOT);
}

static void g7_half_read_batch_of_wakes_comes_again_each_once(void **state) {
        struct fixture *fx = *state;

        for (unsigned closing = 0; closing < N_CLOSINGS; closing++) {
                for (unsigned read = 0; read <= 8; read += 2) {
                        struct weir_waker *wakers[8] = { 0 };
                        unsigned counts[8] = { 0 };

                        for (unsigned i = 0; i < 8; i++) {
                                assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
                                assert_int_equal(weir_waker_wake(wakers[i]), 0);
                        }
                        close_half_read(fx, read, closing, counts, 8);
                        for (unsigned i = 0; i < 8; i++) {
                                assert_int_equal(counts[i], 1);
                                weir_waker_destroy(wakers[i]);
                        }
                }
        }
}

static void g7_half_read_batch_of_levels_comes_again_whole(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        unsigned counts[8];
        int fds[8];

        for (unsigned i = 0; i < 8; i++) {
                fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | WEIR_LEVEL), 0);
        }
        for (unsigned read = 0; read < 8; read++) {
                fetch(fx, 8);
                for (unsigned i = 0; i < read; i++)
                        assert_true(weir_events_next(fx->events, &event));
                memset(counts, 0, sizeof(counts));
                assert_int_equal(tally(fx->poll, fx->events, DEADLINE_MS, counts, 8), 8);
                for (unsigned i = 0; i < 8; i++)
                        assert_int_equal(counts[i], 1);
        }
        /* Drained after the fetch, a level has nothing to say any more; what is handed out then is only spurious. */
        fetch(fx, 8);
        for (unsigned i = 0; i < 8; i++)
                drain(fds[i]);
        weir_events_clear(fx->events);
        for (unsigned idle = 0, tries = 0; idle < 2; tries++) {
                assert_true(tries < 20);
                idle = tally(fx->poll, fx->events, 0, counts, 8) > 0 ? 0 : idle + 1;
        }
        for (unsigned i = 0; i < 8; i++) {
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                close(fds[i]);
        }
}

static void g7_leftovers_do_not_push_out_what_came_meanwhile(void **state) {
        struct weir_events *small = NULL;
        struct weir_waker *waker = NULL;
        struct fixture *fx = *state;
        unsigned counts[21] = { 0 };
        struct weir_event event;
        int fds[20];

        /* Capacity 3, one of each batch read, while new readiness and wakes keep coming. */
        assert_int_equal(weir_events_create(3, &small), 0);
        assert_int_equal(weir_waker_create(fx->registry, 20, &waker), 0);
        for (unsigned i = 0; i < 20; i++) {
                fds[i] = make_eventfd(i < 10);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | (i % 2 ? WEIR_ONESHOT : 0)), 0);
        }
        for (unsigned seen = 0, waits = 0; seen < 20; waits++) {
                assert_true(waits < 1000);
                if (waits < 10)
                        ring(fds[10 + waits]);
                /* Closed here, so that the leftovers stand in front of the next wake. */
                weir_events_clear(small);
                assert_int_equal(weir_waker_wake(waker), 0);
                assert_in_range(wait_ms(fx->poll, small, DEADLINE_MS), 1, 3);
                if (weir_events_next(small, &event)) {
                        assert_true(event.token <= 20);
                        counts[event.token]++;
                }
                while (seen < 20 && counts[seen])
                        seen++;
        }
        weir_events_destroy(small);
        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(counts[i], 1);
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                close(fds[i]);
        }
        assert_true(counts[20] > 0);
        weir_waker_destroy(waker);
}

/* ---------------------------------------------------------------- from poll to poll */

static void g7_events_object_that_moves_on_leaves_the_rest_to_its_first_poll(void **state) {
        struct weir_waker *waker = NULL;
        struct weir_poll *other = NULL;
        unsigned counts[4] = { 0 };
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[3];

        assert_int_equal(weir_poll_create(&other), 0);
        assert_int_equal(weir_waker_create(fx->registry, 3, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        for (unsigned i = 0; i < 3; i++) {
                fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE | (i == 1 ? WEIR_ONESHOT : 0)),
                                 0);
        }
        fetch(fx, 4);
        assert_true(weir_events_next(fx->events, &event));
        counts[event.token]++;
        /* Nothing of it comes out at the other poll, and the batch at the first one is closed. */
        assert_int_equal(tally(other, fx->events, 0, counts, 4), 0);
        assert_int_equal(stats_of(fx->registry).batches, 0);
        for (unsigned idle = 0; idle < 3;)
                idle = tally(fx->poll, fx->events, 0, counts, 4) > 0 ? 0 : idle + 1;
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(counts[i], 1);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                close(fds[i]);
        }
        weir_waker_destroy(waker);
        weir_poll_destroy(other);
}

static void g7_leftovers_reach_a_thread_that_is_blocked_at_the_first_poll(void **state) {
        const weir_interest modes[] = { 0, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct weir_poll *other = NULL;
        struct weir_waker *waker = NULL;
        struct weir_event event;
        struct waiter waiter;
        int fd;

        assert_int_equal(weir_poll_create(&other), 0);
        assert_int_equal(weir_waker_create(fx->registry, 7, &waker), 0);
        for (unsigned i = 0; i < 6; i++) {
                bool wake = i / 2 == 2;

                fd = make_eventfd(1);
                if (wake)
                        assert_int_equal(weir_waker_wake(waker), 0);
                else
                        assert_int_equal(weir_register(fx->registry, fd, 7, WEIR_READABLE | modes[i / 2]), 0);
                fetch(fx, 1);
                waiter_start(&waiter, fx->poll);
                if (i % 2)
                        weir_events_clear(fx->events);
                else
                        assert_int_equal(wait_ms(other, fx->events, 0), 0);
                assert_false(weir_events_next(fx->events, &event));
                assert_int_equal(waiter_join(&waiter), 1);
                assert_int_equal(waiter.got[0].token, 7);
                if (!wake)
                        assert_int_equal(weir_deregister(fx->registry, fd), 0);
                close(fd);
        }
        weir_waker_destroy(waker);
        weir_poll_destroy(other);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g7_more_ready_than_fits_comes_in_the_next_waits),
                CASE(g7_half_read_batch_of_edges_comes_again_each_once),
                CASE(g7_half_read_batch_of_oneshots_comes_again_each_once),
                CASE(g7_half_read_batch_of_wakes_comes_again_each_once),
                CASE(g7_half_read_batch_of_levels_comes_again_whole),
                CASE(g7_leftovers_do_not_push_out_what_came_meanwhile),
                CASE(g7_events_object_that_moves_on_leaves_the_rest_to_its_first_poll),
                CASE(g7_leftovers_reach_a_thread_that_is_blocked_at_the_first_poll),
        };

        return cmocka_run_group_tests_name("g07_batches", cases, NULL, NULL);
}
