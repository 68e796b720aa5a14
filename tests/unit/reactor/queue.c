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
        struct weir_ready_list unread, newer;
        _Alignas(WEIR_CACHE_LINE) struct weir_slot slots[6];
};

#define HEAD(n)               ((uintptr_t)&bench.slots[n])
#define assert_head(expected) assert_int_equal(atomic_load(&bench.queue.head), expected)

static bool push(struct bench *bench, unsigned n) {
        return weir_queue_push(&bench->queue, &bench->slots[n], false);
}

static bool push_unread(struct bench *bench, unsigned n) {
        return weir_queue_push(&bench->queue, &bench->slots[n], true);
}

static void take(struct bench *bench) {
        weir_queue_take(&bench->queue, &bench->unread, &bench->newer);
}

/* The slots of a list, by their digits, oldest first. It is empty then. */
static void assert_list(struct bench *bench, struct weir_ready_list *list, const char *order) {
        for (; *order; ++order) {
                assert_ptr_equal(list->first, &bench->slots[*order - '0']);
                if (!order[1])
                        assert_ptr_equal(list->last, list->first);
                assert_ptr_equal(weir_ready_list_pop(list), &bench->slots[*order - '0']);
        }
        assert_null(list->first);
}

static void assert_taken(struct bench *bench, const char *unread, const char *newer) {
        take(bench);
        assert_list(bench, &bench->unread, unread);
        assert_list(bench, &bench->newer, newer);
}

static void flags_fit_below_a_slot(void **state) {
        (void)state;
        assert_int_equal(QUEUE_PARKED | QUEUE_NESTED | QUEUE_SHUT | QUEUE_INTERRUPTED | QUEUE_LEFT, QUEUE_FLAGS);
        /* Slots lie on cache lines, one beside the other. */
        assert_int_equal(sizeof(struct weir_slot) & QUEUE_FLAGS, 0);
        assert_int_equal(WEIR_CACHE_LINE & QUEUE_FLAGS, 0);
        assert_int_equal(LINK_UNREAD & ~QUEUE_FLAGS, 0);
}

static void takes_oldest_first(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        assert_true(queue_is_empty(&bench.queue));
        assert_taken(&bench, "", "");
        bench.slots[0].next = HEAD(3) | LINK_UNREAD; /* a link of an earlier stay means nothing */
        assert_false(push(&bench, 0));
        assert_head(HEAD(0));
        assert_false(queue_is_empty(&bench.queue));
        assert_false(push(&bench, 1));
        assert_false(push(&bench, 2));
        assert_head(HEAD(2));
        assert_taken(&bench, "", "012");
        assert_head(0);
        assert_taken(&bench, "", "");
        assert_false(push(&bench, 1));
        assert_taken(&bench, "", "1");
}

/* What was left unread in a batch comes before what is newer, the batch left last before others, each in its order. */
static void what_was_left_unread_comes_first(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        push(&bench, 0);
        push_unread(&bench, 1);
        push(&bench, 2);
        push_unread(&bench, 3);
        push_unread(&bench, 4);
        assert_taken(&bench, "134", "02");
        for (unsigned i = 0; i < 3; ++i)
                push_unread(&bench, i);
        assert_taken(&bench, "012", "");
}

/* What a batch had no room for stays in its list: before it what was unread, behind it what is newer. */
static void take_adds_to_both_lists(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        push(&bench, 0);
        push_unread(&bench, 1);
        take(&bench);
        push(&bench, 2);
        push_unread(&bench, 3);
        take(&bench);
        take(&bench);
        push_unread(&bench, 4);
        push_unread(&bench, 5);
        assert_taken(&bench, "4531", "02");
        /* A list of which the last was popped is an empty one, whatever its other end says. */
        push(&bench, 3);
        push_unread(&bench, 4);
        assert_taken(&bench, "4", "3");
}

