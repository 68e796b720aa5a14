/* SPDX-License-Identifier: MIT */
/*
 * G7: a wait that may fetch only so many leaves the rest, and what an open batch gives back comes again, before what is newer.
 */
#include "../support.h"

#define FDS 6

struct made {
        int fds[FDS];
};

static void make(struct fixture *fx, struct made *made, weir_interest interest) {
        for (int i = 0; i < FDS; i++) {
                made->fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, made->fds[i], (weir_token)i, interest), 0);
        }
}

static void unmake(struct fixture *fx, struct made *made) {
        for (int i = 0; i < FDS; i++) {
                assert_int_equal(weir_deregister(fx->registry, made->fds[i]), 0);
                close(made->fds[i]);
        }
}

static void g7_limit_bounds_a_batch_and_loses_nothing(void **state) {
        struct fixture *fx = *state;
        unsigned counts[FDS] = { 0 };
        struct made made;

        make(fx, &made, WEIR_READABLE);
        assert_int_equal(weir_events_set_limit(fx->events, 1), 0);
        fetch(fx, 1);
        assert_int_equal(tally_batch(fx->events, counts, FDS), 1);
        assert_int_equal(weir_events_set_limit(fx->events, 2), 0);
        fetch(fx, 2);
        assert_int_equal(tally_batch(fx->events, counts, FDS), 2);
        assert_int_equal(weir_events_set_limit(fx->events, BATCH), 0);
        fetch(fx, 3);
        assert_int_equal(tally_batch(fx->events, counts, FDS), 3);
        for (int i = 0; i < FDS; i++)
                assert_int_equal(counts[i], 1);
        unmake(fx, &made);
}

static void g7_limit_is_within_the_capacity(void **state) {
        struct fixture *fx = *state;

        assert_int_equal(weir_events_set_limit(NULL, 1), -EINVAL);
        assert_int_equal(weir_events_set_limit(fx->events, 0), -EINVAL);
        assert_int_equal(weir_events_set_limit(fx->events, BATCH + 1), -EINVAL);
        assert_int_equal(weir_events_set_limit(fx->events, BATCH), 0);
        assert_int_equal(weir_events_capacity(fx->events), BATCH);
}

/* Reads one, gives the rest back, and has them come in another batch: each once, in order, before a newer one. */
static void give_back_and_fetch(struct fixture *fx, weir_interest interest) {
        struct weir_events *other = NULL;
        struct weir_event event;
        weir_token first;
        struct made made;
        int newer = make_eventfd(1);

        make(fx, &made, interest);
        assert_int_equal(weir_events_create(BATCH, &other), 0);
        fetch(fx, FDS);
        assert_true(weir_events_next(fx->events, &event));
        first = event.token;
        assert_int_equal(weir_events_give_back(fx->events), FDS - 1);
        assert_true(weir_events_is_empty(fx->events));
        assert_false(weir_events_next(fx->events, &event));
        assert_int_equal(weir_events_give_back(fx->events), 0);
        assert_int_equal(stats_of(fx->registry).batches, 1);
        assert_int_equal(weir_register(fx->registry, newer, FDS, WEIR_READABLE), 0);

        assert_int_equal(weir_events_set_limit(other, FDS - 1), 0);
        assert_int_equal(wait_ms(fx->poll, other, DEADLINE_MS), FDS - 1);
        for (weir_token token = 0; token < FDS; token++) {
                if (token == first)
                        continue;
                assert_true(weir_events_next(other, &event));
                assert_int_equal(event.token, token);
                drain(made.fds[token]);
        }
        drain(made.fds[first]);
        weir_events_destroy(other);
        weir_events_clear(fx->events);
        assert_int_equal(expect_soon(fx, FDS).token, FDS);
        close(newer);
        assert_int_equal(weir_deregister(fx->registry, newer), 0);
        unmake(fx, &made);
}

static void g7_batch_gives_back_edges_while_it_stays_open(void **state) {
        give_back_and_fetch(*state, WEIR_READABLE);
}

static void g7_batch_gives_back_one_shots_while_it_stays_open(void **state) {
        give_back_and_fetch(*state, WEIR_READABLE | WEIR_ONESHOT);
}

static void g6_batch_that_gave_back_holds_up_what_is_deferred(void **state) {
        struct fixture *fx = *state;
        struct note note = { 0 };
        struct made made;

        make(fx, &made, WEIR_READABLE);
        fetch(fx, FDS);
        assert_int_equal(weir_events_give_back(fx->events), FDS);
        weir_defer(fx->registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 0);
        weir_events_clear(fx->events);
        assert_int_equal(note_runs(&note), 1);
        unmake(fx, &made);
        expect_silence(fx);
}

static void g4_what_was_given_back_goes_with_its_registration(void **state) {
        struct fixture *fx = *state;
        struct made made;

        make(fx, &made, WEIR_READABLE);
        fetch(fx, FDS);
        assert_int_equal(weir_events_give_back(fx->events), FDS);
        unmake(fx, &made);
        expect_silence(fx);
}

static void g7_give_back_of_nothing_is_nothing(void **state) {
        struct fixture *fx = *state;
        struct made made;

        assert_int_equal(weir_events_give_back(NULL), 0);
        assert_int_equal(weir_events_give_back(fx->events), 0);
        make(fx, &made, WEIR_READABLE);
        fetch(fx, FDS);
        unmake(fx, &made);
        assert_int_equal(weir_events_give_back(fx->events), 0);
        assert_true(weir_events_is_empty(fx->events));
}

static void g10_nothing_is_given_back_to_a_poll_that_is_gone(void **state) {
        struct fixture *fx = *state;
        int fd = make_eventfd(1);

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        fetch(fx, 1);
        fixture_end_poll(fx);
        assert_int_equal(weir_events_give_back(fx->events), 0);
        close(fd);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g7_limit_bounds_a_batch_and_loses_nothing),
                CASE(g7_limit_is_within_the_capacity),
                CASE(g7_batch_gives_back_edges_while_it_stays_open),
                CASE(g7_batch_gives_back_one_shots_while_it_stays_open),
                CASE(g6_batch_that_gave_back_holds_up_what_is_deferred),
                CASE(g4_what_was_given_back_goes_with_its_registration),
                CASE(g7_give_back_of_nothing_is_nothing),
                CASE(g10_nothing_is_given_back_to_a_poll_that_is_gone),
        };

        return cmocka_run_group_tests_name("g07_give_back", cases, NULL, NULL);
}
