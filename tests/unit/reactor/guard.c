/* SPDX-License-Identifier: MIT */
/* Guards: what they cost, what is left when there is no memory for one, and how they stand in the list of batches. */
#include "fault.h"
#include "support.h"

#include "core.h"

static void a_guard_without_memory_leaves_nothing(void **state) {
        struct fixture *fx = *state;
        uint64_t references = atomic_load(&fx->registry->references);
        struct weir_guard *guard = NULL;

        fault_at(FAULT_ALLOC, 1, ENOMEM);
        assert_int_equal(weir_guard_create(fx->registry, &guard), -ENOMEM);
        assert_int_equal(fault_off(), 1);
        assert_null(guard);
        assert_int_equal(atomic_load(&fx->registry->references), references);
}

/* After the first one of a thread, which is given a number. */
static void entering_and_leaving_makes_no_call(void **state) {
        struct fixture *fx = *state;
        struct weir_guard *guard = NULL;
        struct note note = { 0 };
        uint64_t calls;

        assert_int_equal(weir_guard_create(fx->registry, &guard), 0);
        calls = fault_count(FAULT_SYSTEM);
        for (unsigned i = 0; i < 3; ++i) {
                assert_int_equal(weir_guard_enter(guard), 0);
                weir_defer(fx->registry, &note.node, note_run);
                weir_guard_leave(guard);
                assert_int_equal(note_runs(&note), i + 1);
        }
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        weir_guard_destroy(guard);
}

static void guards_are_listed_as_batches(void **state) {
        struct fixture *fx = *state;
        struct weir_epochs *epochs = &fx->registry->epochs;
        struct weir_guard *guards[3] = { NULL };
        uint64_t events;

        for (unsigned i = 0; i < 3; ++i) {
                assert_int_equal(weir_guard_create(fx->registry, &guards[i]), 0);
                assert_int_equal(weir_guard_enter(guards[i]), 0);
                assert_int_equal(epochs->open, i + 1);
        }
        events = stats_of(fx->registry).events;
        assert_ptr_not_equal(epochs->oldest, epochs->newest);
        assert_false(weir_epochs_owns_kept(epochs));
        for (unsigned i = 0; i < 3; ++i)
                weir_guard_destroy(guards[(i + 1) % 3]);
        assert_null(epochs->oldest);
        assert_int_equal(epochs->open, 0);
        assert_int_equal(stats_of(fx->registry).events, events);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(a_guard_without_memory_leaves_nothing),
                CASE(entering_and_leaving_makes_no_call),
                CASE(guards_are_listed_as_batches),
        };

        return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
