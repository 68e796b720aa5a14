/* SPDX-License-Identifier: MIT */
/* The core: what its life says, its references, its end, and the push that may have to wake somebody. */
#include "fault.h"
#include "support.h"

#include "events.h"
#include "poll.h"
#include "words.h"

static uint64_t references(struct weir_registry *core) {
        return atomic_load(&core->references);
}

/* With a page that a fork wipes, pid is 0 and the word tells all; without one the process is compared. */
static void life_is_told(void **state) {
        static const struct {
                uint32_t life;
                int result;
        } rows[] = { { LIFE_ALIVE_BY_PID, 0 }, { LIFE_SHUT, -ESHUTDOWN }, { LIFE_FORKED, -ECHILD } };
        struct fixture *fx = *state;
        struct weir_registry *core = fx->registry;
        int pid = core->pid;

        for (size_t i = 0; i < ARRAY_LEN(rows); ++i) {
                atomic_store(&core->life->state, rows[i].life);
                core->pid = 0;
                assert_int_equal(weir_core_check(core), rows[i].result);
                assert_int_equal(weir_core_is_forked(core), rows[i].result == -ECHILD);
                core->pid = getpid();
                assert_int_equal(weir_core_check(core), rows[i].result);
                core->pid = getppid();
                assert_int_equal(weir_core_check(core), -ECHILD);
                assert_true(weir_core_is_forked(core));
        }
        core->pid = 0;
        atomic_store(&core->life->state, LIFE_ALIVE);
        assert_int_equal(weir_core_check(core), 0);
        assert_false(weir_core_is_forked(core));
        core->pid = pid;
        atomic_store(&core->life->state, pid ? LIFE_ALIVE_BY_PID : LIFE_ALIVE);
}

static void handles_are_references(void **state) {
        struct fixture *fx = *state;
        struct weir_registry *clones[3];
        uint64_t calls = fault_count(FAULT_SYSTEM);

        for (unsigned i = 0; i < 3; ++i) {
                clones[i] = weir_registry_clone(fx->registry);
                assert_ptr_equal(clones[i], fx->registry);
                assert_int_equal(references(fx->registry), i + 2);
        }
        for (unsigned i = 3; i-- > 0;) {
                weir_registry_release(clones[i]);
                assert_int_equal(references(fx->registry), i + 1);
        }
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        assert_null(weir_registry_clone(NULL));
        weir_registry_release(NULL);
}

/* In any order of their ends, the descriptors stay open until the last, and are closed by it. */
static void last_reference_ends_the_core(void **state) {
        (void)state;
        for (unsigned order = 0; order < 24; ++order) {
                struct weir_events *events;
                struct weir_waker *waker;
                struct weir_registry *registry;
                struct weir_poll *poll;
                unsigned before = count_descriptors(), left = 0xf, rest = order;

                assert_int_equal(weir_poll_create(&poll), 0);
                assert_int_equal(weir_events_create(1, &events), 0);
                registry = weir_registry_clone(weir_poll_registry(poll));
                assert_int_equal(weir_waker_create(registry, 1, &waker), 0);
                assert_int_equal(wait_ms(poll, events, 0), 0);
                assert_int_equal(references(registry), 4);
                for (unsigned n = 4; n > 0; --n) {
                        unsigned skip = rest % n, i = 0;

                        rest /= n;
                        assert_int_equal(count_descriptors(), before + 2);
                        while (!(left & 1u << i) || skip-- > 0)
                                ++i;
                        left &= ~(1u << i);
                        if (i == 0)
                                weir_poll_destroy(poll);
                        else if (i == 1)
                                weir_registry_release(registry);
                        else if (i == 2)
                                weir_waker_destroy(waker);
                        else
                                weir_events_destroy(events);
                }
                assert_int_equal(count_descriptors(), before);
        }
}

/* The slot that alone is in the queue, which is empty then. */
static struct weir_slot *take(struct weir_registry *core, bool unread) {
        struct weir_ready_list lists[2] = { { NULL, NULL }, { NULL, NULL } };
        struct weir_slot *slot;

        weir_queue_take(&core->queue, &lists[1], &lists[0]);
        assert_null(lists[!unread].first);
        assert_non_null(lists[unread].first);
        slot = weir_ready_list_pop(&lists[unread]);
        assert_null(lists[unread].first);
        return slot;
}

