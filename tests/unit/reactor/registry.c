/* SPDX-License-Identifier: MIT */
/* The calls that begin, change and end a registration: what each leaves in the slot's word and in the kernel's set, and what a refusal leaves. */
#include "kernel.h"

static void interest_is_checked_and_packed(void **state) {
        struct fixture *fx = *state;
        int pair[2];

        make_socketpair(pair);
        for (weir_interest interest = 0; interest < 0x1000; ++interest) {
                bool level = interest & WEIR_LEVEL, oneshot = interest & WEIR_ONESHOT;
                bool exclusive = interest & WEIR_EXCLUSIVE, held = interest & WEIR_HELD;
                uint32_t directions = interest & 7, events;
                bool valid = !(interest & ~0xf07u) && !(level && oneshot) && !(held && !oneshot) &&
                             !(exclusive && (oneshot || !directions || directions & WEIR_PRIORITY));
                uint64_t word;

                assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, interest), valid ? 0 : -EINVAL);
                if (!valid)
                        continue;
                word = atomic_load(&slot_at(fx, pair[0])->word);
                assert_int_equal(word & BELOW_GEN & ~(SLOT_LINKED | SLOT_READY),
                                 SLOT_REGISTERED | ASKED(directions) |
                                         (level     ? SLOT_LEVEL
                                          : held    ? SLOT_ONESHOT
                                          : oneshot ? SLOT_ONESHOT | ARMED(directions)
                                                    : SLOT_EDGE) |
                                         (exclusive ? SLOT_EXCLUSIVE : 0));
                events = directions | (level ? 0 : (uint32_t)EPOLLET);
                if (exclusive)
                        events |= EPOLLEXCLUSIVE;
                else if (directions & EPOLLIN)
                        events |= EPOLLRDHUP;
                assert_in_kernel(fx, pair[0], events,
                                 (word & ~BELOW_TURN) | (level ? DATA_LEVEL : 0) | (uint64_t)pair[0]);
                /* A change takes the same, but for what is for a register alone. */
                if (exclusive || held)
                        assert_int_equal(weir_reregister(fx->registry, pair[0], TOKEN, interest), -EINVAL);
                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        }
        close_pair(pair);
}

/* An interest without a direction: of data nothing is told, of the end all. So a connection pauses. */
static void no_direction_waits_for_the_end(void **state) {
        static const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };
        struct fixture *fx = *state;

        for (size_t i = 0; i < ARRAY_LEN(modes); ++i) {
                int pair[2];

                make_socketpair(pair);
                assert_int_equal(weir_register(fx->registry, pair[0], OTHER, WEIR_READABLE | modes[i]), 0);
                put(pair[1]);
                assert_int_equal(weir_reregister(fx->registry, pair[0], TOKEN, modes[i]), 0);
                assert_in_kernel(fx, pair[0], modes[i] == WEIR_LEVEL ? 0 : (uint32_t)EPOLLET,
                                 GEN(2 * 2 * (i + 1) + i) | (modes[i] == WEIR_LEVEL ? DATA_LEVEL : 0) |
                                         (uint64_t)pair[0]);
                expect_silence(fx);
                close(pair[1]);
                assert_int_equal(expect_one(fx, TOKEN).readiness, EPOLLHUP);
                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                close(pair[0]);
        }
}

