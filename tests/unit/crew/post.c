/* SPDX-License-Identifier: MIT */
/* The look-out: what it does at an alarm, and who sets that; one thread at a time. */
#include "bench.h"

static int64_t slept_until[64];

/* Time goes by; at the alarm in which nothing is left to see, the crew ends. */
static unsigned alarms;
static void (*at_alarm)(unsigned number);

static void sleep_at_post(bool alarm) {
        if (alarm) {
                assert_in_range(timer - the_time, 1, TURN_ALARM);
                the_time = timer;
        }
        slept_until[alarms % 64] = the_time;
        at_alarm(alarms++);
}

static void start_post(struct fixture *fx, struct bench *new_bench, void (*hook)(unsigned)) {
        bench_make(new_bench, fx);
        alarms = 0;
        at_alarm = hook;
        on_post_sleep = sleep_at_post;
}

static void be_quiet_in_the_end(unsigned number) {
        assert_in_range(number, 0, TURN_CALM + 2);
        if ((turn() & TURN_POST) == TURN_QUIET)
                weir_turn_end(bench->crew, 0);
        else
                assert_int_equal(turn() & TURN_POST, TURN_TIMED);
}

static void look_out_falls_quiet_when_nothing_happens(void **state) {
        struct bench new_bench;

        start_post(*state, &new_bench, be_quiet_in_the_end);
        set(T);
        assert_false(weir_turn_take(bench->crew, me()));
        assert_in_range(alarms, TURN_CALM, TURN_CALM + 3);
        bench_free();
}

static void fetch_all_the_time(unsigned number) {
        assert_int_equal(turn(), T | TURN_TIMED);
        atomic_fetch_add(&bench->words->fetched, 1);
        if (number == 20)
                weir_turn_end(bench->crew, 0);
}

static void look_out_goes_on_while_events_are_fetched(void **state) {
        struct bench new_bench;

        start_post(*state, &new_bench, fetch_all_the_time);
        set(T);
        assert_false(weir_turn_take(bench->crew, me()));
        assert_int_equal(alarms, 21);
        for (unsigned i = 1; i < 20; i++)
                assert_true(slept_until[i] - slept_until[i - 1] >= TURN_ALARM); /* no more than 1,000 a second */
        bench_free();
}

/* Another member has the turn no more, and is inside the function since then. */
static void begin_long_call(unsigned number) {
        assert_in_range(number, 0, 3);
        worked += 100;
        if (number > 0)
                return;
        set(turn() & ~TURN_TAKEN);
        bench->members[1].bag.since = the_time - TURN_SURPRISE;
}

static void look_out_takes_the_turn_when_a_call_is_long(void **state) {
        struct bench new_bench;

        start_post(*state, &new_bench, begin_long_call);
        set(T);
        me()->worked = worked;
        assert_true(weir_turn_take(bench->crew, me()));
        assert_int_equal(turn(), T | TURN_VACANT);
        assert_int_equal(alarms, 1);
        assert_int_equal(me()->worked, worked); /* looking out is no event's work */
        bench_free();
}

static void add_sleepers(unsigned number) {
        begin_long_call(number);
        set(turn() + 3 * TURN_SLEEPER);
}

static void look_out_calls_another_one_to_the_post(void **state) {
        struct bench new_bench;

        start_post(*state, &new_bench, add_sleepers);
        set(T);
        assert_true(weir_turn_take(bench->crew, me()));
        assert_int_equal(turn(), T | TURN_VACANT | 2 * TURN_SLEEPER);
        assert_int_equal(bench->words->bell, 1);
        assert_int_equal(wakes, 1);
        bench_free();
}

static void begin_short_calls(unsigned number) {
        set(turn() & ~TURN_TAKEN);
        bench->members[1].bag.since = the_time - TURN_SURPRISE; /* one is held up */
        bench->members[2].bag.since = the_time - 1000;          /* another one will be back */
        if (number == 9)
                weir_turn_end(bench->crew, 0);
}

static void look_out_leaves_the_turn_to_a_member_that_will_be_back(void **state) {
        struct bench new_bench;

        start_post(*state, &new_bench, begin_short_calls);
        set(T);
        assert_false(weir_turn_take(bench->crew, me()));
        assert_int_equal(alarms, 10);
        bench_free();
}

static int lying[3];

static void let_lie(unsigned number) {
        struct weir_bag *bag = &bench->members[1].bag;

        if (number == 0) {
                for (int i = 0; i < 3; i++) {
                        lying[i] = make_eventfd(1);
                        assert_int_equal(weir_register(bench->fx->registry, lying[i], (weir_token)i, WEIR_READABLE), 0);
                }
                assert_int_equal(wait_ms(bench->fx->poll, bag->events, 0), 3);
                bag->since = the_time - TURN_SURPRISE / 2;
                weir_bag_open(bag);
        } else if (number == 1) {
                assert_int_equal(bag->state, BAG_OPEN); /* it was young then */
        } else {
                assert_int_equal(bag->state, BAG_EMPTY);
                assert_int_equal(bench->words->returned, 3);
                weir_turn_end(bench->crew, 0);
        }
}

static void look_out_robs_a_bag_that_is_held_up(void **state) {
        struct bench new_bench;
        unsigned counts[3] = { 0 };

        start_post(*state, &new_bench, let_lie);
        set(T);
        assert_false(weir_turn_take(bench->crew, me()));
        assert_int_equal(alarms, 3);
        assert_int_equal(wait_ms(bench->fx->poll, bench->fx->events, 0),
                         -EINTR); /* the end of the crew, while it had the turn */
        assert_int_equal(tally(bench->fx->poll, bench->fx->events, 0, counts, 3), 3);
        bench->crew->members = NULL;
        for (int i = 0; i < 3; i++) {
                assert_int_equal(weir_deregister(bench->fx->registry, lying[i]), 0);
                close(lying[i]);
        }
        bench_free();
}

