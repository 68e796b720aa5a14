/* SPDX-License-Identifier: MIT */
/*
 * The layout of a slot's word, the table, and the lock. slot_entry.c has the life of an entry.
 */
#include "fault.h"
#include "support.h"

#include "words.h"

#define LAST_SEGMENT (WEIR_SEGMENTS - 1)

/* ---------------------------------------------------------------- layout */

static void fields_fill_the_word(void **state) {
        static const uint64_t fields[] = { SLOT_READY,      SLOT_ARMED,  SLOT_ASKED,     SLOT_MODE,   SLOT_EXCLUSIVE,
                                           SLOT_REGISTERED, SLOT_LOCKED, SLOT_CONTENDED, SLOT_LINKED, SLOT_REPLAYED,
                                           SLOT_SUSPECT,    SLOT_HOME,   SLOT_EARLY };
        uint64_t all = 0;

        (void)state;
        assert_true(sizeof(struct weir_slot) <= 32);
        assert_int_equal(sizeof(struct weir_event), sizeof(weir_token) + _Alignof(struct weir_event));
        for (size_t i = 0; i < ARRAY_LEN(fields); ++i) {
                assert_int_equal(all & fields[i], 0);
                all |= fields[i];
        }
        assert_int_equal(all, BELOW_GEN);
        assert_int_equal(SLOT_EDGE | SLOT_LEVEL | SLOT_ONESHOT | SLOT_WAKER, SLOT_MODE);
        assert_int_equal(SLOT_REGISTRATION & (SLOT_LOCKED | SLOT_CONTENDED | SLOT_LINKED | SLOT_HOME | SLOT_EARLY), 0);
}

static void data_fits_below_the_generation(void **state) {
        (void)state;
        assert_int_equal(DATA_WAKER & DATA_LEVEL, 0);
        assert_int_equal((DATA_WAKER | DATA_LEVEL) & DATA_INDEX, 0);
        assert_int_equal(DATA_WAKER | DATA_LEVEL | DATA_INDEX, BELOW_GEN);
        /* No entry of a slot looks like a mark, whatever its generation: no waker is level-triggered. */
        assert_int_equal(DATA_EVENTFD & (DATA_WAKER | DATA_LEVEL), DATA_WAKER | DATA_LEVEL);
}

static void readiness_is_packed_without_loss(void **state) {
        (void)state;
        for (uint64_t ready = 0; ready <= SLOT_READY; ++ready) {
                uint32_t events = (uint32_t)(ready & 0x1f) | (ready & READY_RDHUP ? (uint32_t)EPOLLRDHUP : 0);

                assert_int_equal(weir_ready_to_epoll(ready), events);
                assert_int_equal(weir_ready_from_epoll(events), ready);
                /* Bits that weir knows nothing of must not spill into the next field. */
                assert_int_equal(weir_ready_from_epoll(events | (uint32_t)EPOLLET | EPOLLRDNORM | EPOLLWRBAND), ready);
                assert_int_equal(weir_ready_to_epoll(ready | ~SLOT_READY), events);
        }
        assert_int_equal(EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP, 0x1f);
}

