/* SPDX-License-Identifier: MIT */
/*
 * Values, figures and text: tokens come back unchanged, the predicates say what epoll's bits mean, the figures add up,
 * and the formatters count as snprintf(3) does. What the text looks like is nobody's promise, so only its shape is
 * looked at.
 */
#include "../support.h"

static void values_pointers_survive_as_tokens(void **state) {
        int here = 0;

        (void)state;
        assert_ptr_equal(weir_token_ptr(weir_ptr_token(&here)), &here);
        assert_null(weir_token_ptr(weir_ptr_token(NULL)));
        assert_ptr_equal(weir_token_ptr(weir_ptr_token((void *)UINTPTR_MAX)), (void *)UINTPTR_MAX);
}

static void values_every_token_comes_back_unchanged(void **state) {
        const weir_token tokens[] = {
                0, 1, UINT32_MAX, UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX - 1, UINT64_MAX
        };
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        int fd;

        fd = make_eventfd(1);
        for (unsigned i = 0; i < ARRAY_LEN(tokens); i++) {
                assert_int_equal(weir_register(fx->registry, fd, tokens[i], WEIR_READABLE), 0);
                assert_true(expect_one(fx, tokens[i]).token == tokens[i]);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
                assert_int_equal(weir_waker_create(fx->registry, tokens[i], &waker), 0);
                assert_int_equal(weir_waker_wake(waker), 0);
                assert_true(expect_one(fx, tokens[i]).token == tokens[i]);
                weir_waker_destroy(waker);
        }
        close(fd);
}

static void values_predicates_follow_the_bits(void **state) {
        (void)state;
        for (uint32_t bits = 0; bits < 0x4000; bits++) {
                const struct weir_event event = { .token = 1, .readiness = bits };
                bool in = bits & EPOLLIN, pri = bits & EPOLLPRI, out = bits & EPOLLOUT, err = bits & EPOLLERR;
                bool hup = bits & EPOLLHUP, rdhup = bits & EPOLLRDHUP;

                assert_int_equal(weir_event_is_readable(&event), in || pri);
                assert_int_equal(weir_event_is_writable(&event), out);
                assert_int_equal(weir_event_is_priority(&event), pri);
                assert_int_equal(weir_event_is_error(&event), err);
                assert_int_equal(weir_event_is_read_closed(&event), hup || (in && rdhup));
                assert_int_equal(weir_event_is_write_closed(&event), hup || (out && err) || bits == EPOLLERR);
                assert_int_equal(weir_event_is_half_closed(&event), rdhup);
                assert_int_equal(weir_event_is_hung_up(&event), hup);
        }
        assert_false(weir_event_is_readable(NULL));
        assert_false(weir_event_is_writable(NULL));
        assert_false(weir_event_is_priority(NULL));
        assert_false(weir_event_is_error(NULL));
        assert_false(weir_event_is_read_closed(NULL));
        assert_false(weir_event_is_write_closed(NULL));
        assert_false(weir_event_is_half_closed(NULL));
        assert_false(weir_event_is_hung_up(NULL));
}

/* ---------------------------------------------------------------- figures */

static void stats_of_the_present_follow_every_call(void **state) {
        struct fixture *fx = *state;
        struct weir_events *second = NULL;
        struct weir_waker *wakers[3] = { 0 };
        int fds[5];

        assert_int_equal(stats_of(fx->registry).registered, 0);
        for (unsigned i = 0; i < 5; i++) {
                fds[i] = make_eventfd(0);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE), 0);
                assert_int_equal(stats_of(fx->registry).registered, i + 1);
        }
        assert_int_equal(stats_of(fx->registry).capacity, fds[4] + 1);
        assert_int_equal(weir_reregister(fx->registry, fds[0], 9, WEIR_WRITABLE | WEIR_ONESHOT), 0);
        assert_int_equal(weir_retoken(fx->registry, fds[1], 9), 0);
        assert_int_equal(weir_register(fx->registry, fds[2], 9, WEIR_READABLE), -EEXIST);
        assert_int_equal(stats_of(fx->registry).registered, 5);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
                assert_int_equal(stats_of(fx->registry).wakers, i + 1);
        }
        assert_int_equal(weir_waker_wake(wakers[0]), 0);
        assert_int_equal(weir_events_create(1, &second), 0);
        assert_true(wait_ms(fx->poll, fx->events, DEADLINE_MS) > 0);
        assert_int_equal(stats_of(fx->registry).batches, 1);
        assert_int_equal(weir_waker_wake(wakers[1]), 0);
        assert_true(wait_ms(fx->poll, second, DEADLINE_MS) > 0);
        assert_int_equal(stats_of(fx->registry).batches, 2);
        weir_events_clear(fx->events);
        assert_int_equal(stats_of(fx->registry).batches, 1);
        weir_events_destroy(second);
        assert_int_equal(stats_of(fx->registry).batches, 0);
        for (unsigned i = 0; i < 3; i++)
                weir_waker_destroy(wakers[i]);
        assert_int_equal(stats_of(fx->registry).wakers, 0);
        for (unsigned i = 0; i < 5; i++) {
                if (i % 2)
                        close(fds[i]);
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                assert_int_equal(stats_of(fx->registry).registered, 4 - i);
                if (!(i % 2))
                        close(fds[i]);
        }
}

