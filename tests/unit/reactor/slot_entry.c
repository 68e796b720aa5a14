/* SPDX-License-Identifier: MIT */
/*
 * The life of an entry from the fetch to the hand-out: take, peek, join, offer, unlink, one transition of slot.h after the
 * other, of entries that match their slot. slot_change.c has the others.
 */
#include "fault.h"
#include "support.h"

#include "words.h"

#define DATA(generation) (GEN(generation) | NAME)
#define HANGUP           (EPOLLHUP | EPOLLRDHUP)

/* What the filter hands out, or 0 and nothing touched. */
static uint32_t taken(struct weir_slot *slot, uint64_t data, uint32_t events) {
        struct weir_event event = { 77, 78, 79 };

        if (weir_slot_take(slot, data, events, NULL, &event) == WEIR_STANDS) {
                assert_int_equal(event.token, TOKEN);
                assert_int_not_equal(event.readiness, 0);
                assert_int_equal(event.registration, data & DATA_WAKER ? 0 : (data >> 32) | 1);
                return event.readiness;
        }
        assert_int_equal(event.token, 77);
        assert_int_equal(event.readiness, 78);
        assert_int_equal(event.registration, 79);
        return 0;
}

static enum weir_verdict take(struct weir_slot *slot, uint64_t data, uint32_t events) {
        return weir_slot_take(slot, data, events, NULL, &(struct weir_event){ 0 });
}

/* ---------------------------------------------------------------- entries that match */

static void edge_and_level_pass_through(void **state) {
        const uint64_t words[] = { GEN(3) | EDGE(EPOLLIN), GEN(3) | LEVEL(EPOLLIN) };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(words); ++i) {
                struct weir_slot slot = slot_with(words[i]);

                assert_int_equal(weir_slot_peek(&slot, DATA(3), EPOLLIN), WEIR_STANDS);
                assert_int_equal(taken(&slot, DATA(3), EPOLLIN | EPOLLRDHUP), EPOLLIN | EPOLLRDHUP);
                assert_int_equal(taken(&slot, DATA(3), EPOLLIN), EPOLLIN);
                assert_word(&slot, words[i]);
        }
}

/* Readiness that waits in the slot is taken once. */
static void entry_without_events_takes_what_is_ready(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | EDGE(INOUT) | INOUT | READY_RDHUP);

        (void)state;
        assert_int_equal(weir_slot_peek(&slot, DATA(3), 0), WEIR_STANDS);
        assert_int_equal(taken(&slot, DATA(3), 0), INOUT | EPOLLRDHUP);
        assert_word(&slot, GEN(3) | EDGE(INOUT));
        assert_int_equal(take(&slot, DATA(3), 0), WEIR_KEPT);
        assert_word(&slot, GEN(3) | EDGE(INOUT));
}

static void waker_is_taken_once(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | WAKER | EPOLLIN | SLOT_LINKED);

        (void)state;
        assert_int_equal(weir_slot_peek(&slot, DATA(3) | DATA_WAKER, 0), WEIR_STANDS);
        assert_int_equal(taken(&slot, DATA(3) | DATA_WAKER, 0), EPOLLIN);
        assert_word(&slot, GEN(3) | WAKER | SLOT_LINKED);
        assert_int_equal(weir_slot_peek(&slot, DATA(3) | DATA_WAKER, 0), WEIR_KEPT);
        assert_int_equal(take(&slot, DATA(3) | DATA_WAKER, 0), WEIR_KEPT);
}

/* ARMED to OWNED: the hand-out disarms; what comes while it is owned is latched. */
static void oneshot_fires_once_and_latches(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | ONESHOT(EPOLLIN));
        const uint64_t owned = GEN(3) | OWNED(EPOLLIN) | FIRED(EPOLLIN);

        (void)state;
        assert_int_equal(weir_slot_peek(&slot, DATA(3), EPOLLIN), WEIR_STANDS);
        assert_word(&slot, GEN(3) | ONESHOT(EPOLLIN)); /* to look is not to take */
        assert_int_equal(taken(&slot, DATA(3), EPOLLIN), EPOLLIN);
        assert_word(&slot, owned);
        assert_int_equal(take(&slot, DATA(3), EPOLLIN), WEIR_KEPT);
        assert_word(&slot, owned | EPOLLIN);
        atomic_store(&slot.word, owned);
        assert_int_equal(weir_slot_peek(&slot, DATA(3), EPOLLIN), WEIR_KEPT);
        assert_word(&slot, owned | EPOLLIN);
        atomic_store(&slot.word, owned);
        assert_false(weir_slot_offer(&slot, DATA(3), EPOLLIN));
        assert_word(&slot, owned | EPOLLIN);
        /* Armed again it stands, and what was latched comes with what is new. */
        atomic_fetch_or(&slot.word, ARMED(EPOLLIN));
        assert_int_equal(weir_slot_peek(&slot, DATA(3), 0), WEIR_STANDS);
        assert_int_equal(taken(&slot, DATA(3), EPOLLERR), EPOLLIN | EPOLLERR);
        assert_word(&slot, owned);
}

