/* SPDX-License-Identifier: MIT */
/*
 * An entry of another generation or turn than its slot: stale, a ghost's, or early. And the registration that is changed between
 * two steps of the filter. What takes two threads is forced on one: the lock is taken by hand and an entry looked at
 * meanwhile, or the change is made at a yield point.
 */
#include "fault.h"
#include "support.h"

#include "words.h"

#define DATA(generation)       (GEN(generation) | NAME)
#define LEVEL_DATA(generation) (DATA(generation) | DATA_LEVEL)

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

/* ---------------------------------------------------------------- entries of another generation */

static void other_generation_is_stale(void **state) {
        const uint64_t words[] = { EDGE(EPOLLIN), LEVEL(EPOLLIN), ONESHOT(EPOLLIN), WAKER, 0 };
        /* Older, wrapped or not; and with the lock free, newer. */
        const uint64_t others[] = { 2, 1, 0, UINT64_C(0xfffffffff), UINT64_C(0xfffffffe0), 4, 5, 6 };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(words); ++i)
                for (size_t k = 0; k < ARRAY_LEN(others); ++k) {
                        const uint64_t word = GEN(3) | words[i] | EPOLLIN;
                        struct weir_slot slot = slot_with(word);

                        assert_true(weir_slot_is_stale(&slot, DATA(others[k])));
                        assert_int_equal(take(&slot, DATA(others[k]), EPOLLIN), WEIR_STALE);
                        assert_int_equal(take(&slot, DATA(others[k]), 0), WEIR_STALE);
                        assert_int_equal(weir_slot_peek(&slot, DATA(others[k]), EPOLLIN), WEIR_STALE);
                        assert_false(weir_slot_offer(&slot, DATA(others[k]), EPOLLIN));
                        assert_word(&slot, word);
                        /* The bits below the turn are not compared. */
                        assert_false(weir_slot_is_stale(&slot, GEN(3) | BELOW_TURN));
                        assert_false(weir_slot_is_stale(&slot, GEN(3)));
                }
}

/* So is one of another turn, while no call is about to begin that. */
static void other_turn_is_stale(void **state) {
        (void)state;
        for (unsigned turn = 0; turn < 16; ++turn)
                for (unsigned other = 0; other < 16; ++other) {
                        const uint64_t word = GEN(3) | TURN(turn) | ONESHOT(EPOLLIN) | EPOLLIN;
                        struct weir_slot slot = slot_with(word);

                        if (other == turn)
                                continue;
                        assert_true(weir_slot_is_stale(&slot, DATA(3) | TURN(other)));
                        for (uint32_t events = 0; events <= EPOLLIN; events += EPOLLIN)
                                assert_int_equal(take(&slot, DATA(3) | TURN(other), events), WEIR_STALE);
                        assert_int_equal(weir_slot_peek(&slot, DATA(3) | TURN(other), EPOLLIN), WEIR_STALE);
                        assert_false(weir_slot_offer(&slot, DATA(3) | TURN(other), EPOLLIN));
                        assert_false(weir_slot_join(&slot, DATA(3) | TURN(other), EPOLLOUT));
                        assert_word(&slot, word);
                }
}

/* Two stale level events while the slot is of one generation, and its lock free: the kernel still has what ended. */
static void second_stale_level_event_proves_a_ghost(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | EDGE(EPOLLIN));

        (void)state;
        assert_int_equal(weir_slot_peek(&slot, DATA(2), EPOLLIN), WEIR_STALE); /* an edge one does not count */
        assert_int_equal(weir_slot_peek(&slot, LEVEL_DATA(2), EPOLLIN), WEIR_STALE);
        /* While a call is at work the event may have been fetched before that call removed it. */
        atomic_fetch_or(&slot.word, SLOT_LOCKED);
        assert_int_equal(weir_slot_peek(&slot, LEVEL_DATA(2), EPOLLIN), WEIR_LOCKED);
        atomic_fetch_and(&slot.word, ~SLOT_LOCKED);
        assert_int_equal(weir_slot_peek(&slot, DATA(2), EPOLLIN), WEIR_STALE);
        /* An event that stands is no proof, nor is a hand-out. */
        assert_int_equal(weir_slot_peek(&slot, LEVEL_DATA(3), EPOLLIN), WEIR_STANDS);
        assert_int_equal(take(&slot, LEVEL_DATA(2), EPOLLIN), WEIR_STALE);
        assert_int_equal(weir_slot_peek(&slot, LEVEL_DATA(2), EPOLLIN), WEIR_GHOST);
        /* With two ghosts of one number, either proves it. */
        assert_int_equal(weir_slot_peek(&slot, LEVEL_DATA(1), EPOLLIN), WEIR_GHOST);
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN));
        /* A call that ended another one meanwhile may have done so after the fetch. */
        atomic_store(&slot.word, GEN(4));
        assert_int_equal(weir_slot_peek(&slot, LEVEL_DATA(2), EPOLLIN), WEIR_STALE);
        assert_int_equal(weir_slot_peek(&slot, LEVEL_DATA(1), EPOLLIN), WEIR_GHOST);
}

