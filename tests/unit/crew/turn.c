/* SPDX-License-Identifier: MIT */
/* The turn: each decision that its word stands for, one thread at a time. */
#include "bench.h"

/* ---------------------------------------------------------------- taking it, and going to sleep */

static void vacant_turn_is_taken(void **state) {
        struct bench new_bench;

        bench_make(&new_bench, *state);
        set(TURN_ALIVE | TURN_TIMED | 2 * TURN_SLEEPER | TURN_LOADED);
        me()->loaded = true;
        me()->bag.since = 5;
        assert_true(weir_turn_take(bench->crew, me()));
        assert_int_equal(turn(), T | TURN_TIMED | 2 * TURN_SLEEPER);
        assert_false(me()->loaded);
        assert_int_equal(me()->bag.since, BAG_NOBODY);
        assert_int_equal(sleeps, 0);
        bench_free();
}

static void ended_crew_gives_no_turn(void **state) {
        struct bench new_bench;

        bench_make(&new_bench, *state);
        set(TURN_ALIVE | TURN_ENDED);
        assert_false(weir_turn_take(bench->crew, me()));
        set(0); /* as in a forked child */
        assert_false(weir_turn_take(bench->crew, me()));
        set(TURN_ALIVE | TURN_ENDED);
        bench_free();
}

static void called_by_pass(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout) {
        (void)expected;
        assert_true(timeout == CREW_FOREVER);
        assert_ptr_equal(word, &bench->words->bell);
        assert_int_equal(turn(), T | TURN_TIMED | TURN_SLEEPER);
        set(TURN_ALIVE | TURN_TIMED); /* the pass took it out of the sleepers, and gave up the turn */
        atomic_fetch_add(&bench->words->bell, 1);
}

static void sleeper_takes_the_turn_when_it_is_called(void **state) {
        struct bench new_bench;

        bench_make(&new_bench, *state);
        set(T | TURN_TIMED);
        on_sleep = called_by_pass;
        worked = 1000;
        assert_true(weir_turn_take(bench->crew, me()));
        assert_int_equal(me()->worked, 0); /* unknown, as it was */
        assert_int_equal(turn(), T | TURN_TIMED);
        assert_int_equal(bench->words->bell, 0);
        bench_free();
}

static void first_wakes_for_nothing(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout) {
        (void)expected;
        (void)timeout;
        (void)word;
        if (sleeps == 3)
                weir_turn_end(bench->crew, 0);
}

static void sleeper_sleeps_again_for_no_reason_and_leaves_at_the_end(void **state) {
        struct bench new_bench;

        bench_make(&new_bench, *state);
        set(T | TURN_TIMED);
        on_sleep = first_wakes_for_nothing;
        assert_false(weir_turn_take(bench->crew, me()));
        assert_int_equal(sleeps, 3);
        bench_free();
}

/* ---------------------------------------------------------------- passing it on */

static void expect_pass(uint64_t before, bool more, bool call, uint64_t after, unsigned bell, unsigned post_bell) {
        set(before);
        bench->words->bell = bench->words->post_bell = 0;
        wakes = 0;
        weir_bag_set(&me()->bag, BAG_HELD);
        assert_true(weir_turn_pass(bench->crew, me(), more, call));
        assert_int_equal(turn(), after);
        assert_int_equal(bench->words->bell, bell);
        assert_int_equal(bench->words->post_bell, post_bell);
        assert_int_equal(wakes, bell + post_bell);
        assert_int_equal(me()->loaded, !!(after & TURN_BURDEN));
        assert_int_equal(me()->bag.state, BAG_HELD);
}

