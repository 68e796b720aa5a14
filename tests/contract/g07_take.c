/* SPDX-License-Identifier: MIT */
/*
 * G7 and G4 where several events are taken at once: as if one after another were, in the same order, each once; and what the
 * single call would not hand out is not in the array.
 */
#include "../support.h"

#define FDS    6
#define UNUSED UINT64_C(0x0dd)

static void make(struct fixture *fx, int *fds, weir_interest interest) {
        for (unsigned i = 0; i < FDS; i++) {
                fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fds[i], i, interest), 0);
        }
}

static void unmake(struct fixture *fx, int *fds) {
        for (unsigned i = 0; i < FDS; i++) {
                int r = weir_deregister(fx->registry, fds[i]);

                assert_true(r == 0 || r == -ENOENT);
                close(fds[i]);
        }
}

static void blank(struct weir_event *array) {
        for (unsigned i = 0; i < BATCH; i++)
                array[i] = (struct weir_event){ .token = UNUSED };
}

/* Nothing behind the count was touched, and in front of it each token came once, and is readable. */
static void expect_each_once(const struct weir_event *array, unsigned count, unsigned *counts) {
        for (unsigned i = 0; i < BATCH; i++) {
                assert_int_equal(array[i].token == UNUSED, i >= count);
                if (i < count) {
                        assert_true(array[i].token < FDS);
                        assert_true(weir_event_is_readable(&array[i]));
                        assert_int_equal(counts[array[i].token]++, 0);
                }
        }
}

static void take_by(struct fixture *fx, weir_interest interest, unsigned n) {
        struct weir_event array[BATCH];
        unsigned counts[FDS] = { 0 }, left = FDS;
        int fds[FDS];

        make(fx, fds, interest);
        fetch(fx, FDS);
        while (left) {
                unsigned expected = n < left ? n : left;

                blank(array);
                assert_int_equal(weir_events_take(fx->events, array, n), expected);
                expect_each_once(array, expected, counts);
                left -= expected;
        }
        assert_int_equal(weir_events_take(fx->events, array, n), 0);
        expect_drained_batch(fx);
        weir_events_clear(fx->events);
        assert_int_equal(stats_of(fx->registry).events % FDS, 0);
        unmake(fx, fds);
}

static void g7_events_are_taken_several_at_once_each_once(void **state) {
        static const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++)
                for (unsigned n = 1; n <= FDS + 1; n++)
                        take_by(*state, WEIR_READABLE | modes[m], n);
}

/* In the order in which weir_events_next() gives them: the same batch again, half by each. */
static void g7_take_and_next_share_one_batch(void **state) {
        struct weir_event array[BATCH], event;
        unsigned counts[FDS] = { 0 };
        struct fixture *fx = *state;
        int fds[FDS];

        make(fx, fds, WEIR_READABLE);
        fetch(fx, FDS);
        assert_true(weir_events_next(fx->events, &event));
        counts[event.token]++;
        blank(array);
        assert_int_equal(weir_events_take(fx->events, array, 2), 2);
        expect_each_once(array, 2, counts);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(counts[event.token]++, 0);
        /* What is not taken comes again. */
        weir_events_clear(fx->events);
        fetch(fx, 2);
        blank(array);
        assert_int_equal(weir_events_take(fx->events, array, BATCH), 2);
        expect_each_once(array, 2, counts);
        unmake(fx, fds);
}

static void g4_what_was_deregistered_is_not_taken(void **state) {
        struct weir_event array[BATCH];
        struct fixture *fx = *state;
        unsigned counts[FDS] = { 0 };
        int fds[FDS];

        make(fx, fds, WEIR_READABLE);
        fetch(fx, FDS);
        for (unsigned i = 0; i < FDS; i += 2)
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
        blank(array);
        assert_int_equal(weir_events_take(fx->events, array, BATCH), FDS / 2);
        expect_each_once(array, FDS / 2, counts);
        for (unsigned i = 0; i < FDS; i++)
                assert_int_equal(counts[i], i % 2);
        unmake(fx, fds);
}

static void g7_wakes_and_triggers_are_taken_too(void **state) {
        struct weir_event array[BATCH] = { 0 };
        struct weir_waker *waker = NULL;
        struct fixture *fx = *state;
        bool woken = false, triggered = false;
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_int_equal(weir_waker_create(fx->registry, 2, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(weir_trigger(fx->registry, fd), 0);
        fetch(fx, 2);
        assert_int_equal(weir_events_take(fx->events, array, BATCH), 2);
        for (unsigned i = 0; i < 2; i++) {
                woken |= array[i].token == 2 && weir_event_is_readable(&array[i]);
                triggered |= array[i].token == 1 && weir_event_is_triggered(&array[i]);
        }
        assert_true(woken && triggered);
        /* The one-shot is owned. */
        assert_int_equal(weir_disarm(fx->registry, fd), 0);
        weir_waker_destroy(waker);
        close(fd);
}

static void g12_nothing_is_taken_where_nothing_is(void **state) {
        struct weir_event array[BATCH];
        struct fixture *fx = *state;
        int fds[FDS];

        blank(array);
        assert_int_equal(weir_events_take(NULL, array, BATCH), 0);
        assert_int_equal(weir_events_take(fx->events, array, BATCH), 0);
        make(fx, fds, WEIR_READABLE);
        fetch(fx, FDS);
        assert_int_equal(weir_events_take(fx->events, NULL, BATCH), 0);
        assert_int_equal(weir_events_take(fx->events, array, 0), 0);
        assert_int_equal(array[0].token, UNUSED);
        /* None of these calls has taken any. */
        fixture_end_poll(fx);
        assert_int_equal(weir_events_take(fx->events, array, BATCH), 0);
        assert_int_equal(array[0].token, UNUSED);
        for (unsigned i = 0; i < FDS; i++)
                close(fds[i]);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g7_events_are_taken_several_at_once_each_once), CASE(g7_take_and_next_share_one_batch),
                CASE(g4_what_was_deregistered_is_not_taken),         CASE(g7_wakes_and_triggers_are_taken_too),
                CASE(g12_nothing_is_taken_where_nothing_is),
        };

        return cmocka_run_group_tests_name("take", cases, NULL, NULL);
}
