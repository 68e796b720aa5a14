/* SPDX-License-Identifier: MIT */
/*
 * G3: what was written before a call is visible to who takes the event, and to the deferred function. The data here is
 * plain memory. Threads keep step by relaxed atomics alone, which order nothing, so that a thread sanitizer reports
 * every edge that the library does not make itself; without one the values are still checked.
 */
#include "../support.h"

#define ROUNDS 300

enum how {
        BY_REGISTER,
        BY_REREGISTER,
        BY_REARM,
        BY_RETOKEN,
        BY_WAKE,
        N_WAYS,
};

struct channel {
        struct fixture *fx;
        struct weir_waker *waker;
        enum how how;
        int fd;
        unsigned data[ROUNDS]; /* plain; the token or the round says which one to read */
        atomic_int sent, taken;
};

static int send_round(struct channel *channel, unsigned round) {
        switch (channel->how) {
        case BY_REGISTER:
                return weir_register(channel->fx->registry, channel->fd, round, WEIR_READABLE);
        case BY_REREGISTER:
                return weir_reregister(channel->fx->registry, channel->fd, round, WEIR_READABLE);
        case BY_RETOKEN:
                /* The data is ready; the caller has put the event into a half-read batch. */
                return weir_retoken(channel->fx->registry, channel->fd, round);
        case BY_REARM:
                return weir_rearm(channel->fx->registry, channel->fd, WEIR_READABLE);
        default:
                return weir_waker_wake(channel->waker);
        }
}

static int sender(void *arg) {
        struct channel *channel = arg;

        for (unsigned i = 0; i < ROUNDS; i++) {
                if (channel->how == BY_REARM)
                        /* Comes between the drain of the taker and the rearm below. */
                        ring(channel->fd);
                channel->data[i] = i + 1000;
                REQUIRE(send_round(channel, i) == 0);
                REQUIRE(reached(&channel->taken, (int)i + 1));
                if (channel->how == BY_REGISTER)
                        REQUIRE(weir_deregister(channel->fx->registry, channel->fd) == 0);
        }
        return 0;
}

/* Takes each round's event on the main thread and reads the data that it announces. */
static void take_rounds(struct channel *channel) {
        struct weir_event got[BATCH];
        int n;

        for (unsigned i = 0; i < ROUNDS;) {
                n = collect(channel->fx->poll, channel->fx->events, DEADLINE_MS, got, BATCH);
                assert_in_range(n, 0, 1);
                if (n == 0)
                        /* What was fetched was overtaken before it could be handed out. */
                        continue;
                if (channel->how == BY_REGISTER || channel->how == BY_REREGISTER)
                        assert_int_equal(got[0].token, i);
                if (channel->how == BY_REARM)
                        drain(channel->fd);
                assert_int_equal(channel->data[i], i + 1000);
                atomic_store_explicit(&channel->taken, (int)++i, memory_order_relaxed);
        }
}

static void pass_data(struct fixture *fx, enum how how) {
        struct channel channel = { .fx = fx, .how = how };
        struct worker worker;

        channel.fd = make_eventfd(how != BY_REARM);
        if (how == BY_REREGISTER)
                /* Edge-triggered and taken here, so that only the sender's call brings an event. */
                assert_int_equal(weir_register(fx->registry, channel.fd, 0, WEIR_READABLE), 0);
        if (how == BY_REARM)
                assert_int_equal(weir_register(fx->registry, channel.fd, 0, WEIR_READABLE | WEIR_ONESHOT), 0);
        if (how == BY_REREGISTER)
                expect_one(fx, 0);
        if (how == BY_REARM) {
                ring(channel.fd);
                expect_one(fx, 0);
                drain(channel.fd);
        }
        if (how == BY_WAKE)
                assert_int_equal(weir_waker_create(fx->registry, 77, &channel.waker), 0);
        worker_start(&worker, sender, &channel);
        take_rounds(&channel);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(weir_deregister(fx->registry, channel.fd),
                         how == BY_REARM || how == BY_REREGISTER ? 0 : -ENOENT);
        weir_waker_destroy(channel.waker);
        close(channel.fd);
}

static void g3_write_before_register_is_seen_by_the_taker(void **state) {
        pass_data(*state, BY_REGISTER);
}

static void g3_write_before_reregister_is_seen_by_the_taker(void **state) {
        pass_data(*state, BY_REREGISTER);
}

static void g3_write_before_rearm_is_seen_by_the_taker(void **state) {
        pass_data(*state, BY_REARM);
}

static void g3_write_before_wake_is_seen_by_the_taker(void **state) {
        pass_data(*state, BY_WAKE);
}

