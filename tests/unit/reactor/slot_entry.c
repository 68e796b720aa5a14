/* SPDX-License-Identifier: MIT */
/*
 * The life of an entry from the fetch to the hand-out: take, peek, offer, unlink, one transition of slot.h after the
 * other. What takes two threads is forced on one: the lock is taken by hand and an entry looked at meanwhile, or the
 * registration is changed at a yield point between the two looks of the filter.
 */
#include "fault.h"
#include "support.h"

#include "words.h"

#define DATA(generation) (GEN(generation) | NAME)
#define HANGUP           (EPOLLHUP | READY_RDHUP)

/* What the filter hands out, or 0 and nothing touched. */
static uint32_t taken(struct weir_slot *slot, uint64_t data, uint32_t events) {
        struct weir_event event = { 77, 78 };

        if (weir_slot_take(slot, data, events, &event)) {
                assert_int_equal(event.token, TOKEN);
                assert_int_not_equal(event.readiness, 0);
                return event.readiness;
        }
        assert_int_equal(event.token, 77);
        assert_int_equal(event.readiness, 78);
        return 0;
}

static bool peeked(struct weir_slot *slot, uint64_t data, uint32_t events) {
        bool ghost = false, stands = weir_slot_peek(slot, data, events, &ghost);

        assert_false(ghost);
        return stands;
}

/* ---------------------------------------------------------------- entries that match */

static void edge_and_level_pass_through(void **state) {
        const uint64_t words[] = { GEN(3) | EDGE(EPOLLIN), GEN(3) | LEVEL(EPOLLIN) };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(words); ++i) {
                struct weir_slot slot = slot_with(words[i]);

                assert_true(peeked(&slot, DATA(3), EPOLLIN));
                assert_int_equal(taken(&slot, DATA(3), EPOLLIN | EPOLLRDHUP), EPOLLIN | EPOLLRDHUP);
                assert_int_equal(taken(&slot, DATA(3), EPOLLIN), EPOLLIN);
                assert_word(&slot, words[i]);
        }
}

/* Readiness that waits in the slot is taken once, and only what was asked for. */
static void entry_without_events_takes_what_is_ready(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | EDGE(EPOLLIN) | INOUT | READY_RDHUP);

        (void)state;
        assert_true(peeked(&slot, DATA(3), 0));
        assert_int_equal(taken(&slot, DATA(3), 0), EPOLLIN | EPOLLRDHUP);
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EPOLLOUT);
        assert_int_equal(taken(&slot, DATA(3), 0), 0);
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EPOLLOUT);
}

static void waker_is_taken_once(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | WAKER | EPOLLIN | SLOT_LINKED);

        (void)state;
        assert_true(peeked(&slot, DATA(3) | DATA_WAKER, 0));
        assert_int_equal(taken(&slot, DATA(3) | DATA_WAKER, 0), EPOLLIN);
        assert_word(&slot, GEN(3) | WAKER | SLOT_LINKED);
        assert_false(peeked(&slot, DATA(3) | DATA_WAKER, 0));
        assert_int_equal(taken(&slot, DATA(3) | DATA_WAKER, 0), 0);
}

/* ARMED to OWNED: the hand-out disarms; what comes while it is owned is latched. */
static void oneshot_fires_once_and_latches(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | ONESHOT(EPOLLIN));
        const uint64_t owned = GEN(3) | SLOT_REGISTERED | SLOT_ONESHOT | ASKED(EPOLLIN);

        (void)state;
        assert_true(peeked(&slot, DATA(3), EPOLLIN));
        assert_word(&slot, GEN(3) | ONESHOT(EPOLLIN)); /* to look is not to take */
        assert_int_equal(taken(&slot, DATA(3), EPOLLIN), EPOLLIN);
        assert_word(&slot, owned);
        assert_int_equal(taken(&slot, DATA(3), EPOLLIN), 0);
        assert_word(&slot, owned | EPOLLIN);
        atomic_store(&slot.word, owned);
        assert_false(peeked(&slot, DATA(3), EPOLLIN));
        assert_word(&slot, owned | EPOLLIN);
        atomic_store(&slot.word, owned);
        assert_false(weir_slot_offer(&slot, DATA(3), EPOLLIN));
        assert_word(&slot, owned | EPOLLIN);
        /* Armed again it stands, and what was latched comes with what is new. */
        atomic_fetch_or(&slot.word, ARMED(EPOLLIN));
        assert_true(peeked(&slot, DATA(3), 0));
        assert_int_equal(taken(&slot, DATA(3), EPOLLERR), EPOLLIN | EPOLLERR);
        assert_word(&slot, owned);
}