static void deliverable_is_ready_and_asked(void **state) {
        const uint64_t all = SLOT_READY, ends = EPOLLERR | EPOLLHUP;

        (void)state;
        assert_int_equal(weir_slot_deliverable(all | ASKED(7) | ARMED(7)), 0);
        assert_int_equal(weir_slot_deliverable(all | SLOT_REGISTERED | ASKED(EPOLLIN)), EPOLLIN | ends | READY_RDHUP);
        assert_int_equal(weir_slot_deliverable(all | SLOT_REGISTERED | ASKED(EPOLLOUT)), EPOLLOUT | ends);
        assert_int_equal(weir_slot_deliverable(all | SLOT_REGISTERED | SLOT_LEVEL | ASKED(EPOLLPRI)), EPOLLPRI | ends);
        assert_int_equal(weir_slot_deliverable(all | SLOT_REGISTERED | SLOT_WAKER | ASKED(EPOLLIN)),
                         EPOLLIN | ends | READY_RDHUP);
        /* Of a one-shot what is armed counts, and once disarmed not even a hang-up. */
        assert_int_equal(weir_slot_deliverable(all | SLOT_REGISTERED | SLOT_ONESHOT | ASKED(7) | ARMED(EPOLLOUT)),
                         EPOLLOUT | ends);
        assert_int_equal(weir_slot_deliverable(all | SLOT_REGISTERED | SLOT_ONESHOT | ASKED(7)), 0);
        assert_int_equal(weir_slot_deliverable(SLOT_REGISTERED | ASKED(7)), 0);
        assert_false(weir_slot_is_latched(SLOT_EDGE | ~SLOT_MODE));
        assert_false(weir_slot_is_latched(SLOT_LEVEL));
        assert_true(weir_slot_is_latched(SLOT_ONESHOT));
        assert_true(weir_slot_is_latched(SLOT_WAKER));
}

/* ---------------------------------------------------------------- the table */

static void segments_cover_every_index(void **state) {
        uint64_t first = 0;
        uint32_t offset;

        (void)state;
        for (unsigned segment = 0; segment < WEIR_SEGMENTS; ++segment) {
                uint32_t size = weir_table_segment_size(segment);

                assert_int_equal(size, (uint64_t)1 << (WEIR_FIRST_SEGMENT_SHIFT + segment));
                assert_int_equal(weir_table_segment((uint32_t)first, &offset), segment);
                assert_int_equal(offset, 0);
                assert_int_equal(weir_table_segment((uint32_t)(first + size / 2), &offset), segment);
                assert_int_equal(offset, size / 2);
                assert_int_equal(weir_table_segment((uint32_t)(first + size - 1), &offset), segment);
                assert_int_equal(offset, size - 1);
                first += size;
        }
        assert_true(first > DATA_INDEX);
        assert_int_equal(weir_table_segment((uint32_t)DATA_INDEX, &offset), LAST_SEGMENT);
        assert_true(offset < weir_table_segment_size(LAST_SEGMENT));
}

static void table_finds_what_it_made(void **state) {
        struct weir_table table = { .segments = { NULL } };
        struct weir_slot *slots[4], *slot;
        uint32_t first = 0;

        (void)state;
        for (unsigned segment = 0; segment < ARRAY_LEN(slots); ++segment) {
                uint32_t size = weir_table_segment_size(segment), last = first + size - 1;

                assert_null(weir_table_find(&table, first));
                slots[segment] = weir_table_make(&table, last);
                assert_non_null(slots[segment]);
                assert_ptr_equal(weir_table_find(&table, last), slots[segment]);
                slot = weir_table_find(&table, first);
                assert_ptr_equal(slot + size - 1, slots[segment]);
                assert_int_equal((uintptr_t)slot % WEIR_CACHE_LINE, 0);
                /* As many of each as the first has, spread over it: all would be gigabytes. */
                for (uint32_t i = 0; i < size; i += size / weir_table_segment_size(0)) {
                        assert_word(slot + i, 0);
                        assert_int_equal(atomic_load(&slot[i].token), 0);
                }
                atomic_store(&slots[segment]->token, TOKEN + segment);
                first += size;
        }
        /* None has moved, and none lies in another. */
        first = 0;
        for (unsigned segment = 0; segment < ARRAY_LEN(slots); ++segment) {
                first += weir_table_segment_size(segment);
                assert_ptr_equal(weir_table_make(&table, first - 1), slots[segment]);
                assert_int_equal(atomic_load(&slots[segment]->token), TOKEN + segment);
        }
        weir_table_free(&table);
}

