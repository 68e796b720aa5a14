/* SPDX-License-Identifier: MIT */
/*
 * The reader's side of a batch: the object's life, what next hands out of entries laid in by hand, what closing puts
 * back on the queue, and the predicates.
 */
#include "fault.h"
#include "support.h"

#include <limits.h>

#include "events.h"
#include "poll.h"
#include "words.h"

#define FD 5

/* A slot that says what the case wants, and an entry for it; the kernel has no part in it. */
static struct weir_slot *lay_in(struct fixture *fx, unsigned index, uint64_t word) {
        struct weir_slot *slot = weir_table_make(&fx->registry->fds, index);

        assert_non_null(slot);
        slot->name = index;
        atomic_store(&slot->token, TOKEN + index);
        atomic_store(&slot->word, word);
        return slot;
}

static void open_batch(struct fixture *fx, const struct epoll_event *entries, unsigned count) {
        weir_events_attach(fx->events, fx->registry);
        memcpy(fx->events->entries, entries, count * sizeof *entries);
        assert_true(weir_events_open(fx->events, count));
}

static struct epoll_event entry(uint64_t data, uint32_t events) {
        return (struct epoll_event){ .events = events, .data.u64 = data };
}

static uint64_t references(struct fixture *fx) {
        return atomic_load(&fx->registry->references);
}

/* ---------------------------------------------------------------- the object */

static void capacity_is_checked(void **state) {
        const unsigned most = INT_MAX / sizeof(struct epoll_event);
        struct weir_events *events = (struct weir_events *)state;

        assert_int_equal(weir_events_create(0, &events), -EINVAL);
        assert_int_equal(weir_events_create(most + 1, &events), -EINVAL);
        assert_int_equal(weir_events_create(UINT_MAX, &events), -EINVAL);
        assert_int_equal(weir_events_create(1, NULL), -EINVAL);
        fault_at(FAULT_ALLOC, 1, ENOMEM);
        assert_int_equal(weir_events_create(most, &events), -ENOMEM);
        assert_int_equal(fault_off(), 1);
        assert_ptr_equal(events, state);

        assert_int_equal(weir_events_create(3, &events), 0);
        assert_int_equal(weir_events_capacity(events), 3);
        assert_int_equal(weir_events_capacity(NULL), 0);
        assert_true(weir_events_is_empty(events));
        assert_true(weir_events_is_empty(NULL));
        weir_events_clear(events);
        weir_events_clear(NULL);
        weir_events_destroy(events);
        weir_events_destroy(NULL);
}

static void object_holds_the_core_it_was_used_with(void **state) {
        struct fixture *fx = *state;
        uint64_t before = references(fx);
        struct weir_poll *poll;

        weir_events_attach(fx->events, fx->registry);
        assert_int_equal(references(fx), before + 1);
        weir_events_attach(fx->events, fx->registry);
        assert_int_equal(references(fx), before + 1);
        assert_int_equal(weir_poll_create(&poll), 0);
        weir_events_attach(fx->events, &poll->core);
        assert_int_equal(references(fx), before);
        weir_poll_destroy(poll);
        /* The last reference to the second core: it is gone with this. */
        weir_events_attach(fx->events, NULL);
        assert_null(fx->events->core);
}

static void opening_begins_a_batch(void **state) {
        struct fixture *fx = *state;
        struct epoll_event entries[2] = { entry(GEN(1) | FD, EPOLLIN), entry(GEN(1) | FD, EPOLLIN) };

        fx->events->counts = (struct weir_counts){ 1, 2, 3, 4, 5, 6 };
        fx->events->cursor = 7;
        assert_false(weir_events_is_open(fx->events));
        open_batch(fx, entries, 2);
        assert_true(weir_events_is_open(fx->events));
        assert_int_equal(fx->events->count, 2);
        assert_int_equal(fx->events->cursor, 0);
        assert_int_equal(fx->events->counts.events + fx->events->counts.stale + fx->events->counts.wakes +
                                 fx->events->counts.requeued + fx->events->counts.timeouts +
                                 fx->events->counts.triggers,
                         0);
        assert_ptr_equal(fx->registry->epochs.newest, &fx->events->batch);
        assert_false(weir_events_is_empty(fx->events));
        weir_events_clear(fx->events);
        assert_false(weir_events_is_open(fx->events));
        assert_true(weir_events_is_empty(fx->events));
        assert_null(fx->registry->epochs.newest);
}