/* Each call that begins or ends a registration has a generation of its own. */
static void generation_changes_with_each_registration(void **state) {
        struct fixture *fx = *state;
        struct weir_slot *slot;
        int pair[2];

        make_pipe(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE), 0);
        slot = slot_at(fx, pair[0]);
        assert_int_equal(slot->name, pair[0]);
        assert_word(slot, GEN(2) | EDGE(EPOLLIN));
        assert_int_equal(weir_register(fx->registry, pair[0], OTHER, WEIR_WRITABLE), -EEXIST);
        assert_word(slot, GEN(2) | EDGE(EPOLLIN));
        assert_int_equal(atomic_load(&slot->token), TOKEN);
        assert_in_kernel(fx, pair[0], EPOLLIN | EPOLLRDHUP | (uint32_t)EPOLLET, GEN(2) | (uint64_t)pair[0]);
        assert_int_equal(weir_reregister(fx->registry, pair[0], OTHER, WEIR_READABLE | WEIR_LEVEL), 0);
        assert_word(slot, GEN(4) | LEVEL(EPOLLIN));
        assert_int_equal(atomic_load(&slot->token), OTHER);
        assert_in_kernel(fx, pair[0], EPOLLIN | EPOLLRDHUP, GEN(4) | DATA_LEVEL | (uint64_t)pair[0]);
        assert_int_equal(weir_retoken(fx->registry, pair[0], TOKEN), 0);
        assert_word(slot, GEN(4) | LEVEL(EPOLLIN));
        assert_int_equal(atomic_load(&slot->token), TOKEN);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        assert_word(slot, GEN(5));
        assert_not_in_kernel(fx, pair[0]);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), -ENOENT);
        assert_word(slot, GEN(5));
        close_pair(pair);
}

/* What was latched, asked for or silenced ends with the registration; but what the program made stays at a reregister. */
static void nothing_is_inherited(void **state) {
        const uint64_t old = SLOT_READY | SLOT_ASK | SLOT_HUNG | SLOT_ASKED | SLOT_ARMED | SLOT_DIRECTIONS;
        struct fixture *fx = *state;
        struct weir_slot *slot;
        int pair[2];

        make_pipe(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE | WEIR_ONESHOT), 0);
        slot = slot_at(fx, pair[0]);
        atomic_fetch_or(&slot->word, old);
        slot->quiet = 0xff;
        assert_int_equal(weir_reregister(fx->registry, pair[0], TOKEN, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_word(slot, GEN(4) | ONESHOT(EPOLLIN) | SLOT_OWN_READY | SLOT_LINKED);
        assert_int_equal(slot->quiet, 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 1);
        weir_events_clear(fx->events);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 1);
        atomic_fetch_or(&slot->word, old);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        assert_word(slot, GEN(5));
        close_pair(pair);
}

/* A refusal by the kernel leaves word, token and kernel as they were. */
static void refusal_changes_nothing(void **state) {
        static const int errors[] = { ENOMEM, ENOSPC, EPERM, ELOOP };
        struct fixture *fx = *state;
        struct weir_slot *slot;
        int pair[2];

        make_pipe(pair);
        for (size_t i = 0; i < ARRAY_LEN(errors); ++i) {
                fault_at(FAULT_ADD, 1, errors[i]);
                assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE), -errors[i]);
                assert_int_equal(fault_off(), 1);
                assert_word(slot_at(fx, pair[0]), 0);
        }
        assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE | WEIR_ONESHOT), 0);
        slot = slot_at(fx, pair[0]);
        fault_from(FAULT_MOD, 1, ENOMEM);
        assert_int_equal(weir_reregister(fx->registry, pair[0], OTHER, WEIR_WRITABLE), -ENOMEM);
        assert_word(slot, GEN(2) | ONESHOT(EPOLLIN));
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE | WEIR_WRITABLE), -ENOMEM);
        assert_int_equal(fault_off(), 2);
        assert_word(slot, GEN(2) | ONESHOT(EPOLLIN));
        assert_int_equal(atomic_load(&slot->token), TOKEN);
        put(pair[1]);
        (void)expect_one(fx, TOKEN);
        close_pair(pair);
}

/* The kernel refuses to remove it; it is removed all the same. */
static void deregister_succeeds_without_the_kernel(void **state) {
        struct fixture *fx = *state;
        int pair[2];

        make_pipe(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE), 0);
        put(pair[1]);
        fault_at(FAULT_DEL, 1, ENOMEM);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        assert_int_equal(fault_off(), 1);
        assert_word(slot_at(fx, pair[0]), GEN(3));
        assert_in_kernel(fx, pair[0], EPOLLIN | EPOLLRDHUP | (uint32_t)EPOLLET, GEN(2) | (uint64_t)pair[0]);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        /* The same file under the same number: what the kernel still holds is put out first. */
        assert_int_equal(weir_register(fx->registry, pair[0], OTHER, WEIR_READABLE), 0);
        (void)expect_one(fx, OTHER);
        expect_silence(fx);
        close_pair(pair);
}