static void oneshot_keeps_the_direction_that_is_not_armed(void **state) {
        const uint64_t registered = GEN(3) | SLOT_REGISTERED | SLOT_ONESHOT | ASKED(INOUT);
        struct weir_slot slot = slot_with(registered | ARMED(EPOLLIN));

        (void)state;
        assert_false(peeked(&slot, DATA(3), EPOLLOUT));
        assert_word(&slot, registered | ARMED(EPOLLIN) | EPOLLOUT);
        assert_int_equal(taken(&slot, DATA(3), INOUT), EPOLLIN);
        assert_word(&slot, registered | EPOLLOUT);
}

/* A hang-up shows itself again after a rearm, once, with the direction that leads to it; never for ever. */
static void hangup_is_replayed_once(void **state) {
        const uint64_t owned = GEN(3) | SLOT_REGISTERED | SLOT_ONESHOT | ASKED(EPOLLIN);
        const uint32_t end = EPOLLIN | EPOLLRDHUP;
        struct weir_slot slot = slot_with(owned | ARMED(EPOLLIN));

        (void)state;
        assert_int_equal(taken(&slot, DATA(3), end), end);
        assert_word(&slot, owned | EPOLLIN | READY_RDHUP | SLOT_REPLAYED);
        assert_int_equal(taken(&slot, DATA(3), 0), 0);
        atomic_fetch_or(&slot.word, ARMED(EPOLLIN));
        assert_int_equal(taken(&slot, DATA(3), 0), end);
        assert_word(&slot, owned | SLOT_REPLAYED);
        /* Other events leave the mark, a hang-up from the kernel is news. */
        atomic_fetch_or(&slot.word, ARMED(EPOLLIN));
        assert_int_equal(taken(&slot, DATA(3), EPOLLIN | EPOLLERR), EPOLLIN | EPOLLERR);
        assert_word(&slot, owned | SLOT_REPLAYED);
        assert_false(weir_slot_offer(&slot, DATA(3), EPOLLHUP));
        assert_word(&slot, owned | EPOLLHUP);
        atomic_fetch_or(&slot.word, ARMED(EPOLLIN));
        assert_int_equal(taken(&slot, DATA(3), 0), EPOLLHUP);
        assert_word(&slot, owned | EPOLLHUP | SLOT_REPLAYED);
}

/* Only a one-shot is silent until a rearm, so only its hang-up has to be kept. */
static void hangup_of_others_is_not_replayed(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | EDGE(EPOLLIN) | EPOLLIN | HANGUP);

        (void)state;
        assert_int_equal(taken(&slot, DATA(3), 0), EPOLLIN | EPOLLHUP | EPOLLRDHUP);
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN));
}

/* ---------------------------------------------------------------- the queue's side */

static void offer_links_once(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | EDGE(EPOLLIN));

        (void)state;
        assert_false(weir_slot_offer(&slot, DATA(3), EPOLLOUT));
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EPOLLOUT);
        assert_true(weir_slot_offer(&slot, DATA(3), EPOLLIN));
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | INOUT | SLOT_LINKED);
        assert_false(weir_slot_offer(&slot, DATA(3), EPOLLERR));
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | INOUT | EPOLLERR | SLOT_LINKED);
        /* What waits in the slot already is offered with an entry that has no events. */
        atomic_fetch_and(&slot.word, ~SLOT_LINKED);
        assert_true(weir_slot_offer(&slot, DATA(3), 0));
}

static void unlink_names_what_is_deliverable(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | EDGE(EPOLLIN) | EPOLLIN | SLOT_LINKED);

        (void)state;
        assert_int_equal(weir_slot_unlink(&slot), DATA(3));
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EPOLLIN);
        atomic_store(&slot.word, GEN(3) | EDGE(EPOLLIN) | EPOLLOUT | SLOT_LINKED);
        assert_int_equal(weir_slot_unlink(&slot), 0);
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EPOLLOUT);
        /* Deregistered while it was linked. */
        atomic_store(&slot.word, GEN(4) | SLOT_LINKED);
        assert_int_equal(weir_slot_unlink(&slot), 0);
        assert_word(&slot, GEN(4));
}