/* ---------------------------------------------------------------- next */

static void next_hands_out_what_stands(void **state) {
        struct fixture *fx = *state;
        struct epoll_event entries[] = {
                entry(GEN(1) | FD, EPOLLIN),
                entry(GEN(0) | FD, EPOLLIN),
                entry(GEN(1) | (FD + 1), EPOLLIN | EPOLLHUP),
                entry(GEN(1) | (FD + 2), EPOLLIN),
                entry(GEN(1) | (FD + 3), 0),
        };
        struct weir_event event = { 0 };

        lay_in(fx, FD, GEN(1) | EDGE(EPOLLIN));
        lay_in(fx, FD + 1, GEN(1) | LEVEL(EPOLLIN));
        lay_in(fx, FD + 2, GEN(1) | ONESHOT(EPOLLOUT));
        lay_in(fx, FD + 3, GEN(1) | EDGE(EPOLLOUT) | EPOLLOUT);
        open_batch(fx, entries, ARRAY_LEN(entries));
        assert_false(weir_events_next(NULL, &event));
        assert_false(weir_events_next(fx->events, NULL));
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(event.token, TOKEN + FD);
        assert_int_equal(event.readiness, EPOLLIN);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(event.token, TOKEN + FD + 1);
        assert_int_equal(event.readiness, EPOLLIN | EPOLLHUP);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(event.token, TOKEN + FD + 3);
        assert_int_equal(event.readiness, EPOLLOUT);
        assert_false(weir_events_next(fx->events, &event));
        assert_true(weir_events_is_empty(fx->events));
        /* One stale; the one-shot that was not armed is latched, not stale. */
        assert_int_equal(fx->events->counts.events, 3);
        assert_int_equal(fx->events->counts.stale, 1);
        assert_int_equal(fx->events->counts.wakes, 0);
        weir_events_clear(fx->events);
        assert_false(weir_events_next(fx->events, &event));
}

static int read_and_synchronize(void *arg) {
        struct fixture *fx = arg;
        struct weir_event event;

        REQUIRE(weir_events_next(fx->events, &event));
        REQUIRE(event.token == TOKEN + FD);
        REQUIRE(atomic_load(&fx->events->batch.owner) == weir_thread);
        REQUIRE(weir_synchronize(fx->registry) == -EDEADLK);
        return 0;
}

/* The batch belongs to the thread that waited, until another one reads: that would wait for itself then. */
static void next_notes_who_reads(void **state) {
        struct fixture *fx = *state;
        struct epoll_event entries[] = { entry(GEN(1) | FD, EPOLLIN), entry(GEN(1) | FD, EPOLLIN) };
        struct worker worker;
        struct weir_event event;

        lay_in(fx, FD, GEN(1) | EDGE(EPOLLIN));
        open_batch(fx, entries, 2);
        assert_int_equal(weir_synchronize(fx->registry), -EDEADLK);
        worker_start(&worker, read_and_synchronize, fx);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_not_equal(atomic_load(&fx->events->batch.owner), weir_thread);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(atomic_load(&fx->events->batch.owner), weir_thread);
}

/* The segment was made by another thread, which this one does not see yet, and there is no memory to make it. */
static void next_passes_over_a_slot_without_memory(void **state) {
        struct fixture *fx = *state;
        const uint64_t far = weir_table_segment_size(0);
        struct epoll_event entries[] = { entry(GEN(1) | far, EPOLLIN), entry(GEN(1) | FD, EPOLLIN) };
        struct weir_event event;

        lay_in(fx, FD, GEN(1) | EDGE(EPOLLIN));
        open_batch(fx, entries, 2);
        fault_at(FAULT_ALLOC, 1, ENOMEM);
        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(fault_off(), 1);
        assert_int_equal(event.token, TOKEN + FD);
        assert_false(weir_events_next(fx->events, &event));
}

