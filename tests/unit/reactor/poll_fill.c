/* SPDX-License-Identifier: MIT */
/*
 * What a wait fetches: from the queue and from the kernel, in which order, in which turn; and what it leaves for the next.
 */
#include "fault.h"
#include "support.h"

#include "events.h"
#include "poll.h"
#include "words.h"

static const struct timespec at_once = { 0, 0 };

static int make_ready(struct fixture *fx, weir_token token, weir_interest interest) {
        int fd = make_eventfd(1);

        assert_int_equal(weir_register(fx->registry, fd, token, WEIR_READABLE | interest), 0);
        return fd;
}

struct witness {
        struct fixture *fx;
        uintptr_t head;
};

static void look_and_signal(void *arg) {
        struct witness *witness = arg;

        witness->head = atomic_load(&witness->fx->registry->queue.head);
        weir_core_signal(witness->fx->registry);
}

/* What an earlier batch had no room for is at hand, though the queue is empty: a wait looks at the kernel, and does not sleep. */
static void left_over_readiness_ends_the_wait(void **state) {
        struct fixture *fx = *state;
        struct witness witness = { .fx = fx, .head = QUEUE_PARKED };
        struct weir_events *narrow;
        struct weir_waker *wakers[3];

        assert_int_equal(weir_events_create(1, &narrow), 0);
        for (unsigned i = 0; i < 3; ++i) {
                assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
                assert_int_equal(weir_waker_wake(wakers[i]), 0);
        }
        assert_int_equal(wait_ms(fx->poll, narrow, 0), 1);
        assert_true(weir_events_next(narrow, &(struct weir_event){ 0 }));
        assert_non_null(fx->poll->newer.first);
        assert_true(fx->poll->kernel_first);
        fault_hook(FAULT_WAIT, 1, look_and_signal, &witness);
        assert_int_equal(wait_ms(fx->poll, narrow, -1), 1);
        assert_int_equal(fault_off(), 1);
        assert_int_equal(witness.head, 0);
        for (unsigned i = 0; i < 3; ++i)
                weir_waker_destroy(wakers[i]);
        weir_events_destroy(narrow);
}

/* Room for one: the queue's slots wait their turn in order, still linked, and none is lost. */
static void narrow_batch_keeps_the_rest(void **state) {
        struct fixture *fx = *state;
        struct weir_events *narrow;
        struct weir_waker *wakers[3];
        struct weir_event event;

        assert_int_equal(weir_events_create(1, &narrow), 0);
        for (unsigned i = 0; i < 3; ++i) {
                assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
                assert_int_equal(weir_waker_wake(wakers[i]), 0);
        }
        for (unsigned i = 0; i < 3; ++i) {
                assert_int_equal(weir_poll_wait(fx->poll, narrow, NULL), 1);
                assert_true(weir_events_next(narrow, &event));
                assert_int_equal(event.token, i);
                for (unsigned k = 0; k < 3; ++k)
                        assert_int_equal(
                                !!(atomic_load(&weir_table_find(&fx->registry->wakers, k)->word) & SLOT_LINKED), k > i);
                assert_int_equal(!fx->poll->newer.first, i == 2);
        }
        /* More comes while some is left over: it goes behind. */
        for (unsigned i = 0; i < 2; ++i)
                assert_int_equal(weir_waker_wake(wakers[i]), 0);
        assert_int_equal(weir_poll_wait(fx->poll, narrow, NULL), 1);
        assert_true(weir_events_next(narrow, &event));
        assert_int_equal(weir_waker_wake(wakers[2]), 0);
        for (unsigned i = 1; i < 3; ++i) {
                assert_int_equal(weir_poll_wait(fx->poll, narrow, NULL), 1);
                assert_true(weir_events_next(narrow, &event));
                assert_int_equal(event.token, i);
        }
        assert_int_equal(weir_poll_wait(fx->poll, narrow, &at_once), 0);
        for (unsigned i = 0; i < 3; ++i)
                weir_waker_destroy(wakers[i]);
        weir_events_destroy(narrow);
}