/* ---------------------------------------------------------------- entries of another generation */

static void other_generation_is_stale(void **state) {
        const uint64_t words[] = { EDGE(EPOLLIN), LEVEL(EPOLLIN), ONESHOT(EPOLLIN), WAKER, 0 };
        const uint64_t others[] = { 2, 1, 0, UINT64_C(0xfffffffff), UINT64_C(0xfffffffe0) }; /* older, wrapped or not */

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(words); ++i)
                for (size_t k = 0; k < ARRAY_LEN(others); ++k) {
                        const uint64_t word = GEN(3) | words[i] | EPOLLIN;
                        struct weir_slot slot = slot_with(word);

                        assert_true(weir_slot_is_stale(&slot, DATA(others[k])));
                        assert_int_equal(taken(&slot, DATA(others[k]), EPOLLIN), 0);
                        assert_int_equal(taken(&slot, DATA(others[k]), 0), 0);
                        assert_false(peeked(&slot, DATA(others[k]), EPOLLIN));
                        assert_false(weir_slot_offer(&slot, DATA(others[k]), EPOLLIN));
                        assert_word(&slot, word);
                        /* The bits below the generation are not compared. */
                        assert_false(weir_slot_is_stale(&slot, GEN(3) | BELOW_GEN));
                        assert_false(weir_slot_is_stale(&slot, GEN(3)));
                }
}

/* Two stale level events, the lock free at both: the kernel still has what ended. */
static void second_stale_level_event_proves_a_ghost(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | EDGE(EPOLLIN));
        bool ghost = false;

        (void)state;
        assert_false(weir_slot_peek(&slot, DATA(2), EPOLLIN, &ghost)); /* an edge one does not count */
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN));
        /* While a call is at work the event may have been fetched before that call removed it. */
        atomic_fetch_or(&slot.word, SLOT_LOCKED);
        assert_false(weir_slot_peek(&slot, DATA(2) | DATA_LEVEL, EPOLLIN, &ghost));
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | SLOT_LOCKED);
        atomic_fetch_and(&slot.word, ~SLOT_LOCKED);

        assert_false(weir_slot_peek(&slot, DATA(2) | DATA_LEVEL, EPOLLIN, &ghost));
        assert_false(ghost);
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | SLOT_SUSPECT);
        assert_false(weir_slot_peek(&slot, DATA(2), EPOLLIN, &ghost));
        assert_false(ghost);
        assert_false(weir_slot_peek(&slot, DATA(2) | DATA_LEVEL, EPOLLIN, &ghost));
        assert_true(ghost);
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | SLOT_SUSPECT);
        /* An event that stands is no proof. */
        assert_true(peeked(&slot, DATA(3) | DATA_LEVEL, EPOLLIN));
        /* The suspicion ends with the registration. */
        weir_slot_invalidate(&slot);
        assert_word(&slot, GEN(4));
}

/* ---------------------------------------------------------------- entries of the generation to come */

static bool entry_is_noted(struct weir_slot *slot, int way, uint64_t data, uint32_t events) {
        if (way == 0)
                return taken(slot, data, events);
        if (way == 1)
                return peeked(slot, data, events);
        return weir_slot_offer(slot, data, events);
}

/*
 * The kernel knows the new generation before the slot does. Whoever meets its event then leaves it to the holder of
 * the lock, who makes it ready and links it.
 */
static void early_event_is_kept_for_the_unlock(void **state) {
        (void)state;
        for (int way = 0; way < 3; ++way) {
                struct weir_slot slot = slot_with(GEN(3));
                uint64_t word;

                assert_true(weir_slot_lock(&slot, 0, 0, 0, 0, &word));
                assert_false(entry_is_noted(&slot, way, DATA(5), EPOLLIN));
                assert_false(weir_slot_is_stale(&slot, DATA(5)));
                assert_word(&slot, GEN(3) | SLOT_LOCKED | EARLY(EPOLLIN));
                weir_slot_invalidate(&slot);
                assert_false(entry_is_noted(&slot, way, DATA(5), EPOLLRDHUP));
                assert_word(&slot, GEN(4) | SLOT_LOCKED | EARLY(EPOLLIN | READY_RDHUP));
                /* One that just ended is nobody's. */
                assert_false(entry_is_noted(&slot, way, DATA(3), EPOLLERR));
                assert_word(&slot, GEN(4) | SLOT_LOCKED | EARLY(EPOLLIN | READY_RDHUP));
                assert_true(weir_slot_unlock(&slot, 0, EDGE(EPOLLIN), SLOT_GENERATION));
                assert_word(&slot, GEN(5) | EDGE(EPOLLIN) | EPOLLIN | READY_RDHUP | SLOT_LINKED);
                assert_int_equal(weir_slot_unlink(&slot), DATA(5));
                assert_int_equal(taken(&slot, DATA(5), 0), EPOLLIN | EPOLLRDHUP);
        }
}

