/* SPDX-License-Identifier: MIT */
/* Wakers: the word of their slot, the free indexes, and a wake that meets the hand-out at each of its steps. */
#include "fault.h"
#include "support.h"

#include "events.h"
#include "poll.h"
#include "words.h"

static struct weir_slot *waker_slot(struct fixture *fx, uint32_t index) {
        return weir_table_find(&fx->registry->wakers, index);
}

static struct weir_waker *make(struct fixture *fx, weir_token token) {
        struct weir_waker *waker = NULL;

        assert_int_equal(weir_waker_create(fx->registry, token, &waker), 0);
        assert_non_null(waker);
        return waker;
}

static void word_goes_round(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = make(fx, TOKEN);
        struct weir_slot *slot = waker_slot(fx, 0);
        struct weir_event event;

        assert_word(slot, WAKER);
        assert_int_equal(slot->name, DATA_WAKER);
        assert_int_equal(atomic_load(&slot->token), TOKEN);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_word(slot, WAKER | EPOLLIN | SLOT_LINKED);
        fetch(fx, 1);
        assert_word(slot, WAKER | EPOLLIN);
        /* In an open batch and not read: a wake joins it. */
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_word(slot, WAKER | EPOLLIN);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(event.token, TOKEN);
        assert_int_equal(event.readiness, EPOLLIN);
        assert_int_equal(fx->events->counts.wakes, 1);
        assert_word(slot, WAKER);
        weir_waker_destroy(waker);
        assert_word(slot, GEN(1));
}

static void awake_poll_costs_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = make(fx, TOKEN);
        uint64_t calls = fault_count(FAULT_SYSTEM);

        for (int i = 0; i < 3; ++i)
                assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        (void)expect_one(fx, TOKEN);
        /* Parked, the first wake writes, and only that one. */
        assert_true(weir_queue_park(&fx->registry->queue));
        calls = fault_count(FAULT_SYSTEM);
        for (int i = 0; i < 3; ++i)
                assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls + 1);
        assert_int_equal(stats_of(fx->registry).eventfd_writes, 1);
        weir_waker_destroy(waker);
}

/* Free indexes are used again, last freed first, in a generation of their own. */
static void indexes_are_used_again(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *wakers[3], *again[3];

        for (unsigned i = 0; i < 3; ++i) {
                wakers[i] = make(fx, TOKEN + i);
                assert_int_equal(waker_slot(fx, i)->name, DATA_WAKER | i);
        }
        assert_int_equal(fx->registry->wakers_made, 3);
        weir_waker_destroy(wakers[1]);
        weir_waker_destroy(wakers[0]);
        assert_int_equal(fx->registry->free_waker, 0 + 1);
        assert_int_equal(atomic_load(&waker_slot(fx, 0)->token), 1 + 1);
        again[0] = make(fx, 70);
        again[1] = make(fx, 71);
        again[2] = make(fx, 72);
        assert_int_equal(fx->registry->free_waker, 0);
        assert_int_equal(fx->registry->wakers_made, 4);
        assert_word(waker_slot(fx, 0), GEN(1) | WAKER);
        assert_word(waker_slot(fx, 1), GEN(1) | WAKER);
        assert_word(waker_slot(fx, 2), WAKER);
        assert_word(waker_slot(fx, 3), WAKER);
        for (unsigned i = 0; i < 3; ++i) {
                assert_int_equal(weir_waker_wake(again[i]), 0);
                (void)expect_one(fx, 70 + i);
                weir_waker_destroy(again[i]);
        }
        weir_waker_destroy(wakers[2]);
        assert_int_equal(stats_of(fx->registry).wakers, 0);
}

/* A destroyed waker's event is dropped: from the queue, and from a batch that was fetched; its heir is not deaf. */
static void event_ends_with_its_waker(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = make(fx, 1), *heir;
        struct weir_event event;

        assert_int_equal(weir_waker_wake(waker), 0);
        weir_waker_destroy(waker);
        assert_word(waker_slot(fx, 0), GEN(1) | SLOT_LINKED);
        heir = make(fx, 2);
        assert_word(waker_slot(fx, 0), GEN(1) | WAKER | SLOT_LINKED);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(weir_waker_wake(heir), 0);
        fetch(fx, 1);
        weir_waker_destroy(heir);
        heir = make(fx, 3);
        assert_int_equal(weir_waker_wake(heir), 0);
        assert_false(weir_events_next(fx->events, &event));
        assert_int_equal(fx->events->counts.stale, 1);
        (void)expect_one(fx, 3);
        weir_waker_destroy(heir);
}