/* EMPTY to PARKED to NON-EMPTY: the push that leaves PARKED must signal, and no other. */
static void push_on_parked_signals_once(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        for (int unread = 0; unread < 2; ++unread) {
                assert_true(weir_queue_park(&bench.queue));
                assert_head(QUEUE_PARKED);
                assert_true(weir_queue_park(&bench.queue)); /* woken for another reason, and to sleep again */
                assert_head(QUEUE_PARKED);
                assert_true(unread ? push_unread(&bench, 0) : push(&bench, 0));
                assert_head(HEAD(0));
                assert_false(push(&bench, 1));
                assert_taken(&bench, unread ? "0" : "", unread ? "1" : "01");
                assert_false(push(&bench, 2));
                assert_taken(&bench, "", "2");
        }
}

static void park_succeeds_only_when_empty(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        push(&bench, 0);
        assert_false(weir_queue_park(&bench.queue));
        assert_head(HEAD(0));
        take(&bench);
        weir_queue_shut(&bench.queue);
        assert_false(weir_queue_park(&bench.queue));
        assert_head(QUEUE_SHUT);
}

/* An awake consumer that looks at the queue is not to be signalled any more. */
static void take_ends_parked(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        weir_queue_park(&bench.queue);
        assert_taken(&bench, "", "");
        assert_head(0);
        assert_false(push(&bench, 0));
}

/* ---------------------------------------------------------------- nesting */

/* With an outer set an empty queue is always PARKED: the first push of each round signals. */
static void nested_is_parked_when_empty(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        assert_false(weir_queue_nest(&bench.queue)); /* nothing to announce: the descriptor is not readable */
        assert_head(QUEUE_NESTED | QUEUE_PARKED);
        assert_true(queue_is_empty(&bench.queue));
        for (int round = 0; round < 2; ++round) {
                assert_taken(&bench, "", "");
                assert_head(QUEUE_NESTED | QUEUE_PARKED);
                assert_true(weir_queue_park(&bench.queue));
                assert_true(push(&bench, 0));
                assert_head(HEAD(0) | QUEUE_NESTED);
                assert_false(push(&bench, 1));
                assert_false(weir_queue_park(&bench.queue));
                assert_taken(&bench, "", "01");
                assert_head(QUEUE_NESTED | QUEUE_PARKED);
        }
}

/* Nesting comes to a queue with slots in it: it is not PARKED, the caller of nest signals by itself. */
static void nest_announces_what_is_queued(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        push(&bench, 0);
        assert_true(weir_queue_nest(&bench.queue));
        assert_head(HEAD(0) | QUEUE_NESTED);
        assert_taken(&bench, "", "0");
        assert_head(QUEUE_NESTED | QUEUE_PARKED);
}

static void nest_announces_what_else_there_is(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        assert_false(weir_queue_leave(&bench.queue, true)); /* no outer set is there to know */
        assert_head(QUEUE_LEFT);
        assert_true(weir_queue_nest(&bench.queue));
        assert_head(QUEUE_LEFT | QUEUE_NESTED | QUEUE_PARKED);
        atomic_store(&bench.queue.head, 0);
        weir_queue_interrupt(&bench.queue);
        assert_true(weir_queue_nest(&bench.queue));
        atomic_store(&bench.queue.head, 0);
        weir_queue_shut(&bench.queue);
        assert_true(weir_queue_nest(&bench.queue));
}

/* Who keeps some of what it took says so to an outer set, and the next consumer has it. */
static void consumer_leaves_and_enters(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        weir_queue_enter(&bench.queue);
        assert_head(0);
        push(&bench, 0);
        assert_false(weir_queue_leave(&bench.queue, true));
        assert_head(HEAD(0) | QUEUE_LEFT);
        weir_queue_enter(&bench.queue);
        assert_head(HEAD(0));
        assert_true(weir_queue_nest(&bench.queue));
        assert_true(weir_queue_leave(&bench.queue, true));
        assert_head(HEAD(0) | QUEUE_NESTED | QUEUE_LEFT);
        /* Pushes and takes leave it alone. */
        assert_false(push(&bench, 1));
        take(&bench);
        assert_head(QUEUE_NESTED | QUEUE_PARKED | QUEUE_LEFT);
        assert_true(push(&bench, 2));
        weir_queue_enter(&bench.queue);
        assert_head(HEAD(2) | QUEUE_NESTED);
}