/* A slot that was never looked at is suspected in no generation. */
static void no_generation_is_suspected_at_first(void **state) {
        static const uint64_t generations[] = { 0, UINT16_MAX, 2 * (uint64_t)UINT16_MAX, UINT16_MAX - 1 };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(generations); ++i) {
                struct weir_slot slot = slot_with(GEN(generations[i]) | EDGE(EPOLLIN));

                assert_int_equal(weir_slot_peek(&slot, LEVEL_DATA(77), EPOLLIN), WEIR_STALE);
                assert_int_equal(weir_slot_peek(&slot, LEVEL_DATA(77), EPOLLIN), WEIR_GHOST);
        }
}

/* ---------------------------------------------------------------- entries of the generation to come */

/* By each of the three that may meet it. Nothing is to be done with it. */
static void entry_is_noted(struct weir_slot *slot, int way, uint64_t data, uint32_t events) {
        if (way == 0)
                assert_int_equal(take(slot, data, events), WEIR_KEPT);
        else if (way == 1)
                assert_int_equal(weir_slot_peek(slot, data, events), WEIR_KEPT);
        else
                assert_false(weir_slot_offer(slot, data, events));
}

/*
 * The kernel knows the new generation before the slot does. Whoever meets its event then leaves it to the holder of
 * the lock, who makes it ready and links it.
 */
static void early_event_is_kept_for_the_unlock(void **state) {
        (void)state;
        for (int way = 0; way < 3; ++way) {
                /* What is ready of the registration that is about to end goes. */
                struct weir_slot slot = slot_with(GEN(3) | OWNED(INOUT) | EPOLLOUT);
                uint64_t word;

                assert_int_equal(weir_slot_lock(&life, &slot, 0, 0, 0, 0, &word), 0);
                entry_is_noted(&slot, way, DATA(5), EPOLLIN);
                assert_false(weir_slot_is_stale(&slot, DATA(5)));
                assert_word(&slot, GEN(3) | OWNED(INOUT) | SLOT_LOCKED | SLOT_MISSED | EPOLLIN);
                /* Nothing of it is added to what is to come. */
                entry_is_noted(&slot, way, DATA(3), EPOLLOUT);
                assert_word(&slot, GEN(3) | OWNED(INOUT) | SLOT_LOCKED | SLOT_MISSED | EPOLLIN);
                weir_slot_invalidate(&slot, 0);
                entry_is_noted(&slot, way, DATA(5), EPOLLRDHUP);
                assert_word(&slot, GEN(4) | SLOT_LOCKED | SLOT_MISSED | EPOLLIN | READY_RDHUP);
                /* One that just ended is nobody's. */
                if (way < 2)
                        assert_int_equal(weir_slot_peek(&slot, DATA(3), EPOLLERR), WEIR_STALE);
                else
                        assert_false(weir_slot_offer(&slot, DATA(3), EPOLLERR));
                assert_word(&slot, GEN(4) | SLOT_LOCKED | SLOT_MISSED | EPOLLIN | READY_RDHUP);
                assert_true(weir_slot_unlock(&life, &slot, SLOT_REGISTRATION, EDGE(EPOLLIN), SLOT_GENERATION));
                assert_word(&slot, GEN(5) | EDGE(EPOLLIN) | EPOLLIN | READY_RDHUP | SLOT_LINKED);
                assert_int_equal(weir_slot_unlink(&slot), DATA(5));
                assert_int_equal(taken(&slot, DATA(5), 0), EPOLLIN | EPOLLRDHUP);
        }
}

/*
 * Likewise of the turn to come, and of no other. What is latched of this turn goes with the event or without it, for the kernel,
 * asked anew, tells it.
 */