/* A refused call begins no generation: what came early is for a later one, whose lock this thread does not see yet. */
static void early_event_outlives_a_refusal(void **state) {
        (void)state;
        for (int way = 0; way < 3; ++way) {
                struct weir_slot slot = slot_with(GEN(3) | EDGE(EPOLLIN));
                uint64_t word;

                assert_false(entry_is_noted(&slot, way, DATA(6), EPOLLIN));
                assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EARLY(EPOLLIN));
                assert_true(weir_slot_lock(&slot, 0, 0, 0, 0, &word));
                assert_false(weir_slot_unlock(&slot, 0, 0, 0));
                assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EARLY(EPOLLIN));
        }
}

/* An early event of an interest that is not asked for waits unannounced, as any other. */
static void early_event_is_announced_if_deliverable(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | SLOT_LOCKED | EARLY(EPOLLOUT));

        (void)state;
        assert_false(weir_slot_unlock(&slot, 0, ONESHOT(EPOLLIN), SLOT_GENERATION));
        assert_word(&slot, GEN(4) | ONESHOT(EPOLLIN) | EPOLLOUT);
}

/* What was deliverable of the generation before may stand in an entry of a batch, which is for nothing now. */
static void early_event_is_announced_for_its_own_generation(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | ONESHOT(EPOLLIN) | EPOLLIN | SLOT_LOCKED | EARLY(EPOLLIN));

        (void)state;
        assert_true(weir_slot_unlock(&slot, SLOT_REGISTRATION, ONESHOT(EPOLLIN), 2 * SLOT_GENERATION));
        assert_word(&slot, GEN(5) | ONESHOT(EPOLLIN) | EPOLLIN | SLOT_LINKED);
}

/* An event of the generation that stands is handed out even while a call holds the lock. */
static void lock_does_not_hold_up_the_hand_out(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | LEVEL(EPOLLIN) | SLOT_LOCKED);

        (void)state;
        assert_true(peeked(&slot, DATA(3) | DATA_LEVEL, EPOLLIN));
        assert_int_equal(taken(&slot, DATA(3) | DATA_LEVEL, EPOLLIN), EPOLLIN);
        assert_true(weir_slot_offer(&slot, DATA(3), EPOLLIN));
        assert_word(&slot, GEN(3) | LEVEL(EPOLLIN) | SLOT_LOCKED | SLOT_LINKED | EPOLLIN);
}

/* ---------------------------------------------------------------- between two looks */

struct change {
        struct weir_slot *slot;
        uint64_t registration;
        bool replace;
};

/* What reregister or deregister does to the slot, at one yield point of the filter. */
static void change_slot(void *arg) {
        struct change *change = arg;
        uint64_t word;

        if (!change->replace) {
                weir_slot_lock(change->slot, 0, 0, SLOT_REGISTRATION, SLOT_GENERATION, &word);
                weir_slot_unlock(change->slot, 0, 0, 0);
                return;
        }
        weir_slot_lock(change->slot, 0, 0, 0, 0, &word);
        weir_slot_invalidate(change->slot);
        atomic_store(&change->slot->token, ~TOKEN);
        weir_slot_unlock(change->slot, 0, change->registration, SLOT_GENERATION);
}