static void next_ends_with_the_poll(void **state) {
        struct fixture *fx = *state;
        struct epoll_event entries[] = { entry(GEN(1) | FD, EPOLLIN) };
        struct weir_event event;

        lay_in(fx, FD, GEN(1) | EDGE(EPOLLIN));
        open_batch(fx, entries, 1);
        fixture_end_poll(fx);
        assert_false(weir_events_next(fx->events, &event));
        assert_true(weir_events_is_open(fx->events));
}

/* ---------------------------------------------------------------- closing */

/* What was left unread is latched and queued, what stands, and comes before what is newer. */
static void closing_requeues_what_was_not_read(void **state) {
        struct fixture *fx = *state;
        struct epoll_event entries[] = {
                entry(GEN(1) | FD, EPOLLIN),
                entry(GEN(1) | (FD + 1), EPOLLIN),
                entry(GEN(1) | DATA_LEVEL | (FD + 2), EPOLLIN),
                entry(GEN(1) | (FD + 2), 0),
                entry(GEN(0) | (FD + 3), EPOLLIN),
                entry(GEN(1) | (FD + 4), EPOLLIN),
                entry(GEN(1) | (FD + 5), EPOLLIN),
        };
        struct weir_ready_list lists[2] = { { NULL, NULL }, { NULL, NULL } };
        struct weir_slot *slots[7];
        struct weir_event event;

        slots[0] = lay_in(fx, FD, GEN(1) | EDGE(EPOLLIN));
        slots[1] = lay_in(fx, FD + 1, GEN(1) | EDGE(EPOLLIN));
        slots[2] = lay_in(fx, FD + 2, GEN(1) | LEVEL(EPOLLIN));
        slots[3] = lay_in(fx, FD + 3, GEN(1) | EDGE(EPOLLIN));
        slots[4] = lay_in(fx, FD + 4, GEN(1) | ONESHOT(EPOLLIN));
        slots[5] = lay_in(fx, FD + 5, GEN(1) | ONESHOT(EPOLLOUT));
        slots[6] = lay_in(fx, FD + 6, GEN(1) | EDGE(EPOLLIN) | EPOLLIN | SLOT_LINKED);
        open_batch(fx, entries, ARRAY_LEN(entries));
        assert_true(weir_events_next(fx->events, &event));
        weir_core_push(fx->registry, slots[6]);
        weir_events_clear(fx->events);

        assert_word(slots[0], GEN(1) | EDGE(EPOLLIN));
        assert_word(slots[1], GEN(1) | EDGE(EPOLLIN) | EPOLLIN | SLOT_LINKED);
        assert_word(slots[2], GEN(1) | LEVEL(EPOLLIN) | EPOLLIN | SLOT_LINKED);
        assert_word(slots[3], GEN(1) | EDGE(EPOLLIN));
        assert_word(slots[4], GEN(1) | ONESHOT(EPOLLIN) | EPOLLIN | SLOT_LINKED);
        assert_word(slots[5], GEN(1) | ONESHOT(EPOLLOUT) | EPOLLIN);
        weir_queue_take(&fx->registry->queue, &lists[0], &lists[1]);
        assert_ptr_equal(weir_ready_list_pop(&lists[0]), slots[1]);
        assert_ptr_equal(weir_ready_list_pop(&lists[0]), slots[2]);
        assert_ptr_equal(weir_ready_list_pop(&lists[0]), slots[4]);
        assert_null(lists[0].first);
        assert_ptr_equal(weir_ready_list_pop(&lists[1]), slots[6]);
        assert_null(lists[1].first);
        assert_int_equal(stats_of(fx->registry).requeued, 3);
        assert_int_equal(stats_of(fx->registry).events, 1);
}

