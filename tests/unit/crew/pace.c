/* SPDX-License-Identifier: MIT */
/* How much a thread takes on at once. */
#include "hands.h"

#include "pace.h"

static struct weir_pace pace_of(int64_t ns) {
        struct weir_pace pace;

        weir_pace_init(&pace);
        for (unsigned i = 0; i < 2000; i++)
                weir_pace_note(&pace, ns, 1);
        return pace;
}

static void limit_falls_as_events_grow(void **state) {
        const struct {
                int64_t ns;
                unsigned limit;
        } table[] = {
                { 0, 64 },     { 1000, 64 }, { 3000, 64 }, { 6000, 33 },
                { 12000, 15 }, { 20000, 3 }, { 30000, 1 }, { 1000000, 1 },
        };

        (void)state;
        for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
                struct weir_pace pace = pace_of(table[i].ns);

                assert_in_range(weir_pace_share(&pace), table[i].limit, table[i].limit + 1);
        }
}

static void limit_is_never_out_of_range(void **state) {
        (void)state;
        for (int64_t ns = 0; ns < 100000; ns += 7) {
                struct weir_pace pace = { .mean = ns * PACE_MAX };

                assert_in_range(weir_pace_share(&pace), 1, PACE_MAX);
        }
}

static void limit_does_not_rise_with_the_time(void **state) {
        unsigned former = PACE_MAX;

        (void)state;
        for (int64_t ns = 0; ns < 100000; ns += 7) {
                struct weir_pace pace = { .mean = ns * PACE_MAX };

                assert_true(weir_pace_share(&pace) <= former);
                former = weir_pace_share(&pace);
        }
        assert_int_equal(former, 1);
}

static void while_nobody_sleeps_more_is_fetched(void **state) {
        const struct {
                int64_t ns;
                unsigned share, busy;
        } table[] = {
                { 0, 64, 64 },   { 1000, 64, 64 }, { 6000, 33, 33 }, { 20000, 3, 6 },   { 25000, 1, 4 },
                { 40000, 1, 3 }, { 60000, 1, 2 },  { 121000, 1, 1 }, { 1000000, 1, 1 },
        };

        (void)state;
        for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
                struct weir_pace pace = { .mean = table[i].ns * PACE_MAX };

                assert_int_equal(weir_pace_busy(&pace, table[i].share), table[i].busy);
        }
}

static void busy_limit_is_a_share_at_least(void **state) {
        (void)state;
        for (int64_t ns = 0; ns < 200000; ns += 7) {
                struct weir_pace pace = { .mean = ns * PACE_MAX };
                unsigned share = weir_pace_share(&pace);

                assert_in_range(weir_pace_busy(&pace, share), share, PACE_MAX);
        }
}

static void nothing_known_is_neither_short_nor_long(void **state) {
        struct weir_pace pace;

        (void)state;
        weir_pace_init(&pace);
        assert_in_range(weir_pace_share(&pace), 2, 8);
}

static void batches_count_by_their_events(void **state) {
        struct weir_pace one, many;

        (void)state;
        weir_pace_init(&one);
        weir_pace_init(&many);
        for (unsigned i = 0; i < 320; i++)
                weir_pace_note(&one, 5000, 1);
        for (unsigned i = 0; i < 10; i++)
                weir_pace_note(&many, 5000 * 32, 32);
        assert_in_range(one.mean / PACE_MAX, 4900, 5300);
        assert_in_range(many.mean / PACE_MAX, 4900, 5300);
}

static void few_long_events_make_a_thread_careful(void **state) {
        struct weir_pace pace = pace_of(5000);

        (void)state;
        assert_true(weir_pace_share(&pace) > 16);
        weir_pace_note(&pace, 5000000, 1);
        assert_int_equal(weir_pace_share(&pace), 1);
        for (unsigned i = 0; i < 500; i++)
                weir_pace_note(&pace, 5000, 1);
        assert_true(weir_pace_share(&pace) > 16);
}

static void absurd_times_are_bounded(void **state) {
        struct weir_pace pace = pace_of(5000);

        (void)state;
        for (unsigned i = 0; i < 100; i++)
                weir_pace_note(&pace, INT64_MAX, 1);
        assert_in_range(pace.mean / PACE_MAX, 0, PACE_LONGEST);
        for (unsigned i = 0; i < 1000; i++)
                weir_pace_note(&pace, -1, 64);
        assert_in_range(pace.mean, 0, PACE_LONGEST);
        assert_int_equal(weir_pace_share(&pace), PACE_MAX);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                cmocka_unit_test(limit_falls_as_events_grow),
                cmocka_unit_test(limit_is_never_out_of_range),
                cmocka_unit_test(limit_does_not_rise_with_the_time),
                cmocka_unit_test(while_nobody_sleeps_more_is_fetched),
                cmocka_unit_test(busy_limit_is_a_share_at_least),
                cmocka_unit_test(nothing_known_is_neither_short_nor_long),
                cmocka_unit_test(batches_count_by_their_events),
                cmocka_unit_test(few_long_events_make_a_thread_careful),
                cmocka_unit_test(absurd_times_are_bounded),
        };

        return cmocka_run_group_tests_name("pace", cases, NULL, NULL);
}
