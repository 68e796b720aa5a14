/* SPDX-License-Identifier: MIT */
/*
 * The layout of a slot's word, the table, and the lock. slot_entry.c has the life of an entry.
 */
#include "fault.h"
#include "support.h"

#include "words.h"

#define LAST_SEGMENT (WEIR_SEGMENTS - 1)

/* ---------------------------------------------------------------- layout */

static void fields_have_bits_of_their_own(void **state) {
        static const uint64_t fields[] = { SLOT_READY,     SLOT_DIRECTIONS, SLOT_ARMED,  SLOT_ASKED,  SLOT_MODE,
                                           SLOT_EXCLUSIVE, SLOT_REGISTERED, SLOT_LOCKED, SLOT_LINKED, SLOT_CONTENDED,
                                           SLOT_MISSED,    SLOT_ASK,        SLOT_HUNG,   SLOT_TURNS };
        uint64_t all = 0;

        (void)state;
        assert_true(sizeof(struct weir_slot) <= 32);
        assert_int_equal(sizeof(struct weir_event), 16);
        for (size_t i = 0; i < ARRAY_LEN(fields); ++i) {
                assert_int_equal(all & fields[i], 0);
                all |= fields[i];
        }
        assert_int_equal(all & ~BELOW_GEN, 0);
        assert_true(__builtin_popcountll(all & BELOW_TURN) <= 25);
        assert_int_equal(SLOT_EDGE | SLOT_LEVEL | SLOT_ONESHOT | SLOT_WAKER, SLOT_MODE);
        /* What lasts longer than a registration: the lock, what came for the next one, the place in the queue, and the turn. */
        assert_int_equal(all & ~SLOT_REGISTRATION,
                         SLOT_LOCKED | SLOT_CONTENDED | SLOT_LINKED | SLOT_MISSED | SLOT_TURNS);
        /* Two bits of ready are no readiness of the kernel's. */
        assert_int_equal(SLOT_READY & ~SLOT_KERNEL_READY, 0xc0);
}

/* An event names its registration; no name is 0, and no two that are more than one generation apart have the same. */
static void registrations_have_names(void **state) {
        (void)state;
        assert_int_equal(weir_slot_registration(0), 1);
        assert_int_equal(weir_slot_registration(BELOW_GEN), 1);
        assert_int_equal(weir_slot_registration(UINT64_MAX), UINT32_MAX);
        for (uint64_t generation = 0; generation < 64; ++generation) {
                uint64_t word = GEN(generation) | EDGE(EPOLLIN) | TURN(generation % 16);
                uint64_t name = weir_slot_registration(word) * SLOT_GENERATION;

                assert_int_equal((word ^ name) & SLOT_REGISTRATION_NAME, 0);
                for (uint64_t other = 2; other < 64; ++other)
                        assert_int_not_equal(weir_slot_registration(GEN(generation + other)), name >> 32);
        }
}

static void data_fits_below_the_turn(void **state) {
        (void)state;
        assert_int_equal(DATA_WAKER & DATA_LEVEL, 0);
        assert_int_equal((DATA_WAKER | DATA_LEVEL) & DATA_INDEX, 0);
        assert_int_equal(DATA_WAKER | DATA_LEVEL | DATA_INDEX, BELOW_TURN);
        /* No entry of a slot looks like a mark, whatever its generation: no waker is level-triggered. */
        assert_int_equal(DATA_EVENTFD & (DATA_WAKER | DATA_LEVEL), DATA_WAKER | DATA_LEVEL);
}

/* They go round, within their generation; each is told from the others, and what is below it is not looked at. */
static void turns_go_round(void **state) {
        const uint64_t others = GEN(3) | (BELOW_TURN & ~SLOT_MISSED);

        (void)state;
        for (unsigned turn = 0; turn < 16; ++turn) {
                uint64_t word = others | TURN(turn);

                assert_int_equal(word + weir_slot_next_turn(word), others | TURN((turn + 1) % 16));
                assert_int_equal(word + weir_slot_first_turn(word), others);
                for (unsigned other = 0; other < 16; ++other)
                        assert_int_equal(weir_slot_is_other(word, GEN(3) | TURN(other) | NAME), other != turn);
                assert_true(weir_slot_is_other(word, GEN(2) | TURN(turn) | NAME));
                assert_true(weir_slot_is_other(word, GEN(4) | TURN(turn) | NAME));
        }
}

