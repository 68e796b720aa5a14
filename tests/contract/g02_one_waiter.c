/* SPDX-License-Identifier: MIT */
/*
 * G2: one thread at a time waits, a second one gets -EBUSY at once, and the role passes on between waits while a
 * thread still reads its own batch.
 */
#include "../support.h"

static void g2_second_waiter_gets_ebusy_at_once(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct waiter waiter;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        waiter_start(&waiter, fx->poll);
        /* Without end: a library that queues the second waiter stays here for ever. */
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), -EBUSY);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), -EBUSY);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(waiter.got[0].token, 1);
        weir_waker_destroy(waker);
}

static void g2_refused_second_waiter_leaves_its_own_batch_open(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct note note = { 0 };
        struct waiter waiter;
        struct weir_event event;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 1);
        waiter_start(&waiter, fx->poll);
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), -EBUSY);
        assert_int_equal(note_runs(&note), 0);
        assert_false(weir_events_is_empty(fx->events));
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(event.token, 1);
        weir_events_clear(fx->events);
        assert_int_equal(note_runs(&note), 1);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        weir_waker_destroy(waker);
}

static void g2_refused_wait_at_another_poll_leaves_the_batch_of_the_first_one(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL, *other_waker = NULL;
        struct weir_poll *other = NULL;
        struct waiter waiter;
        struct weir_event event;

        assert_int_equal(weir_poll_create(&other), 0);
        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_create(weir_poll_registry(other), 2, &other_waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 1);
        waiter_start(&waiter, other);
        assert_int_equal(wait_ms(other, fx->events, -1), -EBUSY);
        assert_int_equal(stats_of(fx->registry).batches, 1);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(event.token, 1);
        assert_int_equal(weir_waker_wake(other_waker), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        weir_waker_destroy(waker);
        weir_waker_destroy(other_waker);
        weir_poll_destroy(other);
}

static void g2_refused_second_waiter_takes_nothing_from_the_first(void **state) {
        struct fixture *fx = *state;
        struct waiter waiter;
        int fd, r;

        fd = make_eventfd(0);
        assert_int_equal(weir_register(fx->registry, fd, 5, WEIR_READABLE), 0);
        waiter_start(&waiter, fx->poll);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), -EBUSY);
        ring(fd);
        r = waiter_join(&waiter);
        assert_int_equal(r, 1);
        assert_int_equal(waiter.got[0].token, 5);
        expect_silence(fx);
        close(fd);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
}

static void g2_role_is_free_after_every_kind_of_wait(void **state) {
        const struct timespec bad = { .tv_sec = 0, .tv_nsec = -1 };
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct waiter waiter;

        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(weir_poll_wait(fx->poll, fx->events, &bad), -EINVAL);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 1);
        /* The batch is still open here. */
        waiter_start(&waiter, fx->poll);
        assert_int_equal(weir_waker_wake(waker), 0);
        /* Not taken yet, so the two wakes are one; it stays in the open batch. */
        weir_events_clear(fx->events);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        weir_waker_destroy(waker);
}

struct leader {
        struct fixture *fx;
        struct latch fetched, release;
        unsigned counts[8];
        int n;
};

static int lead_then_read_late(void *arg) {
        struct leader *leader = arg;
        struct weir_events *events = NULL;

        REQUIRE(weir_events_create(BATCH, &events) == 0);
        REQUIRE(wait_ms(leader->fx->poll, events, DEADLINE_MS) == 3);
        latch_set(&leader->fetched);
        REQUIRE(latch_within(&leader->release, DEADLINE_MS));
        leader->n = tally_batch(events, leader->counts, 8);
        weir_events_destroy(events);
        return 0;
}

static void g2_follower_waits_while_the_former_leader_still_reads_its_batch(void **state) {
        struct fixture *fx = *state;
        struct leader leader = { .fx = fx };
        struct worker worker;
        int fds[6];

        for (int i = 0; i < 6; i++)
                fds[i] = make_eventfd(i < 3);
        for (int i = 0; i < 6; i++)
                assert_int_equal(weir_register(fx->registry, fds[i], (weir_token)i, WEIR_READABLE), 0);
        worker_start(&worker, lead_then_read_late, &leader);
        assert_true(latch_within(&leader.fetched, DEADLINE_MS));

        /* What the leader holds is not handed out here, what comes later is. */
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        for (int i = 3; i < 6; i++) {
                ring(fds[i]);
                assert_int_equal(expect_one(fx, (weir_token)i).token, i);
        }
        latch_set(&leader.release);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(leader.n, 3);
        for (int i = 0; i < 3; i++)
                assert_int_equal(leader.counts[i], 1);
        for (int i = 0; i < 6; i++) {
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                close(fds[i]);
        }
}

/* ---------------------------------------------------------------- the role goes round */

struct circle {
        struct fixture *fx;
        atomic_int *total;
        int goal;
        int fd;
        int taken;
};

static int go_round(void *arg) {
        struct circle *circle = arg;
        struct weir_events *events = NULL;
        struct weir_event event;
        int r;

        REQUIRE(weir_events_create(4, &events) == 0);
        while (atomic_load_explicit(circle->total, memory_order_relaxed) < circle->goal) {
                r = wait_ms(circle->fx->poll, events, 1);
                if (r == -EBUSY) {
                        sched_yield();
                        continue;
                }
                REQUIRE(r >= 0);
                while (weir_events_next(events, &event)) {
                        REQUIRE(event.token == 6);
                        circle->taken++;
                        drain(circle->fd);
                        if (atomic_fetch_add_explicit(circle->total, 1, memory_order_relaxed) + 1 < circle->goal)
                                ring(circle->fd);
                }
        }
        weir_events_destroy(events);
        return 0;
}

static void g2_role_passes_from_thread_to_thread(void **state) {
        struct fixture *fx = *state;
        struct circle circles[4];
        struct worker workers[4];
        atomic_int total = 0;
        int sum = 0, fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 6, WEIR_READABLE), 0);
        for (int i = 0; i < 4; i++) {
                circles[i] = (struct circle){ .fx = fx, .total = &total, .goal = 2000, .fd = fd };
                worker_start(&workers[i], go_round, &circles[i]);
        }
        for (int i = 0; i < 4; i++) {
                assert_int_equal(worker_join(&workers[i]), 0);
                sum += circles[i].taken;
        }
        assert_true(sum >= 2000);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g2_second_waiter_gets_ebusy_at_once),
                CASE(g2_refused_second_waiter_leaves_its_own_batch_open),
                CASE(g2_refused_wait_at_another_poll_leaves_the_batch_of_the_first_one),
                CASE(g2_refused_second_waiter_takes_nothing_from_the_first),
                CASE(g2_role_is_free_after_every_kind_of_wait),
                CASE(g2_follower_waits_while_the_former_leader_still_reads_its_batch),
                CASE(g2_role_passes_from_thread_to_thread),
        };

        return cmocka_run_group_tests_name("g02_one_waiter", cases, NULL, NULL);
}