/* A push to a consumer that is awake makes no system call, one to a parked one makes one. */
static void push_signals_the_parked(void **state) {
        static void (*const pushes[])(struct weir_registry *, struct weir_slot *) = { weir_core_push,
                                                                                      weir_core_push_unread };
        struct fixture *fx = *state;
        _Alignas(WEIR_CACHE_LINE) struct weir_slot slots[2] = { slot_with(0), slot_with(0) };

        for (unsigned unread = 0; unread < 2; ++unread) {
                uint64_t signals = fault_count(FAULT_SIGNAL), calls = fault_count(FAULT_SYSTEM);

                pushes[unread](fx->registry, &slots[0]);
                assert_int_equal(fault_count(FAULT_SYSTEM), calls);
                assert_ptr_equal(take(fx->registry, unread), &slots[0]);
                assert_true(weir_queue_park(&fx->registry->queue));
                pushes[unread](fx->registry, &slots[1]);
                assert_int_equal(fault_count(FAULT_SIGNAL), signals + 1);
                assert_int_equal(fault_count(FAULT_SYSTEM), calls + 1);
                assert_int_equal(atomic_load(&fx->registry->eventfd_writes), unread + 1);
                assert_true(polls_readable(fx->registry->eventfd, 0));
                assert_ptr_equal(take(fx->registry, unread), &slots[1]);
        }
}

/* 2^32 clones are no more than a leak: the next release must not end the core. */
static void references_do_not_wrap(void **state) {
        struct fixture *fx = *state;
        uint64_t before = references(fx->registry);

        atomic_store(&fx->registry->references, UINT32_MAX);
        weir_registry_clone(fx->registry);
        weir_registry_clone(fx->registry);
        weir_registry_release(fx->registry);
        assert_int_equal(references(fx->registry), UINT64_C(1) << 32);
        assert_true(weir_sys_is_open(fx->registry->set));
        atomic_store(&fx->registry->references, before);
}

static void data_names_a_slot_of_its_table(void **state) {
        struct fixture *fx = *state;
        struct weir_registry *core = fx->registry;
        struct weir_slot *fd, *waker;

        assert_null(weir_table_find(&core->fds, 5));
        fd = weir_core_slot(core,
                            GEN(7) | 5); /* made, for an event of it can only exist if somebody else has made it */
        assert_non_null(fd);
        assert_ptr_equal(weir_table_find(&core->fds, 5), fd);
        waker = weir_table_make(&core->wakers, 5);
        assert_ptr_equal(weir_core_slot(core, GEN(7) | 5), fd);
        assert_ptr_equal(weir_core_slot(core, GEN(7) | DATA_LEVEL | 5), fd);
        assert_ptr_equal(weir_core_slot(core, GEN(7) | DATA_WAKER | 5), waker);
        assert_ptr_not_equal(fd, waker);
}

/* Everything the core ever had: the set, the spare and the outer one, the eventfd, the timer, and both tables, each twice. */
static void end_closes_all_there_is(void **state) {
        unsigned before = count_descriptors();
        struct weir_poll *poll;
        struct weir_waker *waker;
        int pair[2];

        (void)state;
        make_pipe(pair);
        assert_int_equal(weir_poll_create(&poll), 0);
        assert_true(weir_poll_fd(poll) >= 0);
        assert_int_equal(weir_register(weir_poll_registry(poll), pair[0], 1, WEIR_READABLE), 0);
        assert_int_equal(weir_waker_create(weir_poll_registry(poll), 1, &waker), 0);
        assert_int_equal(weir_set_deadline(weir_poll_registry(poll), pair[0], 1), 0);
        assert_int_equal(weir_waker_set_deadline(waker, 1), 0);
        atomic_store(&poll->core.spare, weir_sys_epoll_create());
        assert_int_equal(count_descriptors(), before + 2 + 5);
        weir_waker_destroy(waker);
        weir_poll_destroy(poll);
        assert_int_equal(count_descriptors(), before + 2);
        close_pair(pair);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(life_is_told),
                CASE(handles_are_references),
                CASE(last_reference_ends_the_core),
                CASE(push_signals_the_parked),
                CASE(references_do_not_wrap),
                CASE(data_names_a_slot_of_its_table),
                CASE(end_closes_all_there_is),
        };

        return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