static void readiness_is_packed_without_loss(void **state) {
        (void)state;
        for (uint64_t ready = 0; ready <= SLOT_KERNEL_READY; ++ready) {
                uint32_t events = (uint32_t)(ready & 0x1f) | (ready & READY_RDHUP ? (uint32_t)EPOLLRDHUP : 0);

                assert_int_equal(weir_ready_to_epoll(ready), events);
                assert_int_equal(weir_ready_from_epoll(events), ready);
                /* Bits that weir knows nothing of must not spill into the next field. */
                assert_int_equal(weir_ready_from_epoll(events | (uint32_t)EPOLLET | EPOLLRDNORM | EPOLLWRBAND), ready);
                assert_int_equal(weir_ready_to_epoll(ready | ~SLOT_READY), events);
                assert_int_equal(weir_ready_to_epoll(ready | SLOT_TIMEOUT), events | 1U << 16);
                assert_int_equal(weir_ready_to_epoll(ready | SLOT_TRIGGERED), events | 1U << 17);
        }
        assert_int_equal(EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP, 0x1f);
}

static void deliverable_is_ready_and_armed(void **state) {
        const uint64_t all = SLOT_KERNEL_READY, ends = EPOLLERR | EPOLLHUP;

        (void)state;
        assert_int_equal(weir_slot_deliverable(all | ASKED(7) | ARMED(7)), 0);
        /* The kernel brings what was asked for alone. */
        assert_int_equal(weir_slot_deliverable(all | EDGE(EPOLLIN)), all);
        assert_int_equal(weir_slot_deliverable(all | LEVEL(EPOLLPRI)), all);
        assert_int_equal(weir_slot_deliverable(EPOLLIN | WAKER), EPOLLIN);
        assert_int_equal(weir_slot_deliverable(EDGE(7)), 0);
        /* Of a one-shot what is armed counts; armed for nothing, hang-ups and errors; not ARMED, not even those. */
        assert_int_equal(weir_slot_deliverable(all | OWNED(7) | ARMED(EPOLLOUT)), EPOLLOUT | ends);
        assert_int_equal(weir_slot_deliverable(all | OWNED(7) | ARMED(EPOLLPRI)), EPOLLPRI | ends);
        assert_int_equal(weir_slot_deliverable(all | OWNED(7) | ARMED(EPOLLIN)), EPOLLIN | ends | READY_RDHUP);
        assert_int_equal(weir_slot_deliverable(all | OWNED(7) | ARMED(0)), ends);
        assert_int_equal(weir_slot_deliverable(all | OWNED(7)), 0);
        /* What came for the registration to come is not of the one that stands. */
        assert_int_equal(weir_slot_deliverable(all | EDGE(7) | SLOT_MISSED), 0);
        assert_int_equal(weir_slot_deliverable(all | ONESHOT(7) | SLOT_MISSED), 0);
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
        const uint64_t before = GEN(4) | EDGE(EPOLLIN) | SLOT_LINKED | EPOLLIN;
        struct weir_slot slot = slot_with(before);
        uint64_t word = 0;

        (void)state;
        assert_int_equal(
                weir_slot_lock(&life, &slot, SLOT_REGISTERED | SLOT_EXCLUSIVE, 0, BELOW_GEN, SLOT_GENERATION, &word),
                -ENOENT);
        assert_int_equal(word, before);
        assert_word(&slot, before);
        assert_int_equal(weir_slot_lock(&life, &slot, SLOT_REGISTERED, SLOT_REGISTERED, SLOT_REGISTRATION,
                                        SLOT_GENERATION, &word),
                         0);
        assert_int_equal(word, before);
        assert_word(&slot, GEN(5) | SLOT_LOCKED | SLOT_LINKED);
        assert_false(weir_slot_unlock(&life, &slot, 0, 0, 0));
        assert_word(&slot, GEN(5) | SLOT_LINKED);
}