/* Level readiness for ever, a waker that is woken for ever, room for one: each gets its turn. */
static void kernel_and_queue_take_turns(void **state) {
        struct fixture *fx = *state;
        int fd = make_ready(fx, 0, WEIR_LEVEL);
        struct weir_events *narrow;
        struct weir_waker *waker;
        unsigned counts[2] = { 0, 0 };

        assert_int_equal(weir_events_create(1, &narrow), 0);
        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        for (int i = 0; i < 12; ++i) {
                assert_int_equal(weir_waker_wake(waker), 0);
                assert_int_equal(tally(fx->poll, narrow, 0, counts, 2), 1);
        }
        assert_true(counts[0] >= 5 && counts[1] >= 5);
        weir_waker_destroy(waker);
        weir_events_destroy(narrow);
        close(fd);
}

/* A fetch in which nothing stands is not shown; behind a full one there may be something that does. */
static void stale_fetch_does_not_end_the_wait(void **state) {
        struct fixture *fx = *state;
        struct weir_events *narrow;
        int fds[2] = { make_ready(fx, 0, 0), make_ready(fx, 1, 0) };
        unsigned counts[2] = { 0, 0 };

        assert_int_equal(weir_events_create(1, &narrow), 0);
        /* The kernel forgets nothing here: removing fails, as it does when a duplicate holds the file. */
        fault_from(FAULT_DEL, 1, ENOENT);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        (void)fault_off();
        assert_int_equal(tally(fx->poll, narrow, 0, counts, 2), 1);
        assert_int_equal(counts[0], 0);
        assert_int_equal(counts[1], 1);
        assert_int_equal(stats_of(fx->registry).stale, 1);
        assert_int_equal(stats_of(fx->registry).rebuilds, 0);
        weir_events_destroy(narrow);
        close(fds[0]);
        close(fds[1]);
}

/*
 * An entry may be fetched by a thread that does not see its slot yet, and has no memory to make it: it is left, and the wait goes
 * on to the next.
 */
static void entry_without_a_slot_is_left(void **state) {
        struct fixture *fx = *state;
        const uint64_t far = GEN(2) | (uint64_t)weir_table_segment_size(0);
        int fds[2] = { make_eventfd(1), -1 };

        assert_int_equal(weir_sys_epoll_ctl(fx->registry->set, EPOLL_CTL_ADD, fds[0], EPOLLIN, far), 0);
        fds[1] = make_ready(fx, 1, 0);
        fault_from(FAULT_ALLOC, 1, ENOMEM);
        (void)expect_one(fx, 1);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_true(fault_off() >= 2);
        assert_int_equal(stats_of(fx->registry).stale, 0);
        /* With memory, it is one of a registration that never was. */
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(stats_of(fx->registry).stale, 1);
        close_pair(fds);
}

/* An outer set slept on the edge that is spent: what is left over must make a new one. */
static void leftover_is_announced_to_an_outer_set(void **state) {
        struct fixture *fx = *state;
        struct weir_events *narrow;
        struct weir_waker *wakers[2];
        struct weir_event event;
        int outer = weir_poll_fd(fx->poll);

        assert_int_equal(weir_poll_fd(fx->poll), outer);
        assert_int_equal(weir_events_create(1, &narrow), 0);
        while (collect(fx->poll, fx->events, 0, NULL, 0) > 0)
                ;
        assert_false(polls_readable(outer, 0));
        for (unsigned i = 0; i < 2; ++i) {
                assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
                assert_int_equal(weir_waker_wake(wakers[i]), 0);
        }
        assert_true(polls_readable(outer, DEADLINE_MS));
        assert_int_equal(weir_poll_wait(fx->poll, narrow, &at_once), 1);
        assert_true(weir_events_next(narrow, &event));
        assert_non_null(fx->poll->newer.first);
        assert_true(polls_readable(outer, DEADLINE_MS));
        assert_int_equal(weir_poll_wait(fx->poll, narrow, &at_once), 1);
        assert_null(fx->poll->newer.first);
        for (unsigned i = 0; i < 2; ++i)
                weir_waker_destroy(wakers[i]);
        weir_events_destroy(narrow);
}