static void lie_young(unsigned number) {
        struct weir_bag *bag = &bench->members[1].bag;

        assert_int_equal(turn(), T | TURN_TIMED);
        weir_bag_set(bag, BAG_HELD);
        bag->since = the_time;
        if (number == 20)
                weir_turn_end(bench->crew, 0);
}

static void look_out_is_not_quiet_while_something_lies_in_a_bag(void **state) {
        struct bench new_bench;

        start_post(*state, &new_bench, lie_young);
        set(T);
        assert_false(weir_turn_take(bench->crew, me()));
        bench_free();
}

static void ring_for_no_reason(unsigned number) {
        the_time -= number % 2 ? TURN_ALARM / 2 : 0; /* it woke early */
        if (number == 40)
                weir_turn_end(bench->crew, 0);
        atomic_fetch_add(&bench->words->fetched, 1);
}

static void look_out_keeps_its_alarm_when_it_wakes_early(void **state) {
        struct bench new_bench;

        start_post(*state, &new_bench, ring_for_no_reason);
        set(T);
        assert_false(weir_turn_take(bench->crew, me()));
        bench_free();
}

/* The other one that set it has the word, and this one the timer. */
static void set_the_word_later(unsigned number) {
        if (number == 0)
                bench->words->alarm += 5000;
        else
                assert_int_equal(the_time, bench->words->alarm);
        if (number == 2)
                weir_turn_end(bench->crew, 0);
}

static void look_out_sets_a_timer_that_went_off_too_early(void **state) {
        struct bench new_bench;

        start_post(*state, &new_bench, set_the_word_later);
        set(T);
        weir_seam_post_set_alarm(&bench->crew->post, the_time + 5);
        bench->words->alarm = the_time + 5; /* a timer that goes off while nobody is there */
        assert_false(weir_turn_take(bench->crew, me()));
        bench_free();
}

static void put_the_alarm_off(unsigned number) {
        int64_t alarm = bench->words->alarm;

        assert_int_equal(the_time, timer);
        assert_int_equal(timer, alarm);
        the_time = alarm - TURN_ALARM / 2 - 1;
        weir_turn_put_off(bench->crew, &bench->members[1], the_time); /* too early */
        assert_int_equal(timer, alarm);
        the_time += 1;
        weir_turn_put_off(bench->crew, &bench->members[1], the_time);
        assert_int_equal(timer, the_time + TURN_ALARM);
        assert_int_equal(bench->words->alarm, timer);
        the_time = alarm; /* the timer goes off all the same */
        bench->members[2].bag.since = the_time - TURN_SURPRISE;
        set(turn() & ~TURN_TAKEN);
        if (number == 30)
                weir_turn_end(bench->crew, 0);
}

static void look_out_does_not_look_when_the_alarm_was_put_off(void **state) {
        struct bench new_bench;

        start_post(*state, &new_bench, put_the_alarm_off);
        set(T);
        assert_false(weir_turn_take(bench->crew, me()));
        assert_int_equal(alarms, 31);
        assert_int_equal(turn() & TURN_TAKEN, 0);
        bench_free();
}

static void who_puts_the_alarm_off_robs_a_bag_that_is_held_up(void **state) {
        struct bench new_bench;
        struct weir_bag *bag;
        int fd;

        bench_make(&new_bench, *state);
        bag = &bench->members[1].bag;
        fd = let_one_lie(bag);
        bag->since = the_time - TURN_SURPRISE;
        bench->words->alarm = the_time + TURN_ALARM / 2 + 1;
        weir_turn_put_off(bench->crew, me(), the_time);
        assert_int_equal(bag->state, BAG_OPEN);
        weir_turn_put_off(bench->crew, me(), the_time + 1);
        assert_int_equal(bag->state, BAG_EMPTY);
        assert_int_equal(timer, the_time + 1 + TURN_ALARM);
        clear_away(bag, fd);
        bench_free();
}

static void call_the_post(unsigned number) {
        if (number == 0) { /* too late: another one has the turn again */
                set(T | TURN_CALLED);
                atomic_fetch_add(&bench->words->post_bell, 1);
        } else {
                assert_int_equal(turn(), T | TURN_TIMED);
                set(TURN_ALIVE | TURN_CALLED);
                atomic_fetch_add(&bench->words->post_bell, 1);
        }
}

static void look_out_that_is_called_takes_the_turn_or_stays(void **state) {
        struct bench new_bench;

        start_post(*state, &new_bench, call_the_post);
        set(T);
        assert_true(weir_turn_take(bench->crew, me()));
        assert_int_equal(turn(), T | TURN_VACANT);
        assert_int_equal(alarms, 2);
        bench_free();
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(look_out_falls_quiet_when_nothing_happens),
                CASE(look_out_goes_on_while_events_are_fetched),
                CASE(look_out_takes_the_turn_when_a_call_is_long),
                CASE(look_out_calls_another_one_to_the_post),
                CASE(look_out_leaves_the_turn_to_a_member_that_will_be_back),
                CASE(look_out_robs_a_bag_that_is_held_up),
                CASE(look_out_is_not_quiet_while_something_lies_in_a_bag),
                CASE(look_out_keeps_its_alarm_when_it_wakes_early),
                CASE(look_out_sets_a_timer_that_went_off_too_early),
                CASE(look_out_does_not_look_when_the_alarm_was_put_off),
                CASE(who_puts_the_alarm_off_robs_a_bag_that_is_held_up),
                CASE(look_out_that_is_called_takes_the_turn_or_stays),
        };

        return cmocka_run_group_tests_name("post", cases, NULL, NULL);
}
