/* SPDX-License-Identifier: MIT */
/* Values as text, cut at every length; the table of what is registered; and where each statistic comes from. */
#include "fault.h"
#include "support.h"

#include "events.h"
#include "poll.h"
#include "words.h"

static void assert_interest(weir_interest interest, const char *expected) {
        char text[128];

        assert_int_equal(weir_interest_format(interest, text, sizeof text), strlen(expected));
        assert_string_equal(text, expected);
}

static void interests_have_names(void **state) {
        (void)state;
        assert_interest(0, "none");
        assert_interest(WEIR_READABLE, "readable");
        assert_interest(WEIR_PRIORITY, "priority");
        assert_interest(WEIR_WRITABLE, "writable");
        assert_interest(WEIR_LEVEL, "level");
        assert_interest(WEIR_ONESHOT, "oneshot");
        assert_interest(WEIR_EXCLUSIVE, "exclusive");
        assert_interest(WEIR_HELD, "held");
        assert_interest(0xf07, "readable|priority|writable|level|oneshot|exclusive|held");
        assert_interest(0x80000000, "0x80000000");
        assert_interest(WEIR_WRITABLE | 0x8, "writable|0x8");
}

static void events_have_names(void **state) {
        struct weir_event event = { TOKEN, EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP, 0 };
        char text[128];

        (void)state;
        assert_true(weir_event_format(&event, text, sizeof text) > 0);
        assert_string_equal(text, "token=0x123456789abcdef "
                                  "readiness=readable|priority|writable|error|hangup|read-hangup");
        event = (struct weir_event){ 0 };
        assert_true(weir_event_format(&event, text, sizeof text) > 0);
        assert_string_equal(text, "token=0x0 readiness=none");
        event = (struct weir_event){ 1, 1U << 16 | 1U << 17, 0 };
        assert_true(weir_event_format(&event, text, sizeof text) > 0);
        assert_string_equal(text, "token=0x1 readiness=timeout|triggered");
        event = (struct weir_event){ UINT64_MAX, EPOLLOUT | 0x40, 0 };
        assert_true(weir_event_format(&event, text, sizeof text) > 0);
        assert_string_equal(text, "token=0xffffffffffffffff readiness=writable|0x40");
        assert_int_equal(weir_event_format(NULL, text, sizeof text), -EINVAL);
}

static int format_one(struct fixture *fx, int which, char *buffer, size_t size) {
        const struct weir_event event = { 0xabc, EPOLLIN | EPOLLHUP, 0 };

        if (which == 0)
                return weir_interest_format(0x707, buffer, size);
        if (which == 1)
                return weir_event_format(&event, buffer, size);
        return weir_registry_format(fx->registry, buffer, size);
}

/* As snprintf(3): the length of the whole, a prefix of it, terminated, and not a byte more. */
static void text_is_cut_at_every_length(void **state) {
        struct fixture *fx = *state;
        int fds[3];

        for (unsigned i = 0; i < 3; ++i) {
                fds[i] = make_eventfd(0);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE), 0);
        }
        for (int which = 0; which < 3; ++which) {
                char whole[512], cut[512];
                int length = format_one(fx, which, whole, sizeof whole);

                assert_true(length > 10);
                assert_int_equal(strlen(whole), length);
                assert_int_equal(format_one(fx, which, NULL, 0), length);
                assert_int_equal(format_one(fx, which, NULL, 1), -EINVAL);
                for (size_t size = 0; size <= (size_t)length + 1; ++size) {
                        memset(cut, '#', sizeof cut);
                        assert_int_equal(format_one(fx, which, cut, size), length);
                        assert_int_equal(cut[size], '#');
                        if (!size)
                                continue;
                        assert_int_equal(strlen(cut), size - 1);
                        assert_memory_equal(cut, whole, size - 1);
                }
        }
        for (unsigned i = 0; i < 3; ++i)
                close(fds[i]);
}

