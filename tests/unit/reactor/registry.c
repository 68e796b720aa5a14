/* SPDX-License-Identifier: MIT */
/*
 * The calls about descriptors: what each leaves in the slot's word and in the kernel's set, how many system calls it
 * makes, what a refusal leaves, and what a wait finds that falls between two steps of a call.
 */
#include "fault.h"
#include "support.h"

#include <inttypes.h>

#include "poll.h"
#include "registry.h"
#include "sets.h"
#include "words.h"

#define OTHER (~TOKEN)

static struct weir_slot *slot_at(struct fixture *fx, int fd) {
        struct weir_slot *slot = weir_table_find(&fx->registry->fds, (uint32_t)fd);

        assert_non_null(slot);
        return slot;
}

/* What the kernel was asked for, as its set tells. False: it has no such registration. */
static bool in_kernel(struct fixture *fx, int fd, uint32_t *ret_events, uint64_t *ret_data) {
        char path[64], line[256];
        bool found = false;
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", weir_sets_current(fx->registry));
        file = fopen(path, "re");
        assert_non_null(file);
        while (!found && fgets(line, sizeof line, file)) {
                int number;

                found = sscanf(line, "tfd: %d events: %" SCNx32 " data: %" SCNx64, &number, ret_events, ret_data) ==
                                3 &&
                        number == fd;
        }
        fclose(file);
        return found;
}

static void assert_in_kernel(struct fixture *fx, int fd, uint32_t events, uint64_t data) {
        uint32_t real_events = 0;
        uint64_t real_data = 0;

        assert_true(in_kernel(fx, fd, &real_events, &real_data));
        assert_int_equal(real_events & ~(uint32_t)(EPOLLERR | EPOLLHUP), events);
        assert_int_equal(real_data, data);
}

static void assert_not_in_kernel(struct fixture *fx, int fd) {
        uint32_t events;
        uint64_t data;

        assert_false(in_kernel(fx, fd, &events, &data));
}

/* ---------------------------------------------------------------- register, reregister, deregister */

static void interest_is_checked_and_packed(void **state) {
        struct fixture *fx = *state;
        int pair[2];

        make_socketpair(pair);
        for (weir_interest interest = 0; interest < 0x1000; ++interest) {
                bool level = interest & WEIR_LEVEL, oneshot = interest & WEIR_ONESHOT;
                bool exclusive = interest & WEIR_EXCLUSIVE;
                uint32_t directions = interest & 7, events;
                bool valid = directions && !(interest & ~0x707u) && !(level && oneshot) &&
                             !(exclusive && (oneshot || directions & WEIR_PRIORITY));
                uint64_t word;

                assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, interest), valid ? 0 : -EINVAL);
                if (!valid)
                        continue;
                word = atomic_load(&slot_at(fx, pair[0])->word);
                assert_int_equal(word & BELOW_GEN & ~(SLOT_LINKED | SLOT_READY),
                                 SLOT_REGISTERED | ASKED(directions) |
                                         (level     ? SLOT_LEVEL
                                          : oneshot ? SLOT_ONESHOT | ARMED(directions)
                                                    : SLOT_EDGE) |
                                         (exclusive ? SLOT_EXCLUSIVE : 0));
                events = directions | (level ? 0 : (uint32_t)EPOLLET);
                if (exclusive)
                        events |= EPOLLEXCLUSIVE;
                else if (directions & EPOLLIN)
                        events |= EPOLLRDHUP;
                assert_in_kernel(fx, pair[0], events,
                                 (word & ~BELOW_GEN) | (level ? DATA_LEVEL : 0) | (uint64_t)pair[0]);
                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        }
        close_pair(pair);
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

/* What was latched, suspected or replayed ends with the registration; the place in the queue does not. */
static void nothing_is_inherited(void **state) {
        const uint64_t old = SLOT_READY | SLOT_REPLAYED | SLOT_SUSPECT | SLOT_ASKED | SLOT_ARMED;
        struct fixture *fx = *state;
        struct weir_slot *slot;
        int pair[2];

        make_pipe(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE | WEIR_ONESHOT), 0);
        slot = slot_at(fx, pair[0]);
        atomic_fetch_or(&slot->word, old);
        assert_int_equal(weir_reregister(fx->registry, pair[0], TOKEN, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_word(slot, GEN(4) | ONESHOT(EPOLLIN));
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
        assert_int_equal(weir_retoken(fx->registry, pair[0], TOKEN), -ENOENT);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), -ENOENT);
        close_pair(pair);
}

