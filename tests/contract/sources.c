/* SPDX-License-Identifier: MIT */
/*
 * Sources: anything that can register itself. The calls hand their arguments to the source's own functions and its
 * result back; a source may be made of several descriptors and wakers, and is found by the address of what it embeds.
 */
#include "../support.h"

/* Two descriptors and a waker under one token; the embedded member is not the first one. */
struct trio {
        int fds[2];
        struct weir_waker *waker;
        struct weir_source source;
        struct weir_registry *seen_registry;
        weir_token seen_token;
        weir_interest seen_interest;
        int fail_second;
};

static struct trio *trio_of(struct weir_source *source) {
        return (struct trio *)((char *)source - offsetof(struct trio, source));
}

static int trio_register(struct weir_registry *registry, struct weir_source *source, weir_token token,
                         weir_interest interest) {
        struct trio *trio = trio_of(source);
        int r;

        trio->seen_registry = registry;
        trio->seen_token = token;
        trio->seen_interest = interest;
        r = weir_register(registry, trio->fds[0], token, interest);
        if (r < 0)
                return r;
        r = trio->fail_second ? trio->fail_second : weir_register(registry, trio->fds[1], token, interest);
        if (r == 0)
                r = weir_waker_create(registry, token, &trio->waker);
        if (r < 0) {
                (void)weir_deregister(registry, trio->fds[0]);
                (void)weir_deregister(registry, trio->fds[1]);
        }
        return r;
}

static int trio_reregister(struct weir_registry *registry, struct weir_source *source, weir_token token,
                           weir_interest interest) {
        struct trio *trio = trio_of(source);
        int r;

        trio->seen_token = token;
        trio->seen_interest = interest;
        r = weir_reregister(registry, trio->fds[0], token, interest);
        return r < 0 ? r : weir_reregister(registry, trio->fds[1], token, interest);
}

static int trio_deregister(struct weir_registry *registry, struct weir_source *source) {
        struct trio *trio = trio_of(source);
        int r, s;

        weir_waker_destroy(trio->waker);
        trio->waker = NULL;
        r = weir_deregister(registry, trio->fds[0]);
        s = weir_deregister(registry, trio->fds[1]);
        return r < 0 ? r : s;
}

static const struct weir_source_ops trio_ops = {
        .register_source = trio_register,
        .reregister_source = trio_reregister,
        .deregister_source = trio_deregister,
};

static void sources_register_reregister_and_deregister_themselves(void **state) {
        struct trio trio = { .source.ops = &trio_ops };
        struct fixture *fx = *state;
        unsigned counts[8] = { 0 };

        for (unsigned i = 0; i < 2; i++)
                trio.fds[i] = make_eventfd(1);
        assert_int_equal(weir_source_register(fx->registry, &trio.source, 5, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_ptr_equal(trio.seen_registry, fx->registry);
        assert_int_equal(trio.seen_token, 5);
        assert_int_equal(trio.seen_interest, WEIR_READABLE | WEIR_ONESHOT);
        assert_int_equal(weir_waker_wake(trio.waker), 0);
        assert_int_equal(tally(fx->poll, fx->events, DEADLINE_MS, counts, 8), 3);
        assert_int_equal(counts[5], 3);

        assert_int_equal(weir_source_reregister(fx->registry, &trio.source, 6, WEIR_READABLE), 0);
        assert_int_equal(trio.seen_token, 6);
        assert_int_equal(trio.seen_interest, WEIR_READABLE);
        assert_int_equal(tally(fx->poll, fx->events, DEADLINE_MS, counts, 8), 2);
        assert_int_equal(counts[6], 2);

        assert_int_equal(weir_source_deregister(fx->registry, &trio.source), 0);
        assert_int_equal(weir_source_deregister(fx->registry, &trio.source), -ENOENT);
        expect_silence(fx);
        close_pair(trio.fds);
}

static void sources_hand_their_errors_on(void **state) {
        struct trio trio = { .source.ops = &trio_ops, .fail_second = -EDOM };
        struct fixture *fx = *state;

        for (unsigned i = 0; i < 2; i++)
                trio.fds[i] = make_eventfd(1);
        assert_int_equal(weir_source_register(fx->registry, &trio.source, 5, WEIR_READABLE), -EDOM);
        assert_int_equal(stats_of(fx->registry).registered, 0);
        assert_int_equal(weir_source_reregister(fx->registry, &trio.source, 5, WEIR_READABLE), -ENOENT);
        trio.fail_second = 0;
        assert_int_equal(weir_source_register(fx->registry, &trio.source, 5, WEIR_READABLE), 0);
        assert_int_equal(weir_source_register(fx->registry, &trio.source, 5, WEIR_READABLE), -EEXIST);
        assert_int_equal(weir_source_deregister(fx->registry, &trio.source), 0);
        assert_int_equal(weir_source_deregister(fx->registry, &trio.source), -ENOENT);
        close_pair(trio.fds);
}

static void sources_without_operations_get_einval(void **state) {
        static const struct weir_source_ops none = { 0 };
        struct weir_source sources[] = { { .ops = NULL }, { .ops = &none } };
        struct fixture *fx = *state;

        for (unsigned i = 0; i < ARRAY_LEN(sources); i++) {
                assert_int_equal(weir_source_register(fx->registry, &sources[i], 1, WEIR_READABLE), -EINVAL);
                assert_int_equal(weir_source_reregister(fx->registry, &sources[i], 1, WEIR_READABLE), -EINVAL);
                assert_int_equal(weir_source_deregister(fx->registry, &sources[i]), -EINVAL);
        }
}

static void sources_need_only_the_operation_that_is_called(void **state) {
        static const struct weir_source_ops only_register = { .register_source = trio_register };
        static const struct weir_source_ops only_deregister = { .deregister_source = trio_deregister };
        struct trio trio = { .source.ops = &only_register };
        struct fixture *fx = *state;

        for (unsigned i = 0; i < 2; i++)
                trio.fds[i] = make_eventfd(0);
        assert_int_equal(weir_source_register(fx->registry, &trio.source, 1, WEIR_READABLE), 0);
        assert_int_equal(weir_source_reregister(fx->registry, &trio.source, 1, WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_source_deregister(fx->registry, &trio.source), -EINVAL);
        trio.source.ops = &only_deregister;
        assert_int_equal(weir_source_deregister(fx->registry, &trio.source), 0);
        close_pair(trio.fds);
}

static void sources_deregister_after_the_poll_is_gone(void **state) {
        struct trio trio = { .source.ops = &trio_ops };
        struct fixture *fx = *state;
        struct weir_registry *clone;

        for (unsigned i = 0; i < 2; i++)
                trio.fds[i] = make_eventfd(1);
        clone = weir_registry_clone(fx->registry);
        assert_int_equal(weir_source_register(clone, &trio.source, 5, WEIR_READABLE), 0);
        fixture_end_poll(fx);
        assert_int_equal(weir_source_reregister(clone, &trio.source, 5, WEIR_READABLE), -ESHUTDOWN);
        assert_int_equal(weir_source_deregister(clone, &trio.source), 0);
        weir_registry_release(clone);
        close_pair(trio.fds);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(sources_register_reregister_and_deregister_themselves),
                CASE(sources_hand_their_errors_on),
                CASE(sources_without_operations_get_einval),
                CASE(sources_need_only_the_operation_that_is_called),
                CASE(sources_deregister_after_the_poll_is_gone),
        };

        return cmocka_run_group_tests_name("sources", cases, NULL, NULL);
}