/* A new outer set is told of what was left over before. */
static void leftover_is_announced_to_a_new_outer_set(void **state) {
        struct fixture *fx = *state;
        struct weir_events *narrow;
        struct weir_waker *wakers[2];

        assert_int_equal(weir_events_create(1, &narrow), 0);
        for (unsigned i = 0; i < 2; ++i) {
                assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
                assert_int_equal(weir_waker_wake(wakers[i]), 0);
        }
        assert_int_equal(weir_poll_wait(fx->poll, narrow, &at_once), 1);
        assert_non_null(fx->poll->newer.first);
        assert_true(queue_is_empty(&fx->registry->queue));
        assert_true(polls_readable(weir_poll_fd(fx->poll), DEADLINE_MS));
        for (unsigned i = 0; i < 2; ++i)
                weir_waker_destroy(wakers[i]);
        weir_events_destroy(narrow);
}

/* One event of each batch is read, all are ready all the time: each comes in its turn. */
static void unread_comes_before_newer(void **state) {
        static const unsigned capacities[] = { 1, 2, 3, BATCH };
        enum { FDS = 3, ALL = 5 };

        for (size_t c = 0; c < ARRAY_LEN(capacities); ++c) {
                struct fixture *fx = *state;
                struct weir_events *events;
                struct weir_waker *waker;
                unsigned last[ALL] = { 0 };
                int fds[FDS], edge = make_ready(fx, FDS, 0);

                assert_int_equal(weir_events_create(capacities[c], &events), 0);
                for (unsigned i = 0; i < FDS; ++i)
                        fds[i] = make_ready(fx, i, WEIR_LEVEL);
                assert_int_equal(weir_waker_create(fx->registry, FDS + 1, &waker), 0);
                for (unsigned wait = 1; wait <= 20 * ALL; ++wait) {
                        struct weir_event event;

                        assert_int_equal(weir_waker_wake(waker), 0);
                        ring(edge);
                        assert_true(weir_poll_wait(fx->poll, events, &at_once) > 0);
                        assert_true(weir_events_next(events, &event));
                        last[event.token] = wait;
                        for (unsigned i = 0; i < ALL; ++i)
                                assert_true(wait - last[i] <= 2 * ALL);
                }
                weir_events_destroy(events);
                weir_waker_destroy(waker);
                for (unsigned i = 0; i < FDS; ++i)
                        close(fds[i]);
                close(edge);
                (void)weir_poll_wait(fx->poll, fx->events, &at_once);
                weir_events_clear(fx->events);
        }
}

/* What waits in the queue and comes from the kernel, too, is told once in a batch. */
static void registration_speaks_once_in_a_batch(void **state) {
        static const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;

        for (size_t i = 0; i < ARRAY_LEN(modes); ++i) {
                int pair[2];

                make_socketpair(pair);
                assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | modes[i]), 0);
                put(pair[1]);
                fetch(fx, 1);
                weir_events_clear(fx->events); /* unread */
                assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
                assert_int_equal(expect_one(fx, 1).readiness, EPOLLIN | EPOLLRDHUP);
                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                close_pair(pair);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(left_over_readiness_ends_the_wait),
                CASE(narrow_batch_keeps_the_rest),
                CASE(kernel_and_queue_take_turns),
                CASE(stale_fetch_does_not_end_the_wait),
                CASE(entry_without_a_slot_is_left),
                CASE(leftover_is_announced_to_an_outer_set),
                CASE(leftover_is_announced_to_a_new_outer_set),
                CASE(unread_comes_before_newer),
                CASE(registration_speaks_once_in_a_batch),
        };

        return cmocka_run_group_tests_name("poll_fill", tests, NULL, NULL);
}