static void table_shows_what_is_registered(void **state) {
        struct fixture *fx = *state;
        char text[512], expected[512];
        struct weir_slot *slot;
        int pair[2];

        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE | WEIR_LEVEL), 0);
        assert_int_equal(weir_register(fx->registry, pair[1], 7, WEIR_READABLE | WEIR_WRITABLE | WEIR_ONESHOT), 0);
        slot = weir_table_find(&fx->registry->fds, (uint32_t)pair[1]);
        atomic_fetch_or(&slot->word, EPOLLIN | READY_RDHUP);
        atomic_fetch_and(&slot->word, ~((uint64_t)EPOLLIN << SLOT_ARMED_SHIFT));
        snprintf(expected, sizeof expected,
                 "    fd  token               interest\n"
                 "%6d  0x0123456789abcdef  readable|level\n"
                 "%6d  0x0000000000000007  readable|writable|oneshot  armed=writable  pending=readable|read-hangup\n",
                 pair[0], pair[1]);
        assert_int_equal(weir_registry_format(fx->registry, text, sizeof text), strlen(expected));
        assert_string_equal(text, expected);

        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        assert_int_equal(weir_reregister(fx->registry, pair[1], 8, WEIR_READABLE | WEIR_ONESHOT), 0);
        atomic_fetch_and(&slot->word, ~ARMED(EPOLLIN));
        snprintf(expected, sizeof expected,
                 "    fd  token               interest\n"
                 "%6d  0x0000000000000008  readable|oneshot  owned\n",
                 pair[1]);
        assert_int_equal(weir_registry_format(fx->registry, text, sizeof text), strlen(expected));
        assert_string_equal(text, expected);
        /* Armed for no direction is not owned. */
        assert_int_equal(weir_rearm(fx->registry, pair[1], 0), 0);
        assert_true(weir_registry_format(fx->registry, text, sizeof text) > 0);
        assert_non_null(strstr(text, "  readable|oneshot  armed=none\n"));
        assert_int_equal(weir_deregister(fx->registry, pair[1]), 0);
        assert_int_equal(weir_register(fx->registry, pair[1], 8, WEIR_WRITABLE | WEIR_EXCLUSIVE), 0);
        atomic_fetch_and(&slot->word, ~SLOT_READY);
        assert_true(weir_registry_format(fx->registry, text, sizeof text) > 0);
        assert_non_null(strstr(text, "  writable|exclusive\n"));
        close_pair(pair);
}

/* The descriptor of a slot in each segment is the index that finds it; nothing above the highest is looked at. */
static void table_names_descriptors_in_every_segment(void **state) {
        const uint32_t first = weir_table_segment_size(0),
                       indexes[] = { 0, 1, first - 1, first, 3 * first - 1, 3 * first };
        struct fixture *fx = *state;
        char text[1024], line[16];

        assert_int_equal(stats_of(fx->registry).capacity, 0);
        for (size_t i = 0; i < ARRAY_LEN(indexes); ++i) {
                struct weir_slot *slot = weir_table_make(&fx->registry->fds, indexes[i]);

                weir_table_name(&fx->registry->fds, slot, indexes[i], indexes[i]);
                atomic_store(&slot->word, EDGE(EPOLLIN));
                assert_int_equal(stats_of(fx->registry).capacity, (uint64_t)indexes[i] + 1);
        }
        weir_table_name(&fx->registry->fds, weir_table_find(&fx->registry->fds, 5), 5, 5);
        assert_int_equal(stats_of(fx->registry).capacity, 3 * (uint64_t)first + 1);
        assert_true(weir_registry_format(fx->registry, text, sizeof text) > 0);
        for (size_t i = 0; i < ARRAY_LEN(indexes); ++i) {
                snprintf(line, sizeof line, "\n%6u  ", indexes[i]);
                assert_non_null(strstr(text, line));
        }
        assert_int_equal(stats_of(fx->registry).registered, ARRAY_LEN(indexes));
}