/* ---------------------------------------------------------------- rearm */

/* OWNED to ARMED by one compare-and-swap; only a new direction asks the kernel, and then in the same generation. */
static void rearm_costs_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct weir_slot *slot;
        int pair[2];
        uint64_t calls, owned, data;

        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE | WEIR_ONESHOT), 0);
        slot = slot_at(fx, pair[0]);
        data = GEN(2) | (uint64_t)pair[0];
        put(pair[1]);
        (void)expect_one(fx, TOKEN);
        owned = GEN(2) | SLOT_REGISTERED | SLOT_ONESHOT | ASKED(EPOLLIN);
        assert_word(slot, owned);
        drain(pair[0]);
        calls = fault_count(FAULT_SYSTEM);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
        assert_word(slot, owned | ARMED(EPOLLIN));
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
        assert_word(slot, owned | ARMED(EPOLLIN));
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);

        /* Room to write is there already: the kernel, asked anew, tells. */
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_WRITABLE), 0);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls + 1);
        owned |= ASKED(INOUT);
        assert_word(slot, owned | ARMED(EPOLLOUT));
        assert_in_kernel(fx, pair[0], INOUT | EPOLLRDHUP | (uint32_t)EPOLLET, data);
        assert_int_equal(expect_one(fx, TOKEN).readiness, EPOLLOUT);
        assert_word(slot, owned);
        calls = fault_count(FAULT_SYSTEM);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE | WEIR_WRITABLE), 0);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        assert_word(slot, owned | ARMED(INOUT));
        /* While it is armed, the directions are replaced, not added to. */
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
        assert_int_equal(atomic_load(&slot->word) & SLOT_ARMED, ARMED(EPOLLIN));
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        close_pair(pair);
}

/* Readiness that was latched while the one-shot was owned goes to the queue with the rearm, once. */
static void rearm_finds_what_was_latched(void **state) {
        struct fixture *fx = *state;
        struct weir_slot *slot;
        int pair[2];

        make_pipe(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE | WEIR_ONESHOT), 0);
        slot = slot_at(fx, pair[0]);
        put(pair[1]);
        (void)expect_one(fx, TOKEN);
        put(pair[1]);
        expect_silence(fx);
        assert_true(atomic_load(&slot->word) & EPOLLIN);
        for (int i = 0; i < 2; ++i) {
                assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
                assert_word(slot, GEN(2) | ONESHOT(EPOLLIN) | EPOLLIN | SLOT_LINKED);
                assert_ptr_equal((void *)atomic_load(&fx->registry->queue.head), slot);
                assert_null(slot->next);
        }
        (void)expect_one(fx, TOKEN);
        expect_silence(fx);
        close_pair(pair);
}

static void rearm_is_for_oneshots(void **state) {
        static const weir_interest bad[] = { 0, 8, WEIR_LEVEL, WEIR_READABLE | WEIR_ONESHOT,
                                             WEIR_READABLE | WEIR_LEVEL };
        struct fixture *fx = *state;
        int pair[2];

        make_pipe(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE | WEIR_LEVEL), 0);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_WRITABLE), -EINVAL);
        assert_int_equal(weir_reregister(fx->registry, pair[0], TOKEN, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (size_t i = 0; i < ARRAY_LEN(bad); ++i)
                assert_int_equal(weir_rearm(fx->registry, pair[0], bad[i]), -EINVAL);
        assert_word(slot_at(fx, pair[0]), GEN(4) | ONESHOT(EPOLLIN));
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), -ENOENT);
        close_pair(pair);
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

/* ---------------------------------------------------------------- a wait between two steps of a call */

struct meeting {
        struct fixture *fx;
        unsigned old, new;
};