/* Without waiting: it takes the lock only if it is free, and of the entry's generation and turn. */
static void try_lock_gives_up_at_once(void **state) {
        static const uint64_t refused[] = { GEN(4) | EDGE(EPOLLIN) | SLOT_LOCKED,
                                            GEN(5) | EDGE(EPOLLIN),
                                            GEN(3) | EDGE(EPOLLIN),
                                            GEN(4) | TURN(1) | EDGE(EPOLLIN),
                                            GEN(4) | EDGE(EPOLLIN) | SLOT_ASK,
                                            GEN(4) };
        const uint64_t mask = SLOT_REGISTERED | SLOT_MODE | SLOT_ASK, value = SLOT_REGISTERED | SLOT_EDGE;
        uint64_t sleeps = fault_count(FAULT_FUTEX_WAIT), word = 77;
        struct weir_slot slot = slot_with(0);

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(refused); ++i) {
                atomic_store(&slot.word, refused[i]);
                assert_false(weir_slot_try_lock(&slot, GEN(4) | NAME, mask, value, &word));
                assert_word(&slot, refused[i]);
        }
        assert_int_equal(word, 77);
        assert_int_equal(fault_count(FAULT_FUTEX_WAIT), sleeps);
        atomic_store(&slot.word, GEN(4) | EDGE(EPOLLIN) | SLOT_LINKED | EPOLLIN);
        assert_true(weir_slot_try_lock(&slot, GEN(4) | NAME, mask, value, &word));
        assert_int_equal(word, GEN(4) | EDGE(EPOLLIN) | SLOT_LINKED | EPOLLIN);
        assert_word(&slot, word | SLOT_LOCKED);
}

static void generation_wraps_without_a_trace(void **state) {
        const uint64_t last = ~BELOW_GEN;
        struct weir_slot slot = slot_with(last | EDGE(EPOLLIN));
        uint64_t word;

        (void)state;
        assert_int_equal(weir_slot_lock(&life, &slot, 0, 0, SLOT_REGISTRATION, SLOT_GENERATION, &word), 0);
        assert_word(&slot, SLOT_LOCKED);
        /* An entry of the generation to come is early across the wrap, too; one that ended is stale. */
        atomic_store(&slot.word, last | SLOT_LOCKED);
        assert_int_equal(weir_slot_peek(&slot, GEN(1) | NAME, EPOLLIN), WEIR_KEPT);
        assert_word(&slot, last | SLOT_LOCKED | SLOT_MISSED | EPOLLIN);
        atomic_store(&slot.word, SLOT_LOCKED);
        assert_int_equal(weir_slot_peek(&slot, last | NAME, EPOLLIN), WEIR_STALE);
        assert_word(&slot, SLOT_LOCKED);
}

static void unlock_announces_what_is_deliverable(void **state) {
        struct weir_slot slot = slot_with(GEN(4) | EPOLLIN | SLOT_LOCKED | SLOT_ASK);

        (void)state;
        assert_true(weir_slot_unlock(&life, &slot, SLOT_ASK, EDGE(EPOLLIN), 0));
        assert_word(&slot, GEN(4) | EDGE(EPOLLIN) | EPOLLIN | SLOT_LINKED);
        /* Already in the queue: nobody pushes it twice. */
        atomic_fetch_or(&slot.word, SLOT_LOCKED);
        assert_false(weir_slot_unlock(&life, &slot, 0, SLOT_ASK, 0));
        assert_word(&slot, GEN(4) | EDGE(EPOLLIN) | EPOLLIN | SLOT_LINKED | SLOT_ASK);
        /* Not for what is owned, or was deliverable before: then it is in a batch. */
        atomic_store(&slot.word, GEN(4) | EPOLLIN | OWNED(EPOLLIN) | SLOT_LOCKED);
        assert_false(weir_slot_unlock(&life, &slot, 0, 0, 0));
        assert_word(&slot, GEN(4) | EPOLLIN | OWNED(EPOLLIN));
        atomic_store(&slot.word, GEN(4) | EPOLLIN | EDGE(EPOLLIN) | SLOT_LOCKED);
        assert_false(weir_slot_unlock(&life, &slot, 0, EPOLLOUT, 0));
        assert_word(&slot, GEN(4) | INOUT | EDGE(EPOLLIN));
        /* An entry of a batch is for nothing in a new generation, and neither is what was ready of the older one. */
        atomic_fetch_or(&slot.word, SLOT_LOCKED);
        assert_true(weir_slot_unlock(&life, &slot, 0, EPOLLIN, SLOT_GENERATION));
        assert_word(&slot, GEN(5) | EPOLLIN | EDGE(EPOLLIN) | SLOT_LINKED);
}

