/* SPDX-License-Identifier: MIT */
/* The loop of a member: what it notes of its batches, and whom it calls. */
#include "bench.h"

#include "work.h"

static int ball; /* a descriptor that is ready again after each event */
static unsigned calls;
static void (*on_call)(void);

static void call(struct weir_crew *crew, const struct weir_event *event, void *data) {
        (void)crew;
        (void)event;
        (void)data;
        ++calls;
        on_call();
}

/* One member works, among so many, until the hook ends the crew. */
static void play(struct bench *new_bench, struct fixture *fx, unsigned threads, void (*hook)(void)) {
        bench_make_with(new_bench, fx, call);
        bench->crew->threads = threads;
        on_call = hook;
        calls = 0;
        set(TURN_ALIVE);
        assert_int_equal(weir_role_keep(bench->crew->role), 0);
        ball = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, ball, 1, WEIR_READABLE), 0);
        weir_crew_loop(bench->crew, me());
        assert_int_equal(bench->crew->error, 0);
        weir_role_leave(bench->crew->role);
        assert_int_equal(weir_deregister(fx->registry, ball), 0);
        close(ball);
}

static void goes_on_until(unsigned last) {
        if (calls < last)
                ring(ball);
        else
                weir_turn_end(bench->crew, 0);
}

static void sleep_for_a_while(void) {
        the_time += 1000000;
        worked += 5000;
        goes_on_until(200);
}

static void calls_that_sleep_are_long(void **state) {
        struct bench new_bench;

        play(&new_bench, *state, 4, sleep_for_a_while);
        assert_in_range(bench->crew->pace.mean / PACE_MAX, 900000, 1000000);
        bench_free();
}

/* It works as long as ever, but for 3 ms of one call in five somebody else has its processor. */
static void lose_the_processor(void) {
        the_time += 10000;
        worked += 10000;
        if (calls % 5 == 0) {
                the_time += 3000000;
                ++lost;
        }
        goes_on_until(600);
}

static void losing_the_processor_is_no_long_call(void **state) {
        struct bench new_bench;

        play(&new_bench, *state, 4, lose_the_processor);
        assert_in_range(bench->crew->pace.mean / PACE_MAX, 9000, 11000);
        bench_free();
}

/* The machine below has others to serve: time passes of which nobody tells. */
static void be_slow(void) {
        the_time += 19000;
        worked += 10000;
        goes_on_until(300);
}

static void passing_slowly_is_no_long_call(void **state) {
        struct bench new_bench;

        play(&new_bench, *state, 4, be_slow);
        assert_in_range(bench->crew->pace.mean / PACE_MAX, 9000, 11000);
        bench_free();
}

/* It is long, and loses its processor in each of them. */
static void work_for_long(void) {
        the_time += 9000000;
        worked += 2000000;
        ++lost;
        goes_on_until(300);
}

static void long_calls_are_long_on_a_busy_machine(void **state) {
        struct bench new_bench;

        play(&new_bench, *state, 4, work_for_long);
        assert_in_range(bench->crew->pace.mean / PACE_MAX, 1900000, 2100000);
        bench_free();
}

static void do_nothing(void) {
        goes_on_until(10);
}

static void who_is_alone_notes_nothing(void **state) {
        struct bench new_bench;
        int64_t mean;

        play(&new_bench, *state, 1, do_nothing);
        mean = bench->crew->pace.mean;
        assert_int_equal(me()->worked, 0);
        bench_free();
        bench_make_with(&new_bench, *state, call);
        assert_int_equal(bench->crew->pace.mean, mean); /* as that of a new one */
        bench_free();
}

/* ---------------------------------------------------------------- what was given back */

static void see_who_is_called(void) {
        assert_int_equal(turn() & TURN_TAKEN, 0);
        assert_int_equal(turn() & TURN_POST, TURN_CALLED);
        assert_int_equal(bench->words->returned, 1);
        weir_turn_end(bench->crew, 0);
}

/* Another member is held up with an event in its bag. This one fetches, and gives that back: it may be held up, too. */
static void who_gives_back_calls(void **state) {
        struct bench new_bench;
        struct fixture *fx = *state;
        struct weir_event event;
        struct weir_bag *bag;
        int fds[3];

        bench_make_with(&new_bench, fx, call);
        on_call = see_who_is_called;
        calls = 0;
        bag = &bench->members[1].bag;
        for (unsigned i = 0; i < 3; i++)
                fds[i] = make_eventfd(1);
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE), 0);
        assert_int_equal(wait_ms(fx->poll, bag->events, 0), 2);
        assert_true(weir_events_next(bag->events, &event));
        weir_bag_open(bag);
        bag->since = the_time - TURN_SURPRISE;
        assert_int_equal(weir_role_keep(bench->crew->role), 0);
        assert_int_equal(weir_register(fx->registry, fds[2], 2, WEIR_READABLE), 0);
        bench->words->alarm = the_time + TURN_ALARM / 2;
        bench->crew->pace.mean = 10000 * PACE_MAX;
        set(TURN_ALIVE | TURN_TIMED | TURN_LOADED);
        weir_crew_loop(bench->crew, me());
        assert_int_equal(calls, 1);
        assert_int_equal(bag->state, BAG_EMPTY);
        weir_events_clear(bag->events);
        weir_role_leave(bench->crew->role);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                close(fds[i]);
        }
        set(TURN_ALIVE | TURN_ENDED);
        bench_free();
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(calls_that_sleep_are_long),      CASE(losing_the_processor_is_no_long_call),
                CASE(passing_slowly_is_no_long_call), CASE(long_calls_are_long_on_a_busy_machine),
                CASE(who_is_alone_notes_nothing),     CASE(who_gives_back_calls),
        };

        return cmocka_run_group_tests_name("work", cases, NULL, NULL);
}