static void stats_count_what_is_merely_closed(void **state) {
        struct fixture *fx = *state;
        int fd = make_eventfd(0), same;

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        close(fd);
        assert_int_equal(stats_of(fx->registry).registered, 1);
        same = make_eventfd(0);
        assert_int_equal(same, fd);
        assert_int_equal(stats_of(fx->registry).registered, 1);
        assert_int_equal(weir_register(fx->registry, fd, 2, WEIR_READABLE), 0);
        assert_int_equal(stats_of(fx->registry).registered, 1);
        close(fd);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        assert_int_equal(stats_of(fx->registry).registered, 0);
}

static void stats_of_the_past_add_up(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct weir_stats before, after;
        unsigned counts[4] = { 0 };
        int fds[3];

        for (unsigned i = 0; i < 3; i++) {
                fds[i] = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE), 0);
        }
        assert_int_equal(weir_waker_create(fx->registry, 3, &waker), 0);
        before = stats_of(fx->registry);

        /* Four are fetched, one of them goes stale, one is a wake. */
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 4);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        assert_int_equal(tally_batch(fx->events, counts, 4), 3);
        weir_events_clear(fx->events);
        after = stats_of(fx->registry);
        assert_int_equal(after.waits - before.waits, 1);
        assert_int_equal(after.events - before.events, 3);
        assert_int_equal(after.wakes - before.wakes, 1);
        assert_int_equal(after.stale - before.stale, 1);
        assert_int_equal(after.requeued - before.requeued, 0);
        assert_int_equal(after.eventfd_writes - before.eventfd_writes, 0);
        assert_int_equal(after.rebuilds, 0);

        /* Two are fetched and left unread. */
        before = after;
        for (unsigned i = 1; i < 3; i++)
                ring(fds[i]);
        fetch(fx, 2);
        weir_events_clear(fx->events);
        assert_int_equal(stats_of(fx->registry).events - before.events, 0);
        assert_int_equal(stats_of(fx->registry).requeued - before.requeued, 2);
        assert_int_equal(tally(fx->poll, fx->events, DEADLINE_MS, counts, 4), 2);
        after = stats_of(fx->registry);
        assert_int_equal(after.events - before.events, 2);
        assert_int_equal(after.waits - before.waits, 2);

        /* A wait that times out counts, a refused one does not. */
        before = after;
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(weir_poll_wait(fx->poll, fx->events, &(struct timespec){ .tv_nsec = -1 }), -EINVAL);
        assert_int_equal(stats_of(fx->registry).waits - before.waits, 1);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(weir_deregister(fx->registry, fds[i]), i ? 0 : -ENOENT);
                close(fds[i]);
        }
        weir_waker_destroy(waker);
}

static void stats_of_nothing_are_zero(void **state) {
        struct weir_stats zero, stats = stats_of(NULL);

        (void)state;
        memset(&zero, 0, sizeof(zero));
        assert_memory_equal(&stats, &zero, sizeof(zero));
}

/* ---------------------------------------------------------------- text */

enum formatter {
        INTEREST,
        EVENT,
        REGISTRY,
        N_FORMATTERS,
};

static int format(struct fixture *fx, enum formatter which, char *buffer, size_t size) {
        const struct weir_event event = { .token = UINT64_MAX,
                                          .readiness = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLERR };

        switch (which) {
        case INTEREST:
                return weir_interest_format(WEIR_READABLE | WEIR_WRITABLE | WEIR_PRIORITY | WEIR_LEVEL, buffer, size);
        case EVENT:
                return weir_event_format(&event, buffer, size);
        default:
                return weir_registry_format(fx->registry, buffer, size);
        }
}

