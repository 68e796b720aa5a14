/* SPDX-License-Identifier: MIT */
/* A whole wait between any two steps of a call about a descriptor: nothing is lost, and nothing old is told. */
#include "kernel.h"

#include "oneshot.h"

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

/* New readiness is fetched between any two steps of a rearm, which asks the kernel or not: whichever comes second sees the other. */
static void wait_between_the_steps_of_a_rearm(void **state) {
        struct fixture *fx = *state;
        int pair[2];

        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], OTHER, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (unsigned asks = 0; asks < 2; ++asks) {
                struct weir_slot *slot = slot_at(fx, pair[0]);
                uint64_t fired = 1;
                unsigned n;

                for (n = 1; fired; ++n) {
                        struct meeting meeting = { .fx = fx };

                        put(pair[1]);
                        (void)expect_one(fx, OTHER);
                        drain(pair[0]);
                        if (asks)
                                weir_oneshot_hush(fx->registry, slot,
                                                  (atomic_load(&slot->word) & ~BELOW_TURN) | (uint64_t)pair[0]);
                        assert_int_equal(!!(atomic_load(&slot->word) & SLOT_ASK), asks);
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
                        /* Each round begins with what latching begins with. */
                        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                        assert_int_equal(weir_register(fx->registry, pair[0], OTHER, WEIR_READABLE | WEIR_ONESHOT), 0);
                }
                assert_true(n > 2);
        }
        close_pair(pair);
}

struct refused {
        struct weir_slot *slot;
        uint64_t mods;
        bool locked;
};

/* Another call takes the lock as soon as it is free, once the kernel has refused. */
static void lock_behind_the_refusal(void *arg) {
        struct refused *refused = arg;
        uint64_t word;

        refused->locked = fault_count(FAULT_MOD) > refused->mods &&
                          !(atomic_load(&refused->slot->word) & SLOT_LOCKED) &&
                          weir_slot_try_lock(refused->slot, atomic_load(&refused->slot->word), 0, 0, &word);
}

/* A call gives up its lock once: what comes after that is another call's. */
static void refused_call_leaves_the_lock_of_the_next_one(void **state) {
        struct fixture *fx = *state;

        for (unsigned rearm = 0; rearm < 2; ++rearm) {
                uint64_t fired = 1;

                for (unsigned n = 1; fired; ++n) {
                        struct refused refused = { .mods = fault_count(FAULT_MOD) };
                        int pair[2], r;

                        make_pipe(pair);
                        assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE | WEIR_ONESHOT), 0);
                        refused.slot = slot_at(fx, pair[0]);
                        close_pair(pair);
                        fault_hook(FAULT_YIELD, n, lock_behind_the_refusal, &refused);
                        r = rearm ? weir_rearm(fx->registry, pair[0], WEIR_READABLE | WEIR_WRITABLE)
                                  : weir_reregister(fx->registry, pair[0], OTHER, WEIR_READABLE);
                        fired = fault_off();
                        assert_int_equal(r, -EBADF);
                        assert_int_equal(!!(atomic_load(&refused.slot->word) & SLOT_LOCKED), refused.locked);
                        if (refused.locked)
                                assert_false(weir_slot_unlock(fx->registry->life, refused.slot, 0, 0, 0));
                        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                }
        }
}

struct disarming {
        struct fixture *fx;
        int fd, result;
};

static void disarm(void *arg) {
        struct disarming *disarming = arg;

        disarming->result = weir_disarm(disarming->fx->registry, disarming->fd);
}

/* A one-shot has one owner: the thread that took the event, or the one that disarmed it. */
static void disarm_between_the_steps_of_a_hand_out(void **state) {
        struct fixture *fx = *state;
        unsigned owners[2] = { 0, 0 }, n;
        uint64_t fired = 1;
        int pair[2];

        make_socketpair(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], OTHER, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (n = 1; fired; ++n) {
                struct disarming disarming = { fx, pair[0], 0 };
                bool taken;

                put(pair[1]);
                fetch(fx, 1);
                fault_hook(FAULT_YIELD, n, disarm, &disarming);
                taken = weir_events_next(fx->events, &(struct weir_event){ 0 });
                fired = fault_off();
                assert_int_equal(taken + disarming.result, 1);
                ++owners[taken];
                weir_events_clear(fx->events);
                drain(pair[0]);
                assert_int_equal(weir_reregister(fx->registry, pair[0], OTHER, WEIR_READABLE | WEIR_ONESHOT), 0);
        }
        assert_true(owners[0] && owners[1]);
        close_pair(pair);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(wait_between_the_steps_of_a_call),
                CASE(wait_between_the_steps_of_a_rearm),
                CASE(refused_call_leaves_the_lock_of_the_next_one),
                CASE(disarm_between_the_steps_of_a_hand_out),
        };

        return cmocka_run_group_tests_name("registry_steps", tests, NULL, NULL);
}