/* What is left of the time, cut to milliseconds; what has passed is 0. */
static void table_tells_what_is_left(void **state) {
        const struct {
                int64_t left;
                const char *text;
        } cases[] = {
                { 0, "  left=0.000s\n" },
                { -1, "  left=0.000s\n" },
                { 999999, "  left=0.000s\n" },
                { 1000000, "  left=0.001s\n" },
                { INT64_C(61234567890), "  left=61.234s\n" },
                { INT64_C(86400000000000), "  left=86400.000s\n" },
        };
        struct fixture *fx = *state;
        const weir_time now = INT64_C(5000000000);
        int fd = make_eventfd(0);
        char text[256];

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        fault_stop_clock(now);
        for (size_t i = 0; i < ARRAY_LEN(cases); ++i) {
                assert_int_equal(weir_set_deadline(fx->registry, fd, now + cases[i].left), 0);
                assert_true(weir_registry_format(fx->registry, text, sizeof text) > 0);
                assert_non_null(strstr(text, cases[i].text));
                assert_int_equal(stats_of(fx->registry).deadlines, 1);
        }
        assert_int_equal(weir_set_deadline(fx->registry, fd, WEIR_NEVER), 0);
        assert_true(weir_registry_format(fx->registry, text, sizeof text) > 0);
        assert_null(strstr(text, "left"));
        assert_int_equal(weir_trigger(fx->registry, fd), 0);
        assert_true(weir_registry_format(fx->registry, text, sizeof text) > 0);
        assert_non_null(strstr(text, "  pending=triggered\n"));
        fault_stop_clock(-1);
        close(fd);
}

static void statistics_come_from_their_counters(void **state) {
        const struct weir_counts counts = { 3, 50, 700, 11000, 23, 29 };
        struct fixture *fx = *state;
        struct weir_batch batches[2] = { { .number = 0 }, { .number = 0 } };
        struct weir_deferred_list due = { NULL, NULL };
        struct weir_waker *waker;
        struct weir_stats stats;

        assert_int_equal(weir_waker_create(fx->registry, 0, &waker), 0);
        assert_true(weir_epochs_open(&fx->registry->epochs, &batches[0]));
        assert_true(weir_epochs_open(&fx->registry->epochs, &batches[1]));
        weir_epochs_close(&fx->registry->epochs, &batches[0], &counts, &due);
        atomic_store(&fx->poll->stale, 1);
        atomic_store(&fx->poll->waits, 13);
        atomic_store(&fx->registry->rebuilds, 17);
        atomic_store(&fx->registry->eventfd_writes, 19);
        stats = stats_of(fx->registry);
        assert_int_equal(stats.registered, 0);
        assert_int_equal(stats.wakers, 1);
        assert_int_equal(stats.batches, 1);
        assert_int_equal(stats.capacity, 0);
        assert_int_equal(stats.waits, 13);
        assert_int_equal(stats.events, 3);
        assert_int_equal(stats.stale, 51);
        assert_int_equal(stats.wakes, 700);
        assert_int_equal(stats.eventfd_writes, 19);
        assert_int_equal(stats.requeued, 11000);
        assert_int_equal(stats.timeouts, 23);
        assert_int_equal(stats.triggers, 29);
        assert_int_equal(stats.deadlines, 0);
        assert_int_equal(stats.rebuilds, 17);
        weir_epochs_close(&fx->registry->epochs, &batches[1], &counts, &due);
        weir_waker_destroy(waker);
        assert_int_equal(stats_of(fx->registry).wakers, 0);
}

static void null_and_child_get_nothing(void **state) {
        struct fixture *fx = *state;
        struct weir_stats zero, stats;
        char text[8] = "keep";

        memset(&zero, 0, sizeof zero);
        weir_registry_stats(fx->registry, NULL);
        stats = stats_of(NULL);
        assert_memory_equal(&stats, &zero, sizeof zero);
        atomic_store(&fx->poll->waits, 13);
        atomic_store(&fx->registry->life->state, LIFE_FORKED);
        stats = stats_of(fx->registry);
        assert_memory_equal(&stats, &zero, sizeof zero);
        assert_int_equal(weir_registry_format(fx->registry, text, sizeof text), -ECHILD);
        assert_int_equal(weir_registry_format(fx->registry, NULL, 1), -EINVAL);
        assert_string_equal(text, "keep");
        atomic_store(&fx->registry->life->state, fx->registry->pid ? LIFE_ALIVE_BY_PID : LIFE_ALIVE);
        assert_int_equal(weir_registry_format(NULL, text, sizeof text), -EINVAL);
        assert_string_equal(text, "keep");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(interests_have_names),
                CASE(events_have_names),
                CASE(text_is_cut_at_every_length),
                CASE(table_shows_what_is_registered),
                CASE(table_names_descriptors_in_every_segment),
                CASE(table_tells_what_is_left),
                CASE(statistics_come_from_their_counters),
                CASE(null_and_child_get_nothing),
        };

        return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