static void format_counts_as_snprintf_does(void **state) {
        struct fixture *fx = *state;
        char whole[4096], part[4096];
        int fd, length;

        fd = make_eventfd(0);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        for (unsigned which = 0; which < N_FORMATTERS; which++) {
                memset(whole, 0x7f, sizeof(whole));
                length = format(fx, which, whole, sizeof(whole));
                assert_in_range(length, 1, sizeof(whole) - 1);
                assert_int_equal(strlen(whole), length);
                assert_int_equal(format(fx, which, NULL, 0), length);
                for (size_t size = 0; size <= (size_t)length + 2; size++) {
                        memset(part, 0x7f, sizeof(part));
                        assert_int_equal(format(fx, which, part, size), length);
                        if (size > 0) {
                                size_t kept = size <= (size_t)length ? size - 1 : (size_t)length;

                                assert_int_equal(strlen(part), kept);
                                assert_memory_equal(part, whole, kept);
                        }
                        /* Nothing is written behind the end. */
                        for (size_t i = size; i < size + 8; i++)
                                assert_int_equal(part[i], 0x7f);
                }
        }
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void format_tells_interests_apart(void **state) {
        const weir_interest interests[] = {
                WEIR_READABLE,
                WEIR_WRITABLE,
                WEIR_PRIORITY,
                WEIR_READABLE | WEIR_WRITABLE,
                WEIR_READABLE | WEIR_LEVEL,
                WEIR_READABLE | WEIR_ONESHOT,
                WEIR_READABLE | WEIR_EXCLUSIVE,
                WEIR_READABLE | WEIR_EXCLUSIVE | WEIR_LEVEL,
        };
        char texts[ARRAY_LEN(interests)][128];

        (void)state;
        for (unsigned i = 0; i < ARRAY_LEN(interests); i++) {
                assert_in_range(weir_interest_format(interests[i], texts[i], sizeof(texts[i])), 1, 127);
                for (unsigned k = 0; k < i; k++)
                        assert_string_not_equal(texts[i], texts[k]);
        }
}

static unsigned count_lines(const char *text) {
        unsigned n = 0;

        for (; *text; text++)
                n += *text == '\n';
        return n;
}

static void format_of_a_registry_has_a_line_per_descriptor(void **state) {
        struct fixture *fx = *state;
        static char text[65536];
        unsigned lines;
        char number[16];
        int fds[20];

        assert_true(weir_registry_format(fx->registry, text, sizeof(text)) >= 0);
        lines = count_lines(text);
        for (unsigned i = 0; i < 20; i++) {
                fds[i] = make_eventfd(0);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE), 0);
                assert_in_range(weir_registry_format(fx->registry, text, sizeof(text)), 1, sizeof(text) - 1);
                assert_int_equal(count_lines(text), lines + i + 1);
                snprintf(number, sizeof(number), "%d", fds[i]);
                assert_non_null(strstr(text, number));
        }
        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
                close(fds[i]);
        }
        assert_true(weir_registry_format(fx->registry, text, sizeof(text)) >= 0);
        assert_int_equal(count_lines(text), lines);
}

static int churn(void *arg) {
        struct fixture *fx = arg;
        int fds[8];

        for (unsigned round = 0; round < 500; round++) {
                for (unsigned i = 0; i < 8; i++) {
                        fds[i] = epoll_create1(EPOLL_CLOEXEC);
                        REQUIRE(weir_register(fx->registry, fds[i], i, WEIR_READABLE) == 0);
                }
                for (unsigned i = 0; i < 8; i++) {
                        REQUIRE(weir_deregister(fx->registry, fds[i]) == 0);
                        close(fds[i]);
                }
        }
        return 0;
}

static void format_and_stats_run_beside_every_other_call(void **state) {
        struct fixture *fx = *state;
        struct worker worker;
        char text[256];

        worker_start(&worker, churn, fx);
        do {
                assert_true(weir_registry_format(fx->registry, text, sizeof(text)) >= 0);
                assert_in_range(strlen(text), 0, sizeof(text) - 1);
                assert_in_range(stats_of(fx->registry).registered, 0, 8);
        } while (!worker_done_within(&worker, 0));
        assert_int_equal(worker_join(&worker), 0);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(values_pointers_survive_as_tokens),
                CASE(values_every_token_comes_back_unchanged),
                CASE(values_predicates_follow_the_bits),
                CASE(stats_of_the_present_follow_every_call),
                CASE(stats_count_what_is_merely_closed),
                CASE(stats_of_the_past_add_up),
                CASE(stats_of_nothing_are_zero),
                CASE(format_counts_as_snprintf_does),
                CASE(format_tells_interests_apart),
                CASE(format_of_a_registry_has_a_line_per_descriptor),
                CASE(format_and_stats_run_beside_every_other_call),
        };

        return cmocka_run_group_tests_name("looking_inside", cases, NULL, NULL);
}