static int lock_and_unlock(void *arg) {
        struct weir_slot *slot = arg;
        uint64_t word;

        REQUIRE(weir_slot_lock(&life, slot, SLOT_REGISTERED, SLOT_REGISTERED, 0, SLOT_GENERATION, &word) == 0);
        REQUIRE(word == (GEN(1) | EDGE(EPOLLIN)));
        REQUIRE(!weir_slot_unlock(&life, slot, 0, 0, 0));
        return 0;
}

/* The second caller leaves CONTENDED, sleeps, and is woken. */
static void lock_waits_for_its_holder(void **state) {
        struct weir_slot slot = slot_with(GEN(1) | SLOT_LOCKED);
        uint64_t wakes = fault_count(FAULT_FUTEX_WAKE), sleeps = fault_count(FAULT_FUTEX_WAIT);
        uint32_t unlocks = atomic_load(&life.unlocks);
        struct worker worker;

        (void)state;
        worker_start(&worker, lock_and_unlock, &slot);
        while (!(atomic_load(&slot.word) & SLOT_CONTENDED))
                sched_yield();
        worker_settle(&worker);
        assert_word(&slot, GEN(1) | SLOT_LOCKED | SLOT_CONTENDED);
        assert_false(weir_slot_unlock(&life, &slot, 0, EDGE(EPOLLIN), 0));
        assert_int_equal(worker_join(&worker), 0);
        assert_word(&slot, GEN(2) | EDGE(EPOLLIN));
        /* One wake for the one that slept, none for the second unlock. */
        assert_int_equal(fault_count(FAULT_FUTEX_WAKE), wakes + 1);
        assert_int_equal(atomic_load(&life.unlocks), unlocks + 1);
        /* It slept, rather than spin. */
        assert_true(fault_count(FAULT_FUTEX_WAIT) - sleeps < 50);
        assert_int_equal(fault_timeout(FAULT_FUTEX_WAIT), WEIR_FOREVER);
}

static void fork_in_the_sleep(void *arg) {
        struct weir_life *forked = arg;

        atomic_store(&forked->state, 0);
        atomic_fetch_add(&forked->unlocks, 1); /* so that the sleep ends at once */
}

/* A signal handler forked: the holder of the lock is not in the child, which must not wait for it. */
static void lock_is_not_waited_for_in_a_child(void **state) {
        struct weir_slot slot = slot_with(GEN(1) | EDGE(EPOLLIN) | SLOT_LOCKED);
        struct weir_life forked = { 1, 1, 1 };
        uint64_t word;

        (void)state;
        fault_hook(FAULT_FUTEX_WAIT, 1, fork_in_the_sleep, &forked);
        assert_int_equal(weir_slot_lock(&forked, &slot, 0, 0, 0, 0, &word), -ECHILD);
        assert_int_equal(fault_off(), 1);
        atomic_store(&forked.state, 1);
        fault_hook(FAULT_FUTEX_WAIT, 1, fork_in_the_sleep, &forked);
        assert_int_equal(weir_slot_await(&forked, &slot, WEIR_FOREVER), -ECHILD);
        assert_int_equal(fault_off(), 1);
}