/* An interrupt that came too late for the consumer is announced to an outer set; nothing is marked for that. */
static void consumer_that_keeps_nothing_announces_an_interrupt(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        assert_false(weir_queue_leave(&bench.queue, false));
        weir_queue_interrupt(&bench.queue);
        assert_false(weir_queue_leave(&bench.queue, false));
        assert_head(QUEUE_INTERRUPTED);
        assert_true(weir_queue_nest(&bench.queue));
        assert_true(weir_queue_leave(&bench.queue, false));
        assert_head(QUEUE_INTERRUPTED | QUEUE_NESTED | QUEUE_PARKED);
        assert_true(weir_queue_take_interrupt(&bench.queue));
        push(&bench, 0);
        assert_false(weir_queue_leave(&bench.queue, false)); /* the push announced it */
        assert_head(HEAD(0) | QUEUE_NESTED);
}

/* ---------------------------------------------------------------- interrupt and end */

static void interrupt_is_taken_once(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        assert_false(weir_queue_take_interrupt(&bench.queue));
        assert_false(weir_queue_interrupt(&bench.queue)); /* nobody sleeps */
        assert_head(QUEUE_INTERRUPTED);
        assert_false(weir_queue_park(&bench.queue));
        assert_false(weir_queue_interrupt(&bench.queue));
        assert_true(weir_queue_take_interrupt(&bench.queue));
        assert_head(0);
        assert_false(weir_queue_take_interrupt(&bench.queue));
        /* The one that ends the sleep signals. */
        assert_true(weir_queue_park(&bench.queue));
        assert_true(weir_queue_interrupt(&bench.queue));
        assert_head(QUEUE_INTERRUPTED);
        assert_false(weir_queue_interrupt(&bench.queue));
        assert_false(push(&bench, 0));
        take(&bench);
        assert_head(QUEUE_INTERRUPTED);
        assert_true(weir_queue_take_interrupt(&bench.queue));
        assert_head(0);
}

static void interrupt_keeps_what_is_queued(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        push(&bench, 0);
        assert_false(weir_queue_interrupt(&bench.queue));
        assert_head(HEAD(0) | QUEUE_INTERRUPTED);
        assert_false(push(&bench, 1));
        assert_true(weir_queue_take_interrupt(&bench.queue));
        assert_taken(&bench, "", "01");
}

/* An outer set hears of an interrupt as of a push, and of the next one, too. */
static void interrupt_of_a_nested_queue_signals(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        assert_false(weir_queue_nest(&bench.queue));
        for (int round = 0; round < 2; ++round) {
                assert_true(weir_queue_interrupt(&bench.queue));
                assert_head(QUEUE_NESTED | QUEUE_INTERRUPTED);
                assert_true(weir_queue_take_interrupt(&bench.queue));
                assert_head(QUEUE_NESTED | QUEUE_PARKED);
        }
        push(&bench, 0);
        assert_false(weir_queue_interrupt(&bench.queue));
        assert_true(weir_queue_take_interrupt(&bench.queue));
        assert_head(HEAD(0) | QUEUE_NESTED);
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
        assert_true(push(&bench, 0));
        assert_head(HEAD(0) | QUEUE_SHUT);
        assert_true(weir_queue_nest(&bench.queue));
        assert_head(HEAD(0) | QUEUE_SHUT | QUEUE_NESTED);
        assert_taken(&bench, "", "0");
        assert_head(QUEUE_SHUT | QUEUE_NESTED | QUEUE_PARKED);
        assert_false(weir_queue_park(&bench.queue));
        assert_true(weir_queue_is_shut(&bench.queue));
        weir_queue_interrupt(&bench.queue);
        assert_true(weir_queue_take_interrupt(&bench.queue));
        assert_true(weir_queue_is_shut(&bench.queue));
}