static void oneshot_keeps_the_direction_that_is_not_armed(void **state) {
        const uint64_t registered = GEN(3) | OWNED(INOUT);
        struct weir_slot slot = slot_with(registered | ARMED(EPOLLIN));

        (void)state;
        assert_int_equal(weir_slot_peek(&slot, DATA(3), EPOLLOUT), WEIR_KEPT);
        assert_word(&slot, registered | ARMED(EPOLLIN) | EPOLLOUT);
        assert_int_equal(taken(&slot, DATA(3), INOUT), EPOLLIN);
        assert_word(&slot, registered | FIRED(EPOLLIN) | EPOLLOUT);
}

/* Armed for no direction, a hang-up or an error fires it, and nothing else. */
static void oneshot_without_direction_waits_for_the_end(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | OWNED(EPOLLIN) | ARMED(0));

        (void)state;
        assert_int_equal(weir_slot_peek(&slot, DATA(3), EPOLLIN | EPOLLRDHUP), WEIR_KEPT);
        assert_int_equal(taken(&slot, DATA(3), EPOLLHUP), EPOLLHUP);
        assert_word(&slot, GEN(3) | OWNED(EPOLLIN) | EPOLLIN | READY_RDHUP | SLOT_ASK | SLOT_HUNG);
}

/* What is latched already wakes the waiter in vain: it is told, so that the kernel can be silenced. */
static void second_entry_of_an_owned_one_comes_again(void **state) {
        const uint64_t owned = GEN(3) | OWNED(INOUT);
        struct weir_slot slot = slot_with(owned);

        (void)state;
        assert_int_equal(weir_slot_peek(&slot, DATA(3), EPOLLIN), WEIR_KEPT);
        assert_int_equal(weir_slot_peek(&slot, DATA(3), EPOLLIN), WEIR_AGAIN);
        assert_int_equal(take(&slot, DATA(3), INOUT), WEIR_KEPT); /* room to write is new */
        assert_int_equal(take(&slot, DATA(3), INOUT), WEIR_AGAIN);
        assert_word(&slot, owned | INOUT);
        /* An entry of the queue's is no news of the kernel's. */
        assert_int_equal(weir_slot_peek(&slot, DATA(3), 0), WEIR_KEPT);
        assert_int_equal(take(&slot, DATA(3), 0), WEIR_KEPT);
        /* A call that holds the lock may be arming it. */
        atomic_fetch_or(&slot.word, SLOT_LOCKED);
        assert_int_equal(weir_slot_peek(&slot, DATA(3), EPOLLIN), WEIR_KEPT);
        assert_int_equal(take(&slot, DATA(3), EPOLLIN), WEIR_KEPT);
        assert_word(&slot, owned | INOUT | SLOT_LOCKED);
}

/* A hang-up is not kept: it may be over by the next rearm, which asks the kernel, once. */
static void rearm_asks_after_a_hangup(void **state) {
        static const uint32_t ends[] = { EPOLLHUP, EPOLLIN | EPOLLRDHUP, HANGUP, EPOLLIN | EPOLLERR | EPOLLHUP };
        const uint64_t owned = GEN(3) | OWNED(EPOLLIN) | FIRED(EPOLLIN);
        struct weir_slot slot = slot_with(owned);

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(ends); ++i) {
                atomic_store(&slot.word, owned | SLOT_ARMED);
                assert_int_equal(taken(&slot, DATA(3), ends[i]), ends[i]);
                assert_word(&slot, owned | SLOT_ASK | SLOT_HUNG);
                /* Told again, it is not asked about once more. */
                atomic_store(&slot.word, owned | SLOT_ARMED | SLOT_HUNG);
                assert_int_equal(taken(&slot, DATA(3), ends[i]), ends[i]);
                assert_word(&slot, owned | SLOT_HUNG);
                /* Over, it would be news. */
                atomic_store(&slot.word, owned | SLOT_ARMED | SLOT_HUNG);
                assert_int_equal(taken(&slot, DATA(3), EPOLLIN), EPOLLIN);
                assert_word(&slot, owned);
        }
        /* An error is no state that lasts. */
        atomic_store(&slot.word, owned | SLOT_ARMED);
        assert_int_equal(taken(&slot, DATA(3), EPOLLIN | EPOLLERR), EPOLLIN | EPOLLERR);
        assert_word(&slot, owned);
        /* One that is not armed for it has not been told of the end. */
        atomic_store(&slot.word, GEN(3) | OWNED(INOUT) | ARMED(EPOLLOUT));
        assert_int_equal(taken(&slot, DATA(3), EPOLLOUT | EPOLLRDHUP), EPOLLOUT);
        assert_word(&slot, GEN(3) | OWNED(INOUT) | FIRED(EPOLLOUT) | READY_RDHUP);
}