static void table_is_made_or_memory_is_short(void **state) {
        struct weir_table table = { .segments = { NULL } };
        uint64_t allocations;

        (void)state;
        fault_at(FAULT_ALLOC, 1, ENOMEM);
        assert_null(weir_table_make(&table, 5));
        assert_int_equal(fault_off(), 1);
        assert_null(weir_table_find(&table, 5));
        assert_non_null(weir_table_make(&table, 5));
        allocations = fault_count(FAULT_ALLOC);
        assert_ptr_equal(weir_table_make(&table, 6), weir_table_find(&table, 6));
        assert_int_equal(fault_count(FAULT_ALLOC), allocations);
        weir_table_free(&table);
}

struct maker {
        struct weir_table *table;
        struct weir_slot *slot;
};

static void make_first(void *arg) {
        struct maker *maker = arg;

        maker->slot = weir_table_make(maker->table, 3);
        atomic_store(&maker->slot->token, TOKEN);
}

/* Two threads need the same segment: one array wins, the other one is freed. */
static void table_agrees_on_one_segment(void **state) {
        struct weir_table table = { .segments = { NULL } };
        struct maker maker = { &table, NULL };
        struct weir_slot *slot;

        (void)state;
        fault_hook(FAULT_ALLOC, 1, make_first, &maker);
        slot = weir_table_make(&table, 4);
        assert_int_equal(fault_off(), 1);
        assert_ptr_equal(slot, weir_table_find(&table, 4));
        assert_ptr_equal(weir_table_find(&table, 3), maker.slot);
        assert_int_equal(atomic_load(&maker.slot->token), TOKEN);
        weir_table_free(&table);
}

/* ---------------------------------------------------------------- the lock */

static void lock_tests_and_changes_in_one_step(void **state) {
        struct weir_slot slot = slot_with(GEN(4) | EDGE(EPOLLIN) | SLOT_LINKED | EPOLLIN);
        uint64_t word = 0;

        (void)state;
        assert_false(weir_slot_lock(&slot, SLOT_REGISTERED | SLOT_EXCLUSIVE, 0, BELOW_GEN, SLOT_GENERATION, &word));
        assert_int_equal(word, GEN(4) | EDGE(EPOLLIN) | SLOT_LINKED | EPOLLIN);
        assert_word(&slot, word);
        assert_true(weir_slot_lock(&slot, SLOT_REGISTERED, SLOT_REGISTERED, SLOT_REGISTRATION, SLOT_GENERATION, &word));
        assert_int_equal(word, GEN(4) | EDGE(EPOLLIN) | SLOT_LINKED | EPOLLIN);
        assert_word(&slot, GEN(5) | SLOT_LOCKED | SLOT_LINKED);
        assert_false(weir_slot_unlock(&slot, 0, 0, 0));
        assert_word(&slot, GEN(5) | SLOT_LINKED);
}

static void generation_wraps_without_a_trace(void **state) {
        const uint64_t last = ~BELOW_GEN;
        struct weir_slot slot = slot_with(last | EDGE(EPOLLIN));
        bool ghost = false;
        uint64_t word;

        (void)state;
        assert_true(weir_slot_lock(&slot, 0, 0, SLOT_REGISTRATION, SLOT_GENERATION, &word));
        assert_word(&slot, SLOT_LOCKED);
        /* An entry of the generation to come is early across the wrap, too. */
        atomic_store(&slot.word, last | SLOT_LOCKED);
        assert_false(weir_slot_peek(&slot, GEN(1) | NAME, EPOLLIN, &ghost));
        assert_false(ghost);
        assert_word(&slot, last | SLOT_LOCKED | EARLY(EPOLLIN));
}

static void unlock_announces_what_is_deliverable(void **state) {
        struct weir_slot slot = slot_with(GEN(4) | EPOLLIN | SLOT_LOCKED | SLOT_HOME);

        (void)state;
        assert_true(weir_slot_unlock(&slot, SLOT_HOME, EDGE(EPOLLIN), 0));
        assert_word(&slot, GEN(4) | EDGE(EPOLLIN) | EPOLLIN | SLOT_LINKED);
        /* Already in the queue: nobody pushes it twice. */
        atomic_fetch_or(&slot.word, SLOT_LOCKED);
        assert_false(weir_slot_unlock(&slot, 0, SLOT_HOME, 0));
        assert_word(&slot, GEN(4) | EDGE(EPOLLIN) | EPOLLIN | SLOT_LINKED | SLOT_HOME);
        atomic_store(&slot.word, GEN(4) | EPOLLOUT | EDGE(EPOLLIN) | SLOT_LOCKED);
        assert_false(weir_slot_unlock(&slot, 0, 0, 0));
        assert_word(&slot, GEN(4) | EPOLLOUT | EDGE(EPOLLIN));
}