static void wild_numbers_cost_no_memory(void **state) {
        static const int numbers[] = { -1, INT32_MIN, 1 << 26, (1 << 26) - 1, INT32_MAX };
        struct fixture *fx = *state;
        uint64_t allocations = fault_count(FAULT_ALLOC);
        int pair[2];

        for (size_t i = 0; i < ARRAY_LEN(numbers); ++i) {
                assert_int_equal(weir_register(fx->registry, numbers[i], TOKEN, WEIR_READABLE), -EBADF);
                assert_int_equal(weir_reregister(fx->registry, numbers[i], TOKEN, WEIR_READABLE), -EBADF);
                assert_int_equal(weir_rearm(fx->registry, numbers[i], WEIR_READABLE), -EBADF);
                assert_int_equal(weir_disarm(fx->registry, numbers[i]), -EBADF);
                assert_int_equal(weir_retoken(fx->registry, numbers[i], TOKEN), -EBADF);
                assert_int_equal(weir_deregister(fx->registry, numbers[i]), -EBADF);
        }
        assert_int_equal(fault_count(FAULT_ALLOC), allocations);
        make_pipe(pair);
        fault_at(FAULT_ALLOC, 1, ENOMEM);
        assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE), -ENOMEM);
        assert_int_equal(fault_off(), 1);
        assert_int_equal(weir_reregister(fx->registry, pair[0], TOKEN, WEIR_READABLE), -ENOENT);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), -ENOENT);
        assert_int_equal(weir_disarm(fx->registry, pair[0]), -ENOENT);
        assert_int_equal(weir_retoken(fx->registry, pair[0], TOKEN), -ENOENT);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), -ENOENT);
        close_pair(pair);
}

/* The poll's own descriptors are not registered, and a late call about such a number leaves them alone. */
static void own_descriptors_are_refused(void **state) {
        struct fixture *fx = *state;
        int own[4], spare = weir_sys_epoll_create();
        uint64_t calls;

        assert_true(spare >= 0);
        atomic_store(&fx->registry->spare, spare); /* as a rebuild leaves it */
        own[0] = fx->registry->eventfd;
        own[1] = fx->registry->set;
        own[2] = weir_poll_fd(fx->poll);
        own[3] = spare;
        calls = fault_count(FAULT_CTL);
        for (unsigned i = 0; i < ARRAY_LEN(own); ++i) {
                assert_int_equal(weir_register(fx->registry, own[i], 7, WEIR_READABLE), -EINVAL);
                assert_int_equal(weir_deregister(fx->registry, own[i]), -ENOENT);
        }
        assert_int_equal(fault_count(FAULT_CTL), calls);
}

static void exclusive_cannot_be_changed(void **state) {
        struct fixture *fx = *state;
        uint64_t calls;
        int pair[2];

        make_pipe(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE | WEIR_EXCLUSIVE), 0);
        calls = fault_count(FAULT_SYSTEM);
        assert_int_equal(weir_reregister(fx->registry, pair[0], OTHER, WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_reregister(fx->registry, pair[0], OTHER, WEIR_READABLE | WEIR_EXCLUSIVE), -EINVAL);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        assert_word(slot_at(fx, pair[0]), GEN(2) | EDGE(EPOLLIN) | SLOT_EXCLUSIVE);
        close_pair(pair);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(interest_is_checked_and_packed),
                CASE(no_direction_waits_for_the_end),
                CASE(generation_changes_with_each_registration),
                CASE(nothing_is_inherited),
                CASE(refusal_changes_nothing),
                CASE(deregister_succeeds_without_the_kernel),
                CASE(wild_numbers_cost_no_memory),
                CASE(own_descriptors_are_refused),
                CASE(exclusive_cannot_be_changed),
        };

        return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