static void wait_and_count(void *arg) {
        struct meeting *meeting = arg;
        struct weir_event got[BATCH];
        int n = collect(meeting->fx->poll, meeting->fx->events, 0, got, BATCH);

        for (int i = 0; i < n; ++i) {
                meeting->old += got[i].token == TOKEN;
                meeting->new += got[i].token == OTHER;
        }
}

static int call(struct fixture *fx, int which, int fd, weir_interest interest) {
        switch (which) {
        case 0:
                return weir_register(fx->registry, fd, OTHER, interest);
        case 1:
                return weir_reregister(fx->registry, fd, OTHER, interest);
        case 2:
                return weir_retoken(fx->registry, fd, OTHER);
        default:
                return weir_deregister(fx->registry, fd);
        }
}

/*
 * The descriptor is ready. Wherever the wait falls, the readiness comes under the token in force, nothing under the
 * old one once the call has returned, and an event that the kernel brings ahead of the call's own end is not lost.
 */
static void wait_between_the_steps_of_a_call(void **state) {
        static const weir_interest modes[] = { WEIR_READABLE, WEIR_READABLE | WEIR_LEVEL,
                                               WEIR_READABLE | WEIR_ONESHOT };
        struct fixture *fx = *state;

        for (unsigned k = 0; k < 4 * ARRAY_LEN(modes); ++k) {
                weir_interest interest = modes[k / 4];
                int which = (int)k % 4;
                uint64_t fired = 1;
                unsigned n;

                for (n = 1; fired; ++n) {
                        struct meeting meeting = { .fx = fx };
                        uint64_t stale = stats_of(fx->registry).stale;
                        int pair[2];

                        make_pipe(pair);
                        if (which > 0)
                                assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, interest), 0);
                        put(pair[1]);
                        fault_hook(FAULT_YIELD, n, wait_and_count, &meeting);
                        assert_int_equal(call(fx, which, pair[0], interest), 0);
                        fired = fault_off();
                        assert_true(meeting.old <= (which > 0));
                        meeting.old = 0;
                        wait_and_count(&meeting);
                        assert_int_equal(meeting.old, 0);
                        /* What came early was not dropped. */
                        if (which == 0)
                                assert_int_equal(stats_of(fx->registry).stale, stale);
                        /* A retoken replaces the name of readiness; it may have gone out under the old one. */
                        if (which < 2)
                                assert_true(meeting.new >= 1);
                        else if (which == 2)
                                assert_true(fired || meeting.new == 1);
                        else
                                assert_int_equal(meeting.new, 0);
                        if (which < 3) {
                                assert_false(atomic_load(&slot_at(fx, pair[0])->word) & SLOT_LOCKED);
                                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                        }
                        expect_silence(fx);
                        close_pair(pair);
                }
                assert_true(n > 2);
        }
}

/* New readiness is fetched between any two steps of a rearm: whichever comes second sees the other. */
static void wait_between_the_steps_of_a_rearm(void **state) {
        struct fixture *fx = *state;
        uint64_t fired = 1;
        unsigned n;
        int pair[2];

        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], OTHER, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (n = 1; fired; ++n) {
                struct meeting meeting = { .fx = fx };

                put(pair[1]);
                (void)expect_one(fx, OTHER);
                drain(pair[0]);
                put(pair[1]);
                fault_hook(FAULT_YIELD, n, wait_and_count, &meeting);
                assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
                fired = fault_off();
                wait_and_count(&meeting);
                assert_int_equal(meeting.new, 1);
                drain(pair[0]);
                assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), 0);
                wait_and_count(&meeting);
                assert_int_equal(meeting.new, 1);
        }
        assert_true(n > 2);
        close_pair(pair);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(interest_is_checked_and_packed),
                CASE(generation_changes_with_each_registration),
                CASE(nothing_is_inherited),
                CASE(refusal_changes_nothing),
                CASE(deregister_succeeds_without_the_kernel),
                CASE(wild_numbers_cost_no_memory),
                CASE(rearm_costs_no_system_call),
                CASE(rearm_finds_what_was_latched),
                CASE(rearm_is_for_oneshots),
                CASE(exclusive_cannot_be_changed),
                CASE(wait_between_the_steps_of_a_call),
                CASE(wait_between_the_steps_of_a_rearm),
        };

        return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
