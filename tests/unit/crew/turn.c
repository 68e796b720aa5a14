/* SPDX-License-Identifier: MIT */
/* The turn: each decision that its word stands for, one thread at a time. */
#include "bench.h"

static void unused(struct weir_crew *crew, const struct weir_event *event, void *data) {
        (void)crew;
        (void)event;
        (void)data;
}

static void bench_make(struct bench *new_bench, struct fixture *fx) {
        bench_make_with(new_bench, fx, unused);
}

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

/* ---------------------------------------------------------------- the look-out */

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
        struct fixture *fx = *state;
        struct weir_bag *bag;
        int fd = make_eventfd(1);

        bench_make(&new_bench, fx);
        bag = &bench->members[1].bag;
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        assert_int_equal(wait_ms(fx->poll, bag->events, 0), 1);
        weir_bag_open(bag);
        bag->since = the_time - TURN_SURPRISE;
        bench->words->alarm = the_time + TURN_ALARM / 2 + 1;
        weir_turn_put_off(bench->crew, me(), the_time);
        assert_int_equal(bag->state, BAG_OPEN);
        weir_turn_put_off(bench->crew, me(), the_time + 1);
        assert_int_equal(bag->state, BAG_EMPTY);
        assert_int_equal(timer, the_time + 1 + TURN_ALARM);
        weir_events_clear(bag->events);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
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
        struct fixture *fx = *state;
        struct weir_bag *bag;
        int fd = make_eventfd(1);

        bench_make(&new_bench, fx);
        bag = &bench->members[1].bag;
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        assert_int_equal(wait_ms(fx->poll, bag->events, 0), 1);
        weir_bag_open(bag);
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
        weir_events_clear(bag->events);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
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
                CASE(pass_calls_whom_it_needs),
                CASE(look_is_for_who_has_the_turn_when_nobody_sleeps),
                CASE(bag_is_robbed_when_too_many_newer_events_were_fetched),
                CASE(end_wakes_everybody_once),
        };

        return cmocka_run_group_tests_name("turn", cases, NULL, NULL);
}