static void closing_a_dead_polls_batch_queues_nothing(void **state) {
        struct fixture *fx = *state;
        struct epoll_event entries[] = { entry(GEN(1) | FD, EPOLLIN) };
        struct weir_slot *slot = lay_in(fx, FD, GEN(1) | EDGE(EPOLLIN));
        struct weir_registry *registry = weir_registry_clone(fx->registry);
        struct note note = { .runs = 0 };

        open_batch(fx, entries, 1);
        fixture_end_poll(fx);
        weir_defer(registry, &note.node, note_run);
        assert_int_equal(note_runs(&note), 0);
        weir_events_clear(fx->events);
        assert_int_equal(note_runs(&note), 1);
        assert_word(slot, GEN(1) | EDGE(EPOLLIN));
        weir_registry_release(registry);
}

struct suicide {
        struct weir_deferred node;
        struct fixture *fx;
};

static void destroy_all(struct weir_deferred *node) {
        struct fixture *fx = ((struct suicide *)node)->fx;

        weir_events_destroy(fx->events);
        fx->events = NULL;
        fixture_end_poll(fx);
}

/* The function that closing runs may destroy the object and every reference to the core. */
static void deferred_function_may_destroy_the_object(void **state) {
        struct fixture *fx = *state;
        struct suicide suicide = { .fx = fx };
        struct epoll_event unread = entry(GEN(1) | FD, EPOLLIN);

        open_batch(fx, &unread, 1);
        weir_defer(fx->registry, &suicide.node, destroy_all);
        assert_non_null(fx->poll);
        weir_events_clear(fx->events);
        assert_null(fx->poll);
}

/* ---------------------------------------------------------------- one event */

static void predicates_follow_the_table(void **state) {
        (void)state;
        for (uint64_t ready = 0; ready <= SLOT_KERNEL_READY; ++ready) {
                struct weir_event event = { .readiness = weir_ready_to_epoll(ready) };
                bool in = ready & 1, pri = ready & 2, out = ready & 4, err = ready & 8, hup = ready & 16,
                     rdhup = ready & READY_RDHUP;

                assert_int_equal(weir_event_is_readable(&event), in || pri);
                assert_int_equal(weir_event_is_writable(&event), out);
                assert_int_equal(weir_event_is_priority(&event), pri);
                assert_int_equal(weir_event_is_error(&event), err);
                assert_int_equal(weir_event_is_read_closed(&event), hup || (in && rdhup));
                assert_int_equal(weir_event_is_write_closed(&event), hup || (err && out) || ready == 8);
                assert_int_equal(weir_event_is_half_closed(&event), rdhup);
                assert_int_equal(weir_event_is_hung_up(&event), hup);
        }
        assert_false(weir_event_is_readable(NULL) || weir_event_is_writable(NULL) || weir_event_is_priority(NULL));
        assert_false(weir_event_is_error(NULL) || weir_event_is_read_closed(NULL) || weir_event_is_write_closed(NULL));
}

static void pointer_goes_round_as_token(void **state) {
        assert_ptr_equal(weir_token_ptr(weir_ptr_token(state)), state);
        assert_int_equal(weir_ptr_token(state), (uintptr_t)state);
        assert_int_equal(weir_ptr_token(NULL), 0);
        assert_null(weir_token_ptr(0));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(capacity_is_checked),
                CASE(object_holds_the_core_it_was_used_with),
                CASE(opening_begins_a_batch),
                CASE(next_hands_out_what_stands),
                CASE(next_notes_who_reads),
                CASE(next_passes_over_a_slot_without_memory),
                CASE(next_ends_with_the_poll),
                CASE(closing_requeues_what_was_not_read),
                CASE(closing_a_dead_polls_batch_queues_nothing),
                CASE(deferred_function_may_destroy_the_object),
                CASE(predicates_follow_the_table),
                CASE(pointer_goes_round_as_token),
        };

        return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