/* Woken while the former owner's slot is still linked: it is in the queue already, and must not be put there twice. */
static void heir_of_a_linked_slot_is_heard(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = make(fx, 1), *heir;

        assert_int_equal(weir_waker_wake(waker), 0);
        weir_waker_destroy(waker);
        heir = make(fx, 2);
        assert_int_equal(weir_waker_wake(heir), 0);
        assert_ptr_equal((void *)atomic_load(&fx->registry->queue.head), waker_slot(fx, 0));
        assert_int_equal(waker_slot(fx, 0)->next, 0);
        (void)expect_one(fx, 2);
        expect_silence(fx);
        weir_waker_destroy(heir);
}

static void creation_fails_cleanly(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = (struct weir_waker *)fx;
        uint64_t references = atomic_load(&fx->registry->references);

        assert_int_equal(weir_waker_create(NULL, 0, &waker), -EINVAL);
        assert_int_equal(weir_waker_create(fx->registry, 0, NULL), -EINVAL);
        for (uint64_t n = 1; n <= 2; ++n) { /* the waker, then the segment of its slot */
                fault_at(FAULT_ALLOC, n, ENOMEM);
                assert_int_equal(weir_waker_create(fx->registry, 0, &waker), -ENOMEM);
                assert_int_equal(fault_off(), 1);
        }
        assert_ptr_equal(waker, fx);
        assert_int_equal(atomic_load(&fx->registry->references), references);
        assert_int_equal(fx->registry->wakers_made, 0);
        waker = make(fx, 1);
        assert_int_equal(atomic_load(&fx->registry->references), references + 1);
        assert_int_equal(weir_waker_wake(NULL), -EINVAL);
        weir_waker_destroy(waker);
        assert_int_equal(atomic_load(&fx->registry->references), references);
        weir_waker_destroy(NULL);
}

static void waker_outlives_the_poll(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = make(fx, 1), *other = waker;
        struct weir_registry *registry = weir_registry_clone(fx->registry);

        fixture_end_poll(fx);
        assert_int_equal(weir_waker_wake(waker), -ESHUTDOWN);
        assert_int_equal(weir_waker_create(registry, 2, &other), -ESHUTDOWN);
        assert_ptr_equal(other, waker);
        weir_registry_release(registry);
        weir_waker_destroy(waker); /* the last reference */
}

/* ---------------------------------------------------------------- between two steps */

struct round {
        struct fixture *fx;
        struct weir_waker *waker;
        int got;
};

static void wait_and_read(void *arg) {
        struct round *round = arg;
        struct weir_event got[BATCH];

        round->got += collect(round->fx->poll, round->fx->events, 0, got, BATCH);
}

static void wake(void *arg) {
        struct round *round = arg;

        if (weir_waker_wake(round->waker) < 0)
                round->got = -1;
}

/* A whole wait between any two steps of a wake: the event comes once, then or later. */
static void wake_meets_a_wait(void **state) {
        struct fixture *fx = *state;
        struct round round = { .fx = fx, .waker = make(fx, 1) };
        uint64_t fired = 1;
        unsigned n;

        for (n = 1; fired; ++n) {
                round.got = 0;
                fault_hook(FAULT_YIELD, n, wait_and_read, &round);
                assert_int_equal(weir_waker_wake(round.waker), 0);
                fired = fault_off();
                wait_and_read(&round);
                assert_int_equal(round.got, 1);
                assert_word(waker_slot(fx, 0), WAKER);
        }
        assert_true(n > 3);
        weir_waker_destroy(round.waker);
}

/* A wake between any two steps of a wait that takes an earlier one: it joins that event, or makes one of its own. */
static void wait_meets_a_wake(void **state) {
        struct fixture *fx = *state;
        struct round round = { .fx = fx, .waker = make(fx, 1) };
        uint64_t fired = 1;
        unsigned n;

        for (n = 1; fired; ++n) {
                round.got = 0;
                assert_int_equal(weir_waker_wake(round.waker), 0);
                fault_hook(FAULT_YIELD, n, wake, &round);
                wait_and_read(&round);
                fired = fault_off();
                assert_int_equal(round.got, 1);
                wait_and_read(&round);
                assert_true(round.got == 1 || round.got == 2);
                assert_word(waker_slot(fx, 0), WAKER);
        }
        assert_true(n > 3);
        weir_waker_destroy(round.waker);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(word_goes_round),
                CASE(awake_poll_costs_no_system_call),
                CASE(indexes_are_used_again),
                CASE(event_ends_with_its_waker),
                CASE(heir_of_a_linked_slot_is_heard),
                CASE(creation_fails_cleanly),
                CASE(waker_outlives_the_poll),
                CASE(wake_meets_a_wait),
                CASE(wait_meets_a_wake),
        };

        return cmocka_run_group_tests_name("waker", tests, NULL, NULL);
}