static void await_sleeps_on_a_lock_alone(void **state) {
        struct weir_slot slot = slot_with(GEN(1) | EDGE(EPOLLIN));
        uint64_t sleeps = fault_count(FAULT_FUTEX_WAIT), began = now_ns();

        (void)state;
        assert_int_equal(weir_slot_await(&life, &slot, WEIR_FOREVER), 0);
        assert_word(&slot, GEN(1) | EDGE(EPOLLIN));
        assert_int_equal(fault_count(FAULT_FUTEX_WAIT), sleeps);
        /* No longer than it is told to, and the holder learns of it. */
        atomic_fetch_or(&slot.word, SLOT_LOCKED);
        assert_int_equal(weir_slot_await(&life, &slot, 1000000), 0);
        assert_true(now_ns() - began >= 1000000);
        assert_int_equal(fault_count(FAULT_FUTEX_WAIT), sleeps + 1);
        assert_int_equal(fault_timeout(FAULT_FUTEX_WAIT), 1000000);
        assert_word(&slot, GEN(1) | EDGE(EPOLLIN) | SLOT_LOCKED | SLOT_CONTENDED);
        fault_at(FAULT_FUTEX_WAIT, 1, EINTR);
        assert_int_equal(weir_slot_await(&life, &slot, 1000000), -EINTR);
        assert_int_equal(fault_off(), 1);
}

static void unlock_it(void *arg) {
        weir_slot_unlock(&life, arg, 0, 0, 0);
}

/* The unlock that comes after the look and before the sleep is not missed. */
static void unlock_before_the_sleep_is_seen(void **state) {
        struct weir_slot slot = slot_with(GEN(1) | EDGE(EPOLLIN) | SLOT_LOCKED);

        (void)state;
        fault_hook(FAULT_FUTEX_WAIT, 1, unlock_it, &slot);
        assert_int_equal(weir_slot_await(&life, &slot, WEIR_FOREVER), 0);
        assert_int_equal(fault_off(), 1);
        assert_word(&slot, GEN(1) | EDGE(EPOLLIN));
}

static void invalidate_ends_the_registration_alone(void **state) {
        const uint64_t kept = SLOT_LOCKED | SLOT_CONTENDED | SLOT_LINKED | SLOT_TURNS;
        struct weir_slot slot = slot_with(GEN(6) | (BELOW_GEN & ~SLOT_MISSED & ~(UINT64_C(7) << 25)));

        (void)state;
        weir_slot_invalidate(&slot, 0);
        assert_word(&slot, GEN(7) | kept);
        /* What was missed is of the registration to come. */
        atomic_store(&slot.word, GEN(6) | EDGE(EPOLLIN) | EPOLLIN | SLOT_LOCKED | SLOT_MISSED);
        weir_slot_invalidate(&slot, 0);
        assert_word(&slot, GEN(7) | EPOLLIN | SLOT_LOCKED | SLOT_MISSED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(fields_have_bits_of_their_own),
                CASE(registrations_have_names),
                CASE(data_fits_below_the_turn),
                CASE(turns_go_round),
                CASE(readiness_is_packed_without_loss),
                CASE(deliverable_is_ready_and_armed),
                CASE(segments_cover_every_index),
                CASE(table_finds_what_it_made),
                CASE(table_is_made_or_memory_is_short),
                CASE(table_agrees_on_one_segment),
                CASE(lock_tests_and_changes_in_one_step),
                CASE(try_lock_gives_up_at_once),
                CASE(generation_wraps_without_a_trace),
                CASE(unlock_announces_what_is_deliverable),
                CASE(lock_waits_for_its_holder),
                CASE(lock_is_not_waited_for_in_a_child),
                CASE(await_sleeps_on_a_lock_alone),
                CASE(unlock_before_the_sleep_is_seen),
                CASE(invalidate_ends_the_registration_alone),
        };

        return cmocka_run_group_tests_name("slot", tests, NULL, NULL);
}