static void early_event_of_the_next_turn_is_kept(void **state) {
        (void)state;
        for (int way = 0; way < 3; ++way)
                for (unsigned turn = 0; turn < 16; ++turn) {
                        const uint64_t owned = GEN(3) | TURN(turn) | OWNED(INOUT) | SLOT_ASK,
                                       locked = owned | SLOT_LOCKED;
                        const uint64_t next = GEN(3) | TURN((turn + 1) % 16);
                        struct weir_slot slot = slot_with(owned | EPOLLOUT);
                        uint64_t word;

                        assert_int_equal(weir_slot_lock(&life, &slot, 0, 0, 0, 0, &word), 0);
                        for (unsigned other = 2; other < 16; ++other)
                                assert_int_equal(weir_slot_peek(&slot, DATA(3) | TURN((turn + other) % 16), EPOLLIN),
                                                 WEIR_STALE);
                        assert_word(&slot, locked | EPOLLOUT);
                        entry_is_noted(&slot, way, next | NAME, EPOLLIN);
                        assert_word(&slot, locked | SLOT_MISSED | EPOLLIN);
                        entry_is_noted(&slot, way, next | NAME, EPOLLRDHUP);
                        entry_is_noted(&slot, way, DATA(3) | TURN(turn), EPOLLOUT);
                        assert_word(&slot, locked | SLOT_MISSED | EPOLLIN | READY_RDHUP);
                        assert_true(
                                weir_slot_unlock(&life, &slot, SLOT_ASK, ARMED(EPOLLIN), weir_slot_next_turn(word)));
                        assert_word(&slot, next | OWNED(INOUT) | ARMED(EPOLLIN) | EPOLLIN | READY_RDHUP | SLOT_LINKED);
                        assert_int_equal(weir_slot_unlink(&slot), next | NAME);
                        assert_int_equal(taken(&slot, next | NAME, 0), EPOLLIN | EPOLLRDHUP);
                }
}

static void new_turn_drops_what_was_latched(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | TURN(15) | OWNED(EPOLLIN) | INOUT | SLOT_LOCKED);
        uint64_t word = atomic_load(&slot.word);

        (void)state;
        assert_false(weir_slot_unlock(&life, &slot, 0, ARMED(EPOLLIN), weir_slot_next_turn(word)));
        assert_word(&slot, GEN(3) | ONESHOT(EPOLLIN));
        assert_int_equal(taken(&slot, DATA(3) | TURN(15), 0), 0);
}

/* A level-triggered one is not noted: the kernel tells it again, when the call is over. */
static void early_level_event_is_left_to_the_kernel(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | SLOT_LOCKED | SLOT_LINKED);

        (void)state;
        for (uint64_t generation = 4; generation <= 5; ++generation) {
                assert_int_equal(weir_slot_peek(&slot, LEVEL_DATA(generation), EPOLLIN), WEIR_LOCKED);
                assert_int_equal(take(&slot, LEVEL_DATA(generation), EPOLLIN), WEIR_KEPT);
                assert_false(weir_slot_offer(&slot, LEVEL_DATA(generation), EPOLLIN));
        }
        assert_int_equal(weir_slot_peek(&slot, LEVEL_DATA(3) | TURN(1), EPOLLIN), WEIR_LOCKED);
        assert_word(&slot, GEN(3) | SLOT_LOCKED | SLOT_LINKED);
        /* It is no suspicion either. */
        atomic_store(&slot.word, GEN(6));
        assert_int_equal(weir_slot_peek(&slot, LEVEL_DATA(4), EPOLLIN), WEIR_STALE);
}

/* Only what a call that holds the lock may have asked for is early. */
static void far_generation_is_not_early(void **state) {
        static const uint64_t far[] = { 6, 7, 2, UINT64_C(0xfffffffff) };
        struct weir_slot slot = slot_with(GEN(3) | SLOT_LOCKED);

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(far); ++i) {
                assert_int_equal(weir_slot_peek(&slot, DATA(far[i]), EPOLLIN), WEIR_STALE);
                assert_int_equal(take(&slot, DATA(far[i]), EPOLLIN), WEIR_STALE);
                assert_false(weir_slot_offer(&slot, DATA(far[i]), EPOLLIN));
        }
        assert_word(&slot, GEN(3) | SLOT_LOCKED);
}