/* Only a one-shot is silent until a rearm. */
static void hangup_of_others_asks_nothing(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | EDGE(EPOLLIN) | EPOLLIN | EPOLLHUP | READY_RDHUP);

        (void)state;
        assert_int_equal(taken(&slot, DATA(3), 0), EPOLLIN | HANGUP);
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN));
}

/* ---------------------------------------------------------------- two entries of one registration */

/* One that waits in the slot tells what another one brings, too. */
static void entry_joins_what_is_ready(void **state) {
        static const uint64_t words[] = { EDGE(INOUT), LEVEL(INOUT), ONESHOT(INOUT) };
        struct weir_slot slot = slot_with(0);

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(words); ++i) {
                slot = slot_with(GEN(3) | words[i] | EPOLLIN);
                assert_true(weir_slot_join(&slot, DATA(3), EPOLLOUT | EPOLLRDHUP));
                assert_word(&slot, GEN(3) | words[i] | INOUT | READY_RDHUP);
                assert_int_equal(taken(&slot, DATA(3), 0), INOUT | EPOLLRDHUP);
        }
}

static void entry_stays_by_itself_if_nothing_is_ready(void **state) {
        static const uint64_t words[] = { EDGE(INOUT), LEVEL(INOUT), ONESHOT(INOUT), OWNED(INOUT) | EPOLLIN,
                                          ONESHOT(EPOLLOUT) | EPOLLIN };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(words); ++i) {
                struct weir_slot slot = slot_with(GEN(3) | words[i]);

                assert_false(weir_slot_join(&slot, DATA(3), EPOLLIN));
                assert_word(&slot, GEN(3) | words[i]);
        }
        /* Neither of another generation, nor while that is about to begin. */
        struct weir_slot slot = slot_with(GEN(3) | EDGE(EPOLLIN) | EPOLLIN);

        assert_false(weir_slot_join(&slot, DATA(2), EPOLLHUP));
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EPOLLIN);
        atomic_fetch_or(&slot.word, SLOT_LOCKED | SLOT_MISSED);
        assert_false(weir_slot_join(&slot, DATA(3), EPOLLHUP));
        assert_false(weir_slot_join(&slot, DATA(5), EPOLLHUP));
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EPOLLIN | SLOT_LOCKED | SLOT_MISSED);
}

/* ---------------------------------------------------------------- the queue's side */

static void offer_links_once(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | EDGE(EPOLLIN));

        (void)state;
        assert_true(weir_slot_offer(&slot, DATA(3), EPOLLIN));
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EPOLLIN | SLOT_LINKED);
        assert_false(weir_slot_offer(&slot, DATA(3), EPOLLERR));
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EPOLLIN | EPOLLERR | SLOT_LINKED);
        /* What waits in the slot already is offered with an entry that has no events. */
        atomic_fetch_and(&slot.word, ~SLOT_LINKED);
        assert_true(weir_slot_offer(&slot, DATA(3), 0));
        /* A direction that is not armed is latched, and not linked for. */
        atomic_store(&slot.word, GEN(3) | ONESHOT(EPOLLIN));
        assert_false(weir_slot_offer(&slot, DATA(3), EPOLLOUT));
        assert_word(&slot, GEN(3) | ONESHOT(EPOLLIN) | EPOLLOUT);
}

static void unlink_names_what_is_deliverable(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | EDGE(EPOLLIN) | EPOLLIN | SLOT_LINKED);

        (void)state;
        assert_int_equal(weir_slot_unlink(&slot), DATA(3));
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EPOLLIN);
        atomic_store(&slot.word, GEN(3) | ONESHOT(EPOLLIN) | EPOLLOUT | SLOT_LINKED);
        assert_int_equal(weir_slot_unlink(&slot), 0);
        assert_word(&slot, GEN(3) | ONESHOT(EPOLLIN) | EPOLLOUT);
        /* Deregistered while it was linked. */
        atomic_store(&slot.word, GEN(4) | SLOT_LINKED);
        assert_int_equal(weir_slot_unlink(&slot), 0);
        assert_word(&slot, GEN(4));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(edge_and_level_pass_through),
                CASE(entry_without_events_takes_what_is_ready),
                CASE(waker_is_taken_once),
                CASE(oneshot_fires_once_and_latches),
                CASE(oneshot_keeps_the_direction_that_is_not_armed),
                CASE(oneshot_without_direction_waits_for_the_end),
                CASE(second_entry_of_an_owned_one_comes_again),
                CASE(rearm_asks_after_a_hangup),
                CASE(hangup_of_others_asks_nothing),
                CASE(entry_joins_what_is_ready),
                CASE(entry_stays_by_itself_if_nothing_is_ready),
                CASE(offer_links_once),
                CASE(unlink_names_what_is_deliverable),
        };

        return cmocka_run_group_tests_name("slot_entry", tests, NULL, NULL);
}