/* Wherever the change falls: never the new token for the old event, and the new registration keeps its shot. */
static void change_between_the_looks_is_seen(void **state) {
        const uint64_t registrations[] = { EDGE(EPOLLIN), LEVEL(EPOLLIN), ONESHOT(EPOLLIN), WAKER };

        (void)state;
        for (size_t i = 0; i < 2 * ARRAY_LEN(registrations); ++i) {
                const uint64_t registration = registrations[i / 2];
                const uint32_t events = registration & WAKER & SLOT_ONESHOT ? 0 : EPOLLIN;
                unsigned n;

                for (n = 1;; ++n) {
                        struct weir_slot slot = slot_with(GEN(3) | registration | EPOLLIN);
                        struct change change = { &slot, registration, i % 2 };

                        fault_hook(FAULT_YIELD, n, change_slot, &change);
                        (void)taken(&slot, DATA(3), events); /* asserts that a token is the old one */
                        if (!fault_off())
                                break;
                        assert_word(&slot, change.replace ? GEN(5) | registration : GEN(4));
                        assert_int_equal(taken(&slot, DATA(3), EPOLLIN), 0);
                }
                assert_true(n > 2); /* there is a point on either side of the token */
        }
}

static void replace_token(void *arg) {
        struct weir_slot *slot = arg;

        atomic_store(&slot->token, ~TOKEN);
}

/* A token replaced in the same generation comes at once, when it was there before the look. */
static void retoken_before_the_look_is_seen(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | EDGE(EPOLLIN));
        struct weir_event event = { 0, 0 };

        (void)state;
        fault_hook(FAULT_YIELD, 1, replace_token, &slot);
        assert_true(weir_slot_take(&slot, DATA(3), EPOLLIN, &event));
        assert_int_equal(fault_off(), 1);
        assert_int_equal(event.token, ~TOKEN);
}

static void harvest(void *arg) {
        bool ghost = false;

        assert_false(weir_slot_peek(arg, DATA(3), EPOLLOUT, &ghost));
}

/* Readiness that is latched between the look and the hand-out must survive the hand-out. */
static void harvest_between_the_looks_is_kept(void **state) {
        const uint64_t registered = GEN(3) | SLOT_REGISTERED | SLOT_ONESHOT | ASKED(INOUT);

        (void)state;
        for (unsigned n = 1; n <= 2; ++n) {
                struct weir_slot slot = slot_with(registered | ARMED(EPOLLIN));

                fault_hook(FAULT_YIELD, n, harvest, &slot);
                assert_int_equal(taken(&slot, DATA(3), EPOLLIN), EPOLLIN);
                assert_int_equal(fault_off(), 1);
                assert_word(&slot, registered | EPOLLOUT);
        }
}

static void latch(void *arg) {
        atomic_fetch_or(&((struct weir_slot *)arg)->word, EPOLLIN);
}

/* The lock and its release keep what is latched while they look. */
static void lock_and_unlock_keep_what_comes_between(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | EDGE(EPOLLIN));
        uint64_t word;

        (void)state;
        fault_hook(FAULT_YIELD, 1, latch, &slot);
        assert_true(weir_slot_lock(&slot, SLOT_REGISTERED, SLOT_REGISTERED, 0, 0, &word));
        assert_int_equal(fault_off(), 1);
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EPOLLIN | SLOT_LOCKED);
        atomic_fetch_and(&slot.word, ~SLOT_READY);
        fault_hook(FAULT_YIELD, 1, latch, &slot);
        assert_false(weir_slot_unlock(&slot, 0, 0, 0)); /* it is for the one who latched it to link it */
        assert_int_equal(fault_off(), 1);
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EPOLLIN);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(edge_and_level_pass_through),
                CASE(entry_without_events_takes_what_is_ready),
                CASE(waker_is_taken_once),
                CASE(oneshot_fires_once_and_latches),
                CASE(oneshot_keeps_the_direction_that_is_not_armed),
                CASE(hangup_is_replayed_once),
                CASE(hangup_of_others_is_not_replayed),
                CASE(offer_links_once),
                CASE(unlink_names_what_is_deliverable),
                CASE(other_generation_is_stale),
                CASE(second_stale_level_event_proves_a_ghost),
                CASE(early_event_is_kept_for_the_unlock),
                CASE(early_event_outlives_a_refusal),
                CASE(early_event_is_announced_if_deliverable),
                CASE(early_event_is_announced_for_its_own_generation),
                CASE(lock_does_not_hold_up_the_hand_out),
                CASE(change_between_the_looks_is_seen),
                CASE(retoken_before_the_look_is_seen),
                CASE(harvest_between_the_looks_is_kept),
                CASE(lock_and_unlock_keep_what_comes_between),
        };

        return cmocka_run_group_tests_name("slot_entry", tests, NULL, NULL);
}