/* An early event of an interest that is not armed waits unannounced, as any other. */
static void early_event_is_announced_if_deliverable(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | SLOT_LOCKED | SLOT_MISSED | EPOLLOUT);

        (void)state;
        assert_false(weir_slot_unlock(&life, &slot, 0, ONESHOT(EPOLLIN), SLOT_GENERATION));
        assert_word(&slot, GEN(4) | ONESHOT(EPOLLIN) | EPOLLOUT);
        /* Of one that is held, too. */
        atomic_store(&slot.word, GEN(4) | SLOT_LOCKED | SLOT_MISSED | EPOLLIN);
        assert_false(weir_slot_unlock(&life, &slot, 0, OWNED(EPOLLIN), SLOT_GENERATION));
        assert_word(&slot, GEN(5) | OWNED(EPOLLIN) | EPOLLIN);
}

/* If the kernel told of a file that is not the registration's, nothing of that stays, and no entry is early any more. */
static void early_event_is_dropped_with_what_is_withdrawn(void **state) {
        const uint64_t words[] = { ONESHOT(EPOLLIN), OWNED(EPOLLIN), EDGE(EPOLLIN) };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(words); ++i)
                for (uint64_t missed = 0; missed <= SLOT_MISSED; missed += SLOT_MISSED) {
                        struct weir_slot slot = slot_with(GEN(3) | words[i] | EPOLLIN | SLOT_LOCKED | missed);

                        assert_false(weir_slot_unlock(&life, &slot, 0, 0, SLOT_WITHDRAWN));
                        assert_word(&slot, GEN(6) | words[i]);
                        assert_int_equal(weir_slot_peek(&slot, DATA(3) | TURN(1), EPOLLIN), WEIR_STALE);
                        assert_int_equal(weir_slot_peek(&slot, DATA(5), EPOLLIN), WEIR_STALE);
                }
}

/* What was deliverable of the generation before may stand in an entry of a batch, which is for nothing now. */
static void early_event_is_announced_for_its_own_generation(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | ONESHOT(EPOLLIN) | EPOLLIN | SLOT_LOCKED | SLOT_MISSED);

        (void)state;
        assert_true(weir_slot_unlock(&life, &slot, SLOT_REGISTRATION, ONESHOT(EPOLLIN), 2 * SLOT_GENERATION));
        assert_word(&slot, GEN(5) | ONESHOT(EPOLLIN) | EPOLLIN | SLOT_LINKED);
}

/* An event of the generation that stands is handed out even while a call holds the lock. */
static void lock_does_not_hold_up_the_hand_out(void **state) {
        struct weir_slot slot = slot_with(GEN(3) | LEVEL(EPOLLIN) | SLOT_LOCKED);

        (void)state;
        assert_int_equal(weir_slot_peek(&slot, LEVEL_DATA(3), EPOLLIN), WEIR_STANDS);
        assert_int_equal(taken(&slot, LEVEL_DATA(3), EPOLLIN), EPOLLIN);
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
                weir_slot_lock(&life, change->slot, 0, 0, SLOT_REGISTRATION, SLOT_GENERATION, &word);
                weir_slot_unlock(&life, change->slot, 0, 0, 0);
                return;
        }
        weir_slot_lock(&life, change->slot, 0, 0, 0, 0, &word);
        weir_slot_invalidate(change->slot, 0);
        atomic_store(&change->slot->token, ~TOKEN);
        weir_slot_unlock(&life, change->slot, 0, change->registration, SLOT_GENERATION);
}