static int lock_and_unlock(void *arg) {
        struct weir_slot *slot = arg;
        uint64_t word;

        REQUIRE(weir_slot_lock(slot, SLOT_REGISTERED, SLOT_REGISTERED, 0, SLOT_GENERATION, &word));
        REQUIRE(word == (GEN(1) | EDGE(EPOLLIN)));
        REQUIRE(!weir_slot_unlock(slot, 0, 0, 0));
        return 0;
}

/* The second caller leaves CONTENDED, sleeps, and is woken. */
static void lock_waits_for_its_holder(void **state) {
        struct weir_slot slot = slot_with(GEN(1) | SLOT_LOCKED);
        uint64_t wakes = fault_count(FAULT_FUTEX_WAKE), sleeps = fault_count(FAULT_FUTEX_WAIT);
        struct worker worker;

        (void)state;
        worker_start(&worker, lock_and_unlock, &slot);
        while (!(atomic_load(&slot.word) & SLOT_CONTENDED))
                sched_yield();
        worker_settle(&worker);
        assert_word(&slot, GEN(1) | SLOT_LOCKED | SLOT_CONTENDED);
        assert_false(weir_slot_unlock(&slot, 0, EDGE(EPOLLIN), 0));
        assert_int_equal(worker_join(&worker), 0);
        assert_word(&slot, GEN(2) | EDGE(EPOLLIN));
        /* One wake for the one that slept, none for the second unlock. */
        assert_int_equal(fault_count(FAULT_FUTEX_WAKE), wakes + 1);
        /* It slept, rather than spin on the half of the word that does not hold the flags. */
        assert_true(fault_count(FAULT_FUTEX_WAIT) - sleeps < 50);
}

static void await_does_not_sleep_on_a_free_lock(void **state) {
        struct weir_slot slot = slot_with(GEN(1) | EDGE(EPOLLIN));

        (void)state;
        assert_int_equal(weir_slot_await(&slot, GEN(1) | SLOT_LOCKED), GEN(1) | EDGE(EPOLLIN));
        assert_int_equal(weir_slot_await(&slot, GEN(1) | SLOT_LOCKED | SLOT_CONTENDED), GEN(1) | EDGE(EPOLLIN));
        assert_word(&slot, GEN(1) | EDGE(EPOLLIN));
}

static void invalidate_ends_the_registration_alone(void **state) {
        const uint64_t kept = SLOT_LOCKED | SLOT_CONTENDED | SLOT_LINKED | SLOT_HOME | SLOT_EARLY;
        struct weir_slot slot = slot_with(GEN(6) | BELOW_GEN);

        (void)state;
        weir_slot_invalidate(&slot);
        assert_word(&slot, GEN(7) | kept);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(fields_fill_the_word),
                CASE(data_fits_below_the_generation),
                CASE(readiness_is_packed_without_loss),
                CASE(deliverable_is_ready_and_asked),
                CASE(segments_cover_every_index),
                CASE(table_finds_what_it_made),
                CASE(table_is_made_or_memory_is_short),
                CASE(table_agrees_on_one_segment),
                CASE(lock_tests_and_changes_in_one_step),
                CASE(generation_wraps_without_a_trace),
                CASE(unlock_announces_what_is_deliverable),
                CASE(lock_waits_for_its_holder),
                CASE(await_does_not_sleep_on_a_free_lock),
                CASE(invalidate_ends_the_registration_alone),
        };

        return cmocka_run_group_tests_name("slot", tests, NULL, NULL);
}
