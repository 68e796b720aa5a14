/* SPDX-License-Identifier: MIT */
/*
 * The head of the ready queue: each transition of queue.h, and each meeting of two callers, forced at the yield point
 * between the look at the head and the compare-and-swap.
 */
#include "fault.h"
#include "support.h"

#include "queue.h"
#include "words.h"

struct bench {
        struct weir_queue queue;
        struct weir_slot slots[4];
};

#define HEAD(n)               ((uintptr_t)&bench.slots[n])
#define assert_head(expected) assert_int_equal(atomic_load(&bench.queue.head), expected)

/* A chain of slots, oldest first, that ends. */
static void assert_chain(const struct bench *bench, const struct weir_slot *slot, const char *order) {
        for (; *order; ++order, slot = slot->next)
                assert_ptr_equal(slot, &bench->slots[*order - '0']);
        assert_null(slot);
}

static void flags_fit_below_a_slot(void **state) {
        (void)state;
        assert_int_equal(QUEUE_PARKED | QUEUE_NESTED | QUEUE_SHUT, QUEUE_FLAGS);
        assert_true(_Alignof(struct weir_slot) > QUEUE_FLAGS);
}

static void takes_oldest_first(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        assert_true(queue_is_empty(&bench.queue));
        assert_null(weir_queue_take(&bench.queue));
        bench.slots[0].next = &bench.slots[3]; /* a link of an earlier stay means nothing */
        assert_false(weir_queue_push(&bench.queue, &bench.slots[0]));
        assert_head(HEAD(0));
        assert_false(queue_is_empty(&bench.queue));
        assert_false(weir_queue_push(&bench.queue, &bench.slots[1]));
        assert_false(weir_queue_push(&bench.queue, &bench.slots[2]));
        assert_head(HEAD(2));
        assert_chain(&bench, weir_queue_take(&bench.queue), "012");
        assert_head(0);
        assert_null(weir_queue_take(&bench.queue));
        assert_false(weir_queue_push(&bench.queue, &bench.slots[1]));
        assert_chain(&bench, weir_queue_take(&bench.queue), "1");
}

/* EMPTY to PARKED to NON-EMPTY: the push that leaves PARKED must signal, and no other. */
static void push_on_parked_signals_once(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        assert_true(weir_queue_park(&bench.queue));
        assert_head(QUEUE_PARKED);
        assert_true(weir_queue_park(&bench.queue)); /* woken for another reason, and to sleep again */
        assert_head(QUEUE_PARKED);
        assert_true(weir_queue_push(&bench.queue, &bench.slots[0]));
        assert_head(HEAD(0));
        assert_false(weir_queue_push(&bench.queue, &bench.slots[1]));
        assert_chain(&bench, weir_queue_take(&bench.queue), "01");
        assert_false(weir_queue_push(&bench.queue, &bench.slots[2]));
}

static void park_succeeds_only_when_empty(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        weir_queue_push(&bench.queue, &bench.slots[0]);
        assert_false(weir_queue_park(&bench.queue));
        assert_head(HEAD(0));
        weir_queue_take(&bench.queue);
        weir_queue_shut(&bench.queue);
        assert_false(weir_queue_park(&bench.queue));
        assert_head(QUEUE_SHUT);
}

/* An awake consumer that looks at the queue is not to be signalled any more. */
static void take_ends_parked(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        weir_queue_park(&bench.queue);
        assert_null(weir_queue_take(&bench.queue));
        assert_head(0);
        assert_false(weir_queue_push(&bench.queue, &bench.slots[0]));
}

/* With an outer set an empty queue is always PARKED: the first push of each round signals. */
static void nested_is_parked_when_empty(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        assert_false(weir_queue_is_nested(&bench.queue));
        weir_queue_nest(&bench.queue);
        assert_head(QUEUE_NESTED | QUEUE_PARKED);
        assert_true(weir_queue_is_nested(&bench.queue));
        assert_true(queue_is_empty(&bench.queue));
        for (int round = 0; round < 2; ++round) {
                assert_null(weir_queue_take(&bench.queue));
                assert_head(QUEUE_NESTED | QUEUE_PARKED);
                assert_true(weir_queue_park(&bench.queue));
                assert_true(weir_queue_push(&bench.queue, &bench.slots[0]));
                assert_head(HEAD(0) | QUEUE_NESTED);
                assert_false(weir_queue_push(&bench.queue, &bench.slots[1]));
                assert_false(weir_queue_park(&bench.queue));
                assert_chain(&bench, weir_queue_take(&bench.queue), "01");
                assert_head(QUEUE_NESTED | QUEUE_PARKED);
        }
}

