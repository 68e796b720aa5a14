/* SPDX-License-Identifier: MIT */
/*
 * A thread that registers a ready level-triggered descriptor is held between its epoll_ctl and the end of weir_register(). A
 * waiter does not wait for it beyond its own timeout, does not spin meanwhile, and misses nothing when the call is done.
 */
#include "../calls.h"

static struct latch added, let_go;

/* Holds the thread that adds a descriptor right after the call. */
static void hold(bool after, int op, int fd, long result) {
        (void)fd;
        if (!after || op != EPOLL_CTL_ADD || result != 0)
                return;
        atomic_store(&calls_ctl_hook, NULL);
        latch_set(&added);
        latch_wait(&let_go);
}

struct registrar {
        struct fixture *fx;
        weir_interest interest;
        int fd;
        weir_token token;
};

static int register_it(void *arg) {
        struct registrar *r = arg;

        REQUIRE(weir_register(r->fx->registry, r->fd, r->token, r->interest) == 0);
        return 0;
}

struct look {
        struct fixture *fx;
        struct weir_events *events;
        int timeout_ms;
        int result;
        unsigned waits; /* calls to the kernel in it */
};

static int look_once(void *arg) {
        struct look *look = arg;

        atomic_store(&calls_waits, 0);
        look->result = wait_ms(look->fx->poll, look->events, look->timeout_ms);
        look->waits = atomic_load(&calls_waits);
        return 0;
}

/* One wait while the registrar is held. Returns whether it came back meanwhile. */
static bool look_beside(struct fixture *fx, struct weir_events *events, struct registrar *registrar, int timeout_ms,
                        struct look *ret_look) {
        struct worker holder, looker;
        bool returned;

        *ret_look = (struct look){ .fx = fx, .events = events, .timeout_ms = timeout_ms };
        memset(&added, 0, sizeof(added));
        memset(&let_go, 0, sizeof(let_go));
        atomic_store(&calls_ctl_hook, hold);
        worker_start(&holder, register_it, registrar);
        assert_true(latch_within(&added, DEADLINE_MS));
        worker_start(&looker, look_once, ret_look);
        returned = worker_done_within(&looker, DEADLINE_MS / 3);
        latch_set(&let_go);
        assert_int_equal(worker_join(&holder), 0);
        assert_int_equal(worker_join(&looker), 0);
        return returned;
}

static void g1_wait_of_no_time_does_not_wait_for_a_register(void **state) {
        const weir_interest modes[] = { WEIR_LEVEL, 0, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct weir_events *events;
        struct look look;
        unsigned late = 0;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                for (unsigned capacity = 1; capacity <= 2; capacity++) {
                        struct registrar registrar = { fx, WEIR_READABLE | modes[m], make_eventfd(1), 7 };
                        bool returned;

                        assert_int_equal(weir_events_create(capacity, &events), 0);
                        returned = look_beside(fx, events, &registrar, 0, &look);
                        if (!returned && late++ == 0)
                                print_error(
                                        "mode %#x, capacity %u: the wait came back when the register was let go, after "
                                        "%u calls to the kernel\n",
                                        modes[m], capacity, look.waits);
                        /* The event may be in it already. */
                        assert_in_range(look.result, 0, 1);
                        weir_events_destroy(events);
                        assert_int_equal(weir_deregister(fx->registry, registrar.fd), 0);
                        close(registrar.fd);
                }
        }
        assert_int_equal(late, 0);
}

static void g1_waiter_does_not_spin_beside_a_register(void **state) {
        struct registrar registrar = { *state, WEIR_READABLE | WEIR_LEVEL, make_eventfd(1), 7 };
        struct fixture *fx = *state;
        struct look look;
        bool returned;

        returned = look_beside(fx, fx->events, &registrar, 100, &look);
        assert_int_equal(weir_deregister(fx->registry, registrar.fd), 0);
        close(registrar.fd);
        assert_true(returned);
        assert_in_range(look.result, 0, 1);
        /* It may look once a millisecond. */
        assert_in_range(look.waits, 1, 500);
}

/* What a wait met too early is not lost, and comes once, though the kernel may tell it once more. */
static void g7_readiness_met_before_the_end_of_a_register_comes_once(void **state) {
        const weir_interest modes[] = { WEIR_LEVEL, 0, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct weir_event got[BATCH];
        unsigned wrong = 0;
        struct look look;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                struct registrar registrar = { fx, WEIR_READABLE | modes[m], make_eventfd(1), 7 };
                int n;

                (void)look_beside(fx, fx->events, &registrar, 5, &look);
                n = look.result;
                for (int i = 0; i < n; i++)
                        assert_true(weir_events_next(fx->events, &got[i]));
                weir_events_clear(fx->events);
                if (n == 0)
                        n = collect(fx->poll, fx->events, DEADLINE_MS, got, BATCH);
                if (n != 1 && wrong++ == 0)
                        print_error("mode %#x: %d events in one batch\n", modes[m], n);
                assert_int_equal(weir_deregister(fx->registry, registrar.fd), 0);
                close(registrar.fd);
        }
        assert_int_equal(wrong, 0);
}

/* Whatever else is ready is handed out beside it, and soon. */
static void g1_register_that_is_held_hides_nothing(void **state) {
        struct fixture *fx = *state;
        struct weir_events *events;
        struct look look;
        int ready;

        for (unsigned capacity = 1; capacity <= 3; capacity++) {
                struct registrar registrar = { fx, WEIR_READABLE | WEIR_LEVEL, make_eventfd(1), 1 };
                unsigned counts[2] = { 0 };
                bool returned;

                ready = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, ready, 0, WEIR_READABLE | WEIR_LEVEL), 0);
                assert_int_equal(weir_events_create(capacity, &events), 0);
                returned = look_beside(fx, events, &registrar, 1000, &look);
                assert_true(look.result > 0);
                assert_true(tally_batch(events, counts, 2) > 0);
                weir_events_destroy(events);
                assert_int_equal(weir_deregister(fx->registry, ready), 0);
                expect_one(fx, 1);
                assert_int_equal(weir_deregister(fx->registry, registrar.fd), 0);
                close(ready);
                close(registrar.fd);
                assert_true(returned);
                assert_true(look.waits < 500);
        }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g1_wait_of_no_time_does_not_wait_for_a_register),
                CASE(g1_waiter_does_not_spin_beside_a_register),
                CASE(g7_readiness_met_before_the_end_of_a_register_comes_once),
                CASE(g1_register_that_is_held_hides_nothing),
        };

        return cmocka_run_group_tests_name("held_register", cases, NULL, NULL);
}
