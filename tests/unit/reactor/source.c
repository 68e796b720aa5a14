/* SPDX-License-Identifier: MIT */
/* Sources: which checks come before the source's own function, and that it gets what the caller gave. */
#include "support.h"

#include "core.h"

struct probe {
        int before;
        struct weir_source source; /* not the first member: it is found by its address */
        int calls[3];
        struct weir_registry *registry;
        weir_token token;
        weir_interest interest;
        int result;
};

static struct probe *probe_of(struct weir_source *source) {
        return (struct probe *)((char *)source - offsetof(struct probe, source));
}

static int note(int which, struct weir_registry *registry, struct weir_source *source, weir_token token,
                weir_interest interest) {
        struct probe *probe = probe_of(source);

        ++probe->calls[which];
        probe->registry = registry;
        probe->token = token;
        probe->interest = interest;
        return probe->result;
}

static int note_register(struct weir_registry *registry, struct weir_source *source, weir_token token,
                         weir_interest interest) {
        return note(0, registry, source, token, interest);
}

static int note_reregister(struct weir_registry *registry, struct weir_source *source, weir_token token,
                           weir_interest interest) {
        return note(1, registry, source, token, interest);
}

static int note_deregister(struct weir_registry *registry, struct weir_source *source) {
        return note(2, registry, source, 0, 0);
}

static const struct weir_source_ops all_ops = { note_register, note_reregister, note_deregister };
static const struct weir_source_ops no_ops = { NULL, NULL, NULL };

static int call(int which, struct weir_registry *registry, struct weir_source *source) {
        if (which == 0)
                return weir_source_register(registry, source, 11, 22);
        if (which == 1)
                return weir_source_reregister(registry, source, 33, 44);
        return weir_source_deregister(registry, source);
}

static void function_gets_what_the_caller_gave(void **state) {
        static const weir_token tokens[] = { 11, 33, 0 };
        static const weir_interest interests[] = { 22, 44, 0 };
        struct fixture *fx = *state;

        for (int which = 0; which < 3; ++which)
                for (int result = -71; result <= 5; result += 38) {
                        struct probe probe = { .source.ops = &all_ops, .result = result };

                        /* The interest is the source's to judge: it may mean something of its own. */
                        assert_int_equal(call(which, fx->registry, &probe.source), result);
                        for (int i = 0; i < 3; ++i)
                                assert_int_equal(probe.calls[i], i == which);
                        assert_ptr_equal(probe.registry, fx->registry);
                        assert_int_equal(probe.token, tokens[which]);
                        assert_int_equal(probe.interest, interests[which]);
                }
}

static void null_is_refused(void **state) {
        struct fixture *fx = *state;
        struct probe probe = { .source.ops = &all_ops };

        for (int which = 0; which < 3; ++which) {
                probe.source.ops = &all_ops;
                assert_int_equal(call(which, NULL, &probe.source), -EINVAL);
                assert_int_equal(call(which, fx->registry, NULL), -EINVAL);
                probe.source.ops = NULL;
                assert_int_equal(call(which, fx->registry, &probe.source), -EINVAL);
                probe.source.ops = &no_ops;
                assert_int_equal(call(which, fx->registry, &probe.source), -EINVAL);
                assert_int_equal(probe.calls[which], 0);
        }
}

/* One function that is missing does not stand in the way of the others. */
static void functions_may_be_missing(void **state) {
        const struct weir_source_ops some[] = { { NULL, note_reregister, note_deregister },
                                                { note_register, NULL, note_deregister },
                                                { note_register, note_reregister, NULL } };
        struct fixture *fx = *state;

        for (int missing = 0; missing < 3; ++missing)
                for (int which = 0; which < 3; ++which) {
                        struct probe probe = { .source.ops = &some[missing] };

                        assert_int_equal(call(which, fx->registry, &probe.source), which == missing ? -EINVAL : 0);
                        assert_int_equal(probe.calls[which], which != missing);
                }
}

static void only_deregister_outlives_the_poll(void **state) {
        struct fixture *fx = *state;
        struct weir_registry *registry = weir_registry_clone(fx->registry);
        struct probe probe = { .source.ops = &all_ops };

        fixture_end_poll(fx);
        assert_int_equal(call(0, registry, &probe.source), -ESHUTDOWN);
        assert_int_equal(call(1, registry, &probe.source), -ESHUTDOWN);
        assert_int_equal(call(2, registry, &probe.source), 0);
        assert_int_equal(probe.calls[0] + probe.calls[1], 0);
        assert_int_equal(probe.calls[2], 1);
        /* A bad argument is told before the end of the poll. */
        probe.source.ops = &no_ops;
        for (int which = 0; which < 3; ++which)
                assert_int_equal(call(which, registry, &probe.source), -EINVAL);
        weir_registry_release(registry);
}

/* As a child sees it: the word of life reads 0. */
static void child_is_refused(void **state) {
        struct fixture *fx = *state;
        struct probe probe = { .source.ops = &all_ops };

        atomic_store(&fx->registry->life->state, LIFE_FORKED);
        for (int which = 0; which < 3; ++which) {
                assert_int_equal(call(which, fx->registry, &probe.source), -ECHILD);
                assert_int_equal(probe.calls[which], 0);
        }
        atomic_store(&fx->registry->life->state, fx->registry->pid ? LIFE_ALIVE_BY_PID : LIFE_ALIVE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(function_gets_what_the_caller_gave), CASE(null_is_refused),  CASE(functions_may_be_missing),
                CASE(only_deregister_outlives_the_poll),  CASE(child_is_refused),
        };

        return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