/* Nesting comes to a queue with slots in it: it is not PARKED, the caller of nest signals by itself. */
static void nest_keeps_what_is_queued(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        weir_queue_push(&bench.queue, &bench.slots[0]);
        weir_queue_nest(&bench.queue);
        assert_head(HEAD(0) | QUEUE_NESTED);
        weir_queue_nest(&bench.queue);
        assert_head(HEAD(0) | QUEUE_NESTED);
        assert_chain(&bench, weir_queue_take(&bench.queue), "0");
        assert_head(QUEUE_NESTED | QUEUE_PARKED);
}

static void shut_is_for_ever(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        weir_queue_park(&bench.queue);
        assert_false(weir_queue_is_shut(&bench.queue));
        weir_queue_shut(&bench.queue);
        assert_head(QUEUE_SHUT | QUEUE_PARKED);
        assert_true(weir_queue_is_shut(&bench.queue));
        assert_true(queue_is_empty(&bench.queue));
        assert_true(weir_queue_push(&bench.queue, &bench.slots[0]));
        assert_head(HEAD(0) | QUEUE_SHUT);
        weir_queue_nest(&bench.queue);
        assert_head(HEAD(0) | QUEUE_SHUT | QUEUE_NESTED);
        assert_chain(&bench, weir_queue_take(&bench.queue), "0");
        assert_head(QUEUE_SHUT | QUEUE_NESTED | QUEUE_PARKED);
        assert_false(weir_queue_park(&bench.queue));
        assert_true(weir_queue_is_shut(&bench.queue));
}

/* ---------------------------------------------------------------- two at once */

static void push_second(void *arg) {
        struct bench *bench = arg;

        assert_false(weir_queue_push(&bench->queue, &bench->slots[1]));
}

static void park(void *arg) {
        struct bench *bench = arg;

        assert_true(weir_queue_park(&bench->queue));
}

static void take_all(void *arg) {
        struct bench *bench = arg;

        assert_chain(bench, weir_queue_take(&bench->queue), "1");
}

static void shut(void *arg) {
        struct bench *bench = arg;

        weir_queue_shut(&bench->queue);
}

static void push_meets_push(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        fault_hook(FAULT_YIELD, 1, push_second, &bench);
        assert_false(weir_queue_push(&bench.queue, &bench.slots[0]));
        assert_int_equal(fault_off(), 1);
        assert_chain(&bench, weir_queue_take(&bench.queue), "10");
}

/* The park comes first by a hair: the push must see it, or the consumer sleeps for ever. */
static void push_meets_park(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        fault_hook(FAULT_YIELD, 1, park, &bench);
        assert_true(weir_queue_push(&bench.queue, &bench.slots[0]));
        assert_int_equal(fault_off(), 1);
        assert_head(HEAD(0));
}

static void park_meets_push(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        fault_hook(FAULT_YIELD, 1, push_second, &bench);
        assert_false(weir_queue_park(&bench.queue));
        assert_int_equal(fault_off(), 1);
        assert_head(HEAD(1));
}

static void park_meets_shut(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        fault_hook(FAULT_YIELD, 1, shut, &bench);
        assert_false(weir_queue_park(&bench.queue));
        assert_int_equal(fault_off(), 1);
        assert_head(QUEUE_SHUT);
}

/* The push linked itself to a slot that was taken meanwhile: the link must be made anew. */
static void push_meets_take(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        weir_queue_push(&bench.queue, &bench.slots[1]);
        fault_hook(FAULT_YIELD, 1, take_all, &bench);
        assert_false(weir_queue_push(&bench.queue, &bench.slots[0]));
        assert_int_equal(fault_off(), 1);
        assert_chain(&bench, weir_queue_take(&bench.queue), "0");
}

static void take_meets_push(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        weir_queue_push(&bench.queue, &bench.slots[0]);
        fault_hook(FAULT_YIELD, 1, push_second, &bench);
        assert_chain(&bench, weir_queue_take(&bench.queue), "01");
        assert_int_equal(fault_off(), 1);
        assert_head(0);
}

static void take_meets_shut(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        weir_queue_push(&bench.queue, &bench.slots[0]);
        fault_hook(FAULT_YIELD, 1, shut, &bench);
        assert_chain(&bench, weir_queue_take(&bench.queue), "0");
        assert_int_equal(fault_off(), 1);
        assert_head(QUEUE_SHUT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(flags_fit_below_a_slot),
                CASE(takes_oldest_first),
                CASE(push_on_parked_signals_once),
                CASE(park_succeeds_only_when_empty),
                CASE(take_ends_parked),
                CASE(nested_is_parked_when_empty),
                CASE(nest_keeps_what_is_queued),
                CASE(shut_is_for_ever),
                CASE(push_meets_push),
                CASE(push_meets_park),
                CASE(park_meets_push),
                CASE(park_meets_shut),
                CASE(push_meets_take),
                CASE(take_meets_push),
                CASE(take_meets_shut),
        };

        return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