static int retokener(void *arg) {
        struct channel *channel = arg;

        for (unsigned i = 0; i < ROUNDS; i++) {
                REQUIRE(reached(&channel->sent, (int)i + 1));
                channel->data[i] = i + 1000;
                REQUIRE(weir_retoken(channel->fx->registry, channel->fd, i + 5000) == 0);
                REQUIRE(reached(&channel->taken, (int)i + 1));
        }
        return 0;
}

static void g3_write_before_retoken_is_seen_by_the_taker(void **state) {
        struct fixture *fx = *state;
        struct channel channel = { .fx = fx, .how = BY_RETOKEN };
        struct weir_event got[BATCH];
        struct worker worker;
        int n;

        channel.fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, channel.fd, 1, WEIR_READABLE | WEIR_LEVEL), 0);
        worker_start(&worker, retokener, &channel);
        for (unsigned i = 0; i < ROUNDS; i++) {
                atomic_store_explicit(&channel.sent, (int)i + 1, memory_order_relaxed);
                /* Level-triggered and ready: events keep coming, and some day under the new token. */
                do {
                        n = collect(fx->poll, fx->events, DEADLINE_MS, got, BATCH);
                        assert_in_range(n, 0, 1);
                } while (n == 0 || got[0].token != i + 5000);
                assert_int_equal(channel.data[i], i + 1000);
                atomic_store_explicit(&channel.taken, (int)i + 1, memory_order_relaxed);
        }
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(weir_deregister(fx->registry, channel.fd), 0);
        close(channel.fd);
}

/* ---------------------------------------------------------------- coalesced wakes */

struct coalesced {
        struct weir_waker *waker;
        atomic_int *woken;
        unsigned *data;
};

static int write_and_wake(void *arg) {
        struct coalesced *c = arg;

        *c->data = 4711;
        REQUIRE(weir_waker_wake(c->waker) == 0);
        atomic_fetch_add_explicit(c->woken, 1, memory_order_relaxed);
        return 0;
}

static void g3_one_event_carries_the_writes_of_all_coalesced_wakes(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct coalesced c[4];
        struct worker workers[4];

        assert_int_equal(weir_waker_create(fx->registry, 3, &waker), 0);
        for (unsigned round = 0; round < 50; round++) {
                unsigned data[4] = { 0 };
                atomic_int woken = 0;

                for (unsigned i = 0; i < 4; i++) {
                        c[i] = (struct coalesced){ .waker = waker, .woken = &woken, .data = &data[i] };
                        worker_start(&workers[i], write_and_wake, &c[i]);
                }
                assert_true(reached(&woken, 4));
                expect_one(fx, 3);
                for (unsigned i = 0; i < 4; i++)
                        assert_int_equal(data[i], 4711);
                for (unsigned i = 0; i < 4; i++)
                        assert_int_equal(worker_join(&workers[i]), 0);
        }
        weir_waker_destroy(waker);
}

/* ---------------------------------------------------------------- deferred functions */

struct record {
        struct weir_deferred node;
        unsigned by_owner;   /* written before weir_defer() */
        unsigned by_handler; /* written before the batch was closed */
        atomic_int *freed;
        atomic_int *bad;
};