/* ---------------------------------------------------------------- two at once */

static void push_second(void *arg) {
        assert_false(push(arg, 1));
}

static void park(void *arg) {
        struct bench *bench = arg;

        assert_true(weir_queue_park(&bench->queue));
}

static void take_all(void *arg) {
        assert_taken(arg, "", "1");
}

static void shut(void *arg) {
        struct bench *bench = arg;

        weir_queue_shut(&bench->queue);
}

static void interrupt(void *arg) {
        struct bench *bench = arg;

        assert_false(weir_queue_interrupt(&bench->queue));
}

static void push_meets_push(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        fault_hook(FAULT_YIELD, 1, push_second, &bench);
        assert_false(push(&bench, 0));
        assert_int_equal(fault_off(), 1);
        assert_taken(&bench, "", "10");
}

/* The park comes first by a hair: the push must see it, or the consumer sleeps for ever. */
static void push_meets_park(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        fault_hook(FAULT_YIELD, 1, park, &bench);
        assert_true(push(&bench, 0));
        assert_int_equal(fault_off(), 1);
        assert_head(HEAD(0));
}

static void interrupt_meets_park(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        fault_hook(FAULT_YIELD, 1, park, &bench);
        assert_true(weir_queue_interrupt(&bench.queue));
        assert_int_equal(fault_off(), 1);
        assert_head(QUEUE_INTERRUPTED);
}

/* Whatever comes between the look and the step of a park ends it. */
static void park_meets_what_ends_it(void **state) {
        static void (*const functions[])(void *) = { push_second, shut, interrupt };

        (void)state;
        for (unsigned i = 0; i < ARRAY_LEN(functions); ++i) {
                struct bench bench = { .queue.head = 0 };
                const uintptr_t heads[] = { HEAD(1), QUEUE_SHUT, QUEUE_INTERRUPTED };

                fault_hook(FAULT_YIELD, 1, functions[i], &bench);
                assert_false(weir_queue_park(&bench.queue));
                assert_int_equal(fault_off(), 1);
                assert_head(heads[i]);
        }
}

/* The push linked itself to a slot that was taken meanwhile: the link must be made anew. */
static void push_meets_take(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        push(&bench, 1);
        fault_hook(FAULT_YIELD, 1, take_all, &bench);
        assert_false(push(&bench, 0));
        assert_int_equal(fault_off(), 1);
        assert_taken(&bench, "", "0");
}

static void take_meets_push(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        push(&bench, 0);
        fault_hook(FAULT_YIELD, 1, push_second, &bench);
        assert_taken(&bench, "", "01");
        assert_int_equal(fault_off(), 1);
        assert_head(0);
}

static void take_meets_shut(void **state) {
        struct bench bench = { .queue.head = 0 };

        (void)state;
        push(&bench, 0);
        fault_hook(FAULT_YIELD, 1, shut, &bench);
        assert_taken(&bench, "", "0");
        assert_int_equal(fault_off(), 1);
        assert_head(QUEUE_SHUT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(flags_fit_below_a_slot),
                CASE(takes_oldest_first),
                CASE(what_was_left_unread_comes_first),
                CASE(take_adds_to_both_lists),
                CASE(push_on_parked_signals_once),
                CASE(park_succeeds_only_when_empty),
                CASE(take_ends_parked),
                CASE(nested_is_parked_when_empty),
                CASE(nest_announces_what_is_queued),
                CASE(nest_announces_what_else_there_is),
                CASE(consumer_leaves_and_enters),
                CASE(consumer_that_keeps_nothing_announces_an_interrupt),
                CASE(interrupt_is_taken_once),
                CASE(interrupt_keeps_what_is_queued),
                CASE(interrupt_of_a_nested_queue_signals),
                CASE(shut_is_for_ever),
                CASE(push_meets_push),
                CASE(push_meets_park),
                CASE(interrupt_meets_park),
                CASE(park_meets_what_ends_it),
                CASE(push_meets_take),
                CASE(take_meets_push),
                CASE(take_meets_shut),
        };

        return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
