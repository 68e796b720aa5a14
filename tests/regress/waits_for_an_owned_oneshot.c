/* SPDX-License-Identifier: MIT */
/*
 * One thread waits, another owns a one-shot and gets message after message from its peer. The waiter sleeps through them: a few
 * at the beginning may wake it, not each; and so it is in the next turn, and in the one after. Counted are the times that the
 * waiting thread left the processor of itself, and the waits of the library and of the kernel.
 */
#include "../calls.h"

#include <inttypes.h>
#include <sys/resource.h>

#define TOKEN_STOP 9

struct figures {
        uint64_t waits;    /* that the library counts */
        uint64_t fetches;  /* calls to the kernel */
        uint64_t switches; /* voluntary ones of the waiting thread */
};

struct waiting {
        struct fixture *fx;
        struct worker worker;
        atomic_int taken; /* events of the descriptor so far */
        uint64_t switches;
};

/* Waits until the waker with TOKEN_STOP has come. */
static int wait_and_wait(void *arg) {
        struct waiting *w = arg;
        struct weir_event event;
        struct rusage usage;
        bool stop = false;

        while (!stop) {
                REQUIRE(wait_ms(w->fx->poll, w->fx->events, -1) >= 0);
                while (weir_events_next(w->fx->events, &event)) {
                        stop = stop || event.token == TOKEN_STOP;
                        if (event.token != TOKEN_STOP)
                                atomic_fetch_add(&w->taken, 1);
                }
                weir_events_clear(w->fx->events);
        }
        REQUIRE(getrusage(RUSAGE_THREAD, &usage) == 0);
        w->switches = (uint64_t)usage.ru_nvcsw;
        return 0;
}

/* The main thread is the owner: it takes no event, but it is told of each. The waiter sleeps again before each message. */
static struct figures own(struct fixture *fx, unsigned turns, unsigned messages) {
        struct waiting w = { .fx = fx };
        struct weir_waker *stop = NULL;
        struct figures figures;
        uint64_t waits;
        unsigned fetches;
        int pair[2];

        make_socketpair(pair);
        assert_int_equal(weir_waker_create(fx->registry, TOKEN_STOP, &stop), 0);
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        waits = stats_of(fx->registry).waits;
        fetches = atomic_load(&calls_waits);
        worker_start(&w.worker, wait_and_wait, &w);
        for (unsigned turn = 0; turn < turns; turn++) {
                worker_settle(&w.worker);
                put(pair[1]);
                assert_true(reached(&w.taken, (int)turn + 1));
                for (unsigned i = 0; i < messages; i++) {
                        worker_settle(&w.worker);
                        drain(pair[0]);
                        put(pair[1]);
                }
                worker_settle(&w.worker);
                drain(pair[0]);
                assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
        }
        assert_int_equal(weir_waker_wake(stop), 0);
        assert_int_equal(worker_join(&w.worker), 0);
        figures.waits = stats_of(fx->registry).waits - waits;
        figures.fetches = atomic_load(&calls_waits) - fetches;
        figures.switches = w.switches;
        /* Nothing comes to an owner. What a rearm brought without new data is no more than one each. */
        assert_in_range(w.taken, turns, 2 * turns);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        weir_waker_destroy(stop);
        close_pair(pair);
        return figures;
}

static void expect_few(struct fixture *fx, unsigned turns, unsigned messages) {
        struct figures figures = own(fx, turns, messages);
        uint64_t bound = 4 * turns + 50;

        print_message("%u turns of %u messages: %" PRIu64 " waits, %" PRIu64 " calls for events, %" PRIu64
                      " switches\n",
                      turns, messages, figures.waits, figures.fetches, figures.switches);
        assert_in_range(figures.waits, 1, bound);
        assert_in_range(figures.fetches, 1, bound);
        assert_in_range(figures.switches, 0, 2 * bound);
}

static void g8_waiter_sleeps_through_a_thousand_messages_to_an_owner(void **state) {
        expect_few(*state, 1, 1000);
}

static void g8_waiter_sleeps_through_the_messages_of_each_turn(void **state) {
        expect_few(*state, 50, 20);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_waiter_sleeps_through_a_thousand_messages_to_an_owner),
                CASE(g8_waiter_sleeps_through_the_messages_of_each_turn),
        };

        return cmocka_run_group_tests_name("waits_for_an_owned_oneshot", cases, NULL, NULL);
}