static void free_record(struct weir_deferred *node) {
        struct record *record = (struct record *)node;

        if (record->by_owner != 11 || record->by_handler != 22)
                atomic_fetch_add_explicit(record->bad, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(record->freed, 1, memory_order_relaxed);
        free(record);
}

struct handling {
        struct fixture *fx;
        atomic_int fetched, dropped, freed, bad;
};

static int handle_records(void *arg) {
        struct handling *h = arg;
        struct weir_events *events = NULL;
        struct weir_event event;

        REQUIRE(weir_events_create(BATCH, &events) == 0);
        for (int i = 0; i < ROUNDS; i++) {
                REQUIRE(wait_ms(h->fx->poll, events, DEADLINE_MS) == 1);
                REQUIRE(weir_events_next(events, &event));
                atomic_store_explicit(&h->fetched, i + 1, memory_order_relaxed);
                REQUIRE(reached(&h->dropped, i + 1));
                /* Deferred by now; the open batch keeps it. */
                ((struct record *)weir_token_ptr(event.token))->by_handler = 22;
                weir_events_clear(events);
        }
        weir_events_destroy(events);
        return 0;
}

static void g3_deferred_function_sees_what_the_owner_and_the_handler_wrote(void **state) {
        struct fixture *fx = *state;
        struct handling h = { .fx = fx };
        struct worker worker;
        struct record *record;
        int fd;

        fd = make_eventfd(1);
        worker_start(&worker, handle_records, &h);
        for (int i = 0; i < ROUNDS; i++) {
                record = calloc(1, sizeof(*record));
                assert_non_null(record);
                record->freed = &h.freed;
                record->bad = &h.bad;
                assert_int_equal(weir_register(fx->registry, fd, weir_ptr_token(record), WEIR_READABLE), 0);
                assert_true(reached(&h.fetched, i + 1));
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
                record->by_owner = 11;
                weir_defer(fx->registry, &record->node, free_record);
                atomic_store_explicit(&h.dropped, i + 1, memory_order_relaxed);
                assert_true(reached(&h.freed, i + 1));
        }
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(atomic_load_explicit(&h.bad, memory_order_relaxed), 0);
        close(fd);
}

/* ---------------------------------------------------------------- epochs and synchronize */

struct closing {
        struct fixture *fx;
        atomic_int fetched, go;
        unsigned data;
};

static int write_and_close(void *arg) {
        struct closing *c = arg;

        REQUIRE(wait_ms(c->fx->poll, c->fx->events, DEADLINE_MS) == 1);
        atomic_store_explicit(&c->fetched, 1, memory_order_relaxed);
        REQUIRE(reached(&c->go, 1));
        c->data = 99;
        weir_events_clear(c->fx->events);
        return 0;
}

static void g3_passed_epoch_and_synchronize_show_what_the_handler_wrote(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct worker worker;
        weir_epoch epoch;
        uint64_t end;

        assert_int_equal(weir_waker_create(fx->registry, 3, &waker), 0);
        for (unsigned round = 0; round < 100; round++) {
                struct closing c = { .fx = fx };

                assert_int_equal(weir_waker_wake(waker), 0);
                worker_start(&worker, write_and_close, &c);
                assert_true(reached(&c.fetched, 1));
                epoch = weir_epoch_now(fx->registry);
                atomic_store_explicit(&c.go, 1, memory_order_relaxed);
                if (round % 2) {
                        assert_int_equal(weir_synchronize(fx->registry), 0);
                } else {
                        end = now_ns() + UINT64_C(1000000) * DEADLINE_MS;
                        while (!weir_epoch_passed(fx->registry, epoch)) {
                                assert_true(now_ns() < end);
                                sched_yield();
                        }
                }
                assert_int_equal(c.data, 99);
                assert_int_equal(worker_join(&worker), 0);
        }
        weir_waker_destroy(waker);
}

/* ---------------------------------------------------------------- one-shots from owner to owner */

struct baton {
        struct fixture *fx;
        int fd;
        unsigned *plain;
        atomic_int *turns;
        int goal;
};

static int pass_baton(void *arg) {
        struct baton *baton = arg;
        struct weir_events *events = NULL;
        struct weir_event event;
        int r;

        REQUIRE(weir_events_create(4, &events) == 0);
        while (atomic_load_explicit(baton->turns, memory_order_relaxed) < baton->goal) {
                r = wait_ms(baton->fx->poll, events, 1);
                if (r == -EBUSY)
                        sched_yield();
                else
                        REQUIRE(r >= 0);
                while (r > 0 && weir_events_next(events, &event)) {
                        drain(baton->fd);
                        ++*baton->plain;
                        atomic_store_explicit(baton->turns, (int)*baton->plain, memory_order_relaxed);
                        ring(baton->fd);
                        REQUIRE(weir_rearm(baton->fx->registry, baton->fd, WEIR_READABLE) == 0);
                }
        }
        weir_events_destroy(events);
        return 0;
}

static void g3_rearm_passes_plain_data_from_one_owner_to_the_next(void **state) {
        struct fixture *fx = *state;
        struct baton baton = { .fx = fx, .goal = 2000 };
        struct worker workers[3];
        unsigned plain = 0;
        atomic_int turns = 0;

        baton.fd = make_eventfd(1);
        baton.plain = &plain;
        baton.turns = &turns;
        assert_int_equal(weir_register(fx->registry, baton.fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (unsigned i = 0; i < ARRAY_LEN(workers); i++)
                worker_start(&workers[i], pass_baton, &baton);
        for (unsigned i = 0; i < ARRAY_LEN(workers); i++)
                assert_int_equal(worker_join(&workers[i]), 0);
        assert_true(plain >= 2000);
        assert_int_equal(weir_deregister(fx->registry, baton.fd), 0);
        close(baton.fd);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g3_write_before_register_is_seen_by_the_taker),
                CASE(g3_write_before_reregister_is_seen_by_the_taker),
                CASE(g3_write_before_rearm_is_seen_by_the_taker),
                CASE(g3_write_before_retoken_is_seen_by_the_taker),
                CASE(g3_write_before_wake_is_seen_by_the_taker),
                CASE(g3_one_event_carries_the_writes_of_all_coalesced_wakes),
                CASE(g3_deferred_function_sees_what_the_owner_and_the_handler_wrote),
                CASE(g3_passed_epoch_and_synchronize_show_what_the_handler_wrote),
                CASE(g3_rearm_passes_plain_data_from_one_owner_to_the_next),
        };

        return cmocka_run_group_tests_name("g03_happens_before", cases, NULL, NULL);
}