static void pass_calls_whom_it_needs(void **state) {
        const uint64_t alive = TURN_ALIVE, sleeper = TURN_SLEEPER, loaded = TURN_LOADED;
        struct bench new_bench;

        bench_make(&new_bench, *state);
        /* Nobody sleeps. */
        expect_pass(T, false, false, alive, 0, 0);
        expect_pass(T, false, true, alive, 0, 0);
        expect_pass(T, true, true, alive | loaded, 0, 0);
        /* A look-out with an alarm is enough, unless it is to take the turn. */
        expect_pass(T | TURN_TIMED, false, false, alive | TURN_TIMED, 0, 0);
        expect_pass(T | TURN_TIMED, true, false, alive | TURN_TIMED | loaded, 0, 0);
        expect_pass(T | TURN_TIMED, false, true, alive | TURN_CALLED | loaded, 0, 1);
        /* One that is quiet is to set its alarm. */
        expect_pass(T | TURN_QUIET, false, false, alive | TURN_TIMED | loaded, 0, 1);
        expect_pass(T | TURN_QUIET, true, true, alive | TURN_CALLED | loaded, 0, 1);
        /* One that was called need not be called again. */
        expect_pass(T | TURN_CALLED, true, true, alive | TURN_CALLED | loaded, 0, 0);
        /* Sleepers come first; the post is called beside them if it is quiet. */
        expect_pass(T | TURN_TIMED | 2 * sleeper, false, false, alive | TURN_TIMED | 2 * sleeper, 0, 0);
        expect_pass(T | TURN_TIMED | 2 * sleeper, true, true, alive | TURN_TIMED | sleeper | loaded, 1, 0);
        expect_pass(T | TURN_QUIET | 2 * sleeper, false, true, alive | TURN_TIMED | sleeper | loaded, 1, 1);
        expect_pass(T | TURN_CALLED | sleeper, false, true, alive | TURN_CALLED | loaded, 1, 0);
        /* Nobody is at the post: somebody is called in any case. */
        expect_pass(T | sleeper, false, false, alive | loaded, 1, 0);
        bench_free();
}

static void look_is_for_who_has_the_turn_when_nobody_sleeps(void **state) {
        struct bench new_bench;

        bench_make(&new_bench, *state);
        set(T);
        assert_false(weir_turn_must_look(bench->crew));
        set(T | TURN_LOADED);
        assert_true(weir_turn_must_look(bench->crew));
        set(T | TURN_LOADED | TURN_TIMED);
        assert_false(weir_turn_must_look(bench->crew));
        bench_free();
}

static void bag_is_robbed_when_too_many_newer_events_were_fetched(void **state) {
        struct bench new_bench;
        struct weir_bag *bag;
        int fd;

        bench_make(&new_bench, *state);
        bag = &bench->members[1].bag;
        fd = let_one_lie(bag);
        bag->fetched = 100;
        bench->words->fetched = 100 + 4 * TURN_NEWER - 1;
        set(T | TURN_LOADED);
        weir_turn_look_back(bench->crew, me());
        assert_int_equal(bag->state, BAG_OPEN);
        bench->words->fetched += TURN_NEWER;
        set(T); /* nobody has anything: then it is not looked at */
        weir_turn_look_back(bench->crew, me());
        assert_int_equal(bag->state, BAG_OPEN);
        set(T | TURN_LOADED);
        weir_turn_look_back(bench->crew, me());
        assert_int_equal(bag->state, BAG_EMPTY);
        assert_int_equal(bench->words->returned, 1);
        clear_away(bag, fd);
        set(TURN_ALIVE);
        bench_free();
}

/* ---------------------------------------------------------------- the end */

static void end_wakes_everybody_once(void **state) {
        struct bench new_bench;

        bench_make(&new_bench, *state);
        set(TURN_ALIVE | TURN_QUIET | 3 * TURN_SLEEPER);
        weir_turn_end(bench->crew, TURN_DESTROY);
        assert_int_equal(turn(), TURN_ALIVE | TURN_QUIET | 3 * TURN_SLEEPER | TURN_ENDED | TURN_DESTROY);
        assert_int_equal(bench->words->state, CREW_ENDED);
        assert_int_equal(wakes, 2);
        weir_turn_end(bench->crew, 0);
        assert_int_equal(wakes, 2);
        set(TURN_ALIVE | TURN_ENDED);
        bench_free();
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(vacant_turn_is_taken),
                CASE(ended_crew_gives_no_turn),
                CASE(sleeper_takes_the_turn_when_it_is_called),
                CASE(sleeper_sleeps_again_for_no_reason_and_leaves_at_the_end),
                CASE(pass_calls_whom_it_needs),
                CASE(look_is_for_who_has_the_turn_when_nobody_sleeps),
                CASE(bag_is_robbed_when_too_many_newer_events_were_fetched),
                CASE(end_wakes_everybody_once),
        };

        return cmocka_run_group_tests_name("turn", cases, NULL, NULL);
}