/* Wherever the change falls: never the new token for the old event, and the new registration keeps its shot. */
static void change_between_the_looks_is_seen(void **state) {
        const uint64_t registrations[] = { EDGE(EPOLLIN), LEVEL(EPOLLIN), ONESHOT(EPOLLIN), WAKER };

        (void)state;
        for (size_t i = 0; i < 2 * ARRAY_LEN(registrations); ++i) {
                const uint64_t registration = registrations[i / 2];
                const uint32_t events = (registration & SLOT_MODE) == SLOT_WAKER ? 0 : EPOLLIN;
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

/* What a call does that looks for a ghost: the registration stays, and its next turn begins. */
static void begin_turn(void *arg) {
        struct weir_slot *slot = arg;
        uint64_t word;

        weir_slot_lock(&life, slot, 0, 0, 0, 0, &word);
        weir_slot_unlock(&life, slot, 0, 0, weir_slot_next_turn(word));
}

/* Whoever took a one-shot is its owner, and has the event. */
static void turn_between_the_looks_takes_nothing_back(void **state) {
        unsigned n;

        (void)state;
        for (n = 1;; ++n) {
                struct weir_slot slot = slot_with(GEN(3) | ONESHOT(EPOLLIN) | EPOLLIN);
                uint32_t events;

                fault_hook(FAULT_YIELD, n, begin_turn, &slot);
                events = taken(&slot, DATA(3), 0);
                if (!fault_off())
                        break;
                assert_word(&slot, GEN(3) | TURN(1) | (ONESHOT(EPOLLIN) & ~(events ? SLOT_ARMED : 0)));
        }
        assert_true(n > 2); /* there is a point on either side of the step */
}

static uint64_t retokened_word;

static void replace_token(void *arg) {
        struct weir_slot *slot = arg;

        retokened_word = atomic_load(&slot->word);
        atomic_store(&slot->token, ~TOKEN);
}

/*
 * A retoken leaves the generation, and the word may come back bit for bit: an owner took the one-shot, replaced the token,
 * and armed it, and it is ready again. So what is taken is taken before the token is read.
 */
static void token_is_read_after_the_step(void **state) {
        static const uint64_t words[] = { EDGE(EPOLLIN), ONESHOT(EPOLLIN), ONESHOT(EPOLLIN) | EPOLLIN,
                                          WAKER | EPOLLIN };
        static const uint32_t events[] = { EPOLLIN, EPOLLIN, 0, 0 };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(words); ++i) {
                const uint64_t word = GEN(3) | words[i];
                unsigned n;

                for (n = 1;; ++n) {
                        struct weir_slot slot = slot_with(word);
                        struct weir_event event = { 0 };

                        fault_hook(FAULT_YIELD, n, replace_token, &slot);
                        assert_int_equal(weir_slot_take(&slot, DATA(3), events[i], NULL, &event), WEIR_STANDS);
                        assert_int_equal(event.readiness, EPOLLIN);
                        if (!fault_off())
                                break;
                        /* What passes through changes nothing, so there the reading of the token itself is the step. */
                        if (words[i] == EDGE(EPOLLIN) ? n == 1 : retokened_word == word)
                                assert_int_equal(event.token, ~TOKEN);
                }
                assert_true(n > 2);
        }
}

static void harvest(void *arg) {
        assert_int_equal(weir_slot_peek(arg, DATA(3), EPOLLOUT), WEIR_KEPT);
}

/* Readiness that is latched between the look and the hand-out must survive the hand-out. */
static void harvest_between_the_looks_is_kept(void **state) {
        const uint64_t registered = GEN(3) | OWNED(INOUT);

        (void)state;
        for (unsigned n = 1; n <= 3; ++n) {
                struct weir_slot slot = slot_with(registered | ARMED(EPOLLIN));

                fault_hook(FAULT_YIELD, n, harvest, &slot);
                assert_int_equal(taken(&slot, DATA(3), EPOLLIN), EPOLLIN);
                assert_int_equal(fault_off(), 1);
                assert_word(&slot, registered | FIRED(EPOLLIN) | EPOLLOUT);
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
        assert_int_equal(weir_slot_lock(&life, &slot, SLOT_REGISTERED, SLOT_REGISTERED, 0, 0, &word), 0);
        assert_int_equal(fault_off(), 1);
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EPOLLIN | SLOT_LOCKED);
        atomic_fetch_and(&slot.word, ~SLOT_READY);
        fault_hook(FAULT_YIELD, 1, latch, &slot);
        assert_false(weir_slot_unlock(&life, &slot, 0, 0, 0)); /* it is for the one who latched it to link it */
        assert_int_equal(fault_off(), 1);
        assert_word(&slot, GEN(3) | EDGE(EPOLLIN) | EPOLLIN);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(other_generation_is_stale),
                CASE(other_turn_is_stale),
                CASE(second_stale_level_event_proves_a_ghost),
                CASE(no_generation_is_suspected_at_first),
                CASE(early_event_is_kept_for_the_unlock),
                CASE(early_event_of_the_next_turn_is_kept),
                CASE(new_turn_drops_what_was_latched),
                CASE(early_level_event_is_left_to_the_kernel),
                CASE(far_generation_is_not_early),
                CASE(early_event_is_announced_if_deliverable),
                CASE(early_event_is_dropped_with_what_is_withdrawn),
                CASE(early_event_is_announced_for_its_own_generation),
                CASE(lock_does_not_hold_up_the_hand_out),
                CASE(change_between_the_looks_is_seen),
                CASE(turn_between_the_looks_takes_nothing_back),
                CASE(token_is_read_after_the_step),
                CASE(harvest_between_the_looks_is_kept),
                CASE(lock_and_unlock_keep_what_comes_between),
        };

        return cmocka_run_group_tests_name("slot_change", tests, NULL, NULL);
}
