/* SPDX-License-Identifier: MIT */
/*
 * A signal handler that forks while a call sleeps for a lock: its holder is not in the child, so the call returns there. That it
 * is a child is made up: what its page would read is written by hand, and put back.
 */
#include "kernel.h"

#include "sets.h"

struct forking {
        struct fixture *fx;
        struct weir_waker *waker;
        int fd;
};

static int call_register(struct forking *forking) {
        return weir_register(forking->fx->registry, forking->fd, OTHER, WEIR_READABLE);
}

static int call_reregister(struct forking *forking) {
        return weir_reregister(forking->fx->registry, forking->fd, OTHER, WEIR_READABLE);
}

static int call_rearm(struct forking *forking) {
        return weir_rearm(forking->fx->registry, forking->fd, WEIR_READABLE);
}

static int call_disarm(struct forking *forking) {
        return weir_disarm(forking->fx->registry, forking->fd);
}

static int call_retoken(struct forking *forking) {
        return weir_retoken(forking->fx->registry, forking->fd, OTHER);
}

static int call_deregister(struct forking *forking) {
        return weir_deregister(forking->fx->registry, forking->fd);
}

static int call_fd(struct forking *forking) {
        return weir_poll_fd(forking->fx->poll);
}

static int call_create(struct forking *forking) {
        struct weir_waker *waker = forking->waker;
        int r = weir_waker_create(forking->fx->registry, OTHER, &waker);

        return waker == forking->waker ? r : -EPROTO;
}

static int call_rebuild(struct forking *forking) {
        return weir_sets_rebuild(forking->fx->registry, WEIR_FOREVER) ? 0 : -ECHILD;
}

static void fork_in_the_sleep(void *arg) {
        struct forking *forking = arg;

        atomic_store(&forking->fx->registry->life->state, LIFE_FORKED);
        atomic_fetch_add(&forking->fx->registry->life->unlocks, 1); /* so that the sleep ends at once */
}

static void expect_child(struct forking *forking, int (*call)(struct forking *forking)) {
        fault_hook(FAULT_FUTEX_WAIT, 1, fork_in_the_sleep, forking);
        assert_int_equal(call(forking), -ECHILD);
        assert_int_equal(fault_off(), 1);
        atomic_store(&forking->fx->registry->life->state, LIFE_ALIVE);
}

static void forking_make(struct fixture *fx, struct forking *forking) {
        *forking = (struct forking){ .fx = fx, .fd = make_eventfd(0) };
        assert_int_equal(weir_register(fx->registry, forking->fd, TOKEN, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_int_equal(weir_waker_create(fx->registry, TOKEN, &forking->waker), 0);
}

/* It is as before, but for what is the child's alone. */
static void forking_end(struct forking *forking) {
        ring(forking->fd);
        (void)expect_one(forking->fx, TOKEN);
        assert_int_equal(weir_waker_wake(forking->waker), 0);
        (void)expect_one(forking->fx, TOKEN);
        weir_waker_destroy(forking->waker);
        close(forking->fd);
}

/* ---------------------------------------------------------------- the locks */

static void nobody_waits_for_a_slot(void **state) {
        static int (*const calls[])(struct forking *) = { call_register, call_reregister, call_rearm,  call_disarm,
                                                          call_retoken,  call_deregister, call_rebuild };
        struct forking forking;
        struct weir_slot *slot;
        uint64_t word;

        forking_make(*state, &forking);
        slot = slot_at(forking.fx, forking.fd);
        for (size_t i = 0; i < ARRAY_LEN(calls); ++i) {
                assert_int_equal(weir_slot_lock(forking.fx->registry->life, slot, 0, 0, 0, 0, &word), 0);
                expect_child(&forking, calls[i]);
                assert_word(slot, word | SLOT_LOCKED | SLOT_CONTENDED);
                assert_false(weir_slot_unlock(forking.fx->registry->life, slot, 0, 0, 0));
                assert_int_equal(atomic_load(&slot->token), TOKEN);
                atomic_store(&forking.fx->registry->moving, MOVING_NOT);
        }
        forking_end(&forking);
}

/* What guards the sets while they change: also in a call that would change both. */
static void nobody_waits_for_the_sets(void **state) {
        static int (*const calls[])(struct forking *) = { call_rebuild, call_fd, call_reregister };
        struct weir_lock *lock;
        struct forking forking;

        forking_make(*state, &forking);
        lock = &forking.fx->registry->nest_lock;
        for (size_t i = 0; i < ARRAY_LEN(calls); ++i) {
                assert_true(weir_lock(forking.fx->registry->life, lock));
                if (calls[i] == call_reregister)
                        atomic_store(&forking.fx->registry->moving, MOVING);
                expect_child(&forking, calls[i]);
                atomic_store(&forking.fx->registry->moving, MOVING_NOT);
                weir_unlock(forking.fx->registry->life, lock);
                assert_false(atomic_load(&slot_at(forking.fx, forking.fd)->word) & SLOT_LOCKED);
        }
        forking_end(&forking);
}

static void take_the_lock(void *arg) {
        struct forking *forking = arg;

        assert_true(weir_lock(forking->fx->registry->life, &forking->fx->registry->nest_lock));
        fault_hook(FAULT_FUTEX_WAIT, 1, fork_in_the_sleep, forking);
}

/* Another thread took it in the middle of a move. */
static void move_does_not_end_in_a_child(void **state) {
        struct forking forking;

        forking_make(*state, &forking);
        fault_hook(FAULT_ADD, 2, take_the_lock, &forking);
        assert_int_equal(call_rebuild(&forking), -ECHILD);
        assert_int_equal(fault_off(), 1);
        assert_int_equal(atomic_load(&forking.fx->registry->life->state), LIFE_FORKED);
        atomic_store(&forking.fx->registry->life->state, LIFE_ALIVE);
        weir_unlock(forking.fx->registry->life, &forking.fx->registry->nest_lock);
        atomic_store(&forking.fx->registry->moving, MOVING_NOT);
        assert_int_equal(stats_of(forking.fx->registry).rebuilds, 0);
        forking_end(&forking);
}

static int call_destroy(struct forking *forking) {
        weir_waker_destroy(forking->waker);
        return -ECHILD;
}

/* What guards the free wakers. A waker that is made is given back whole; one that is destroyed is freed, its number is not. */
static void nobody_waits_for_the_wakers(void **state) {
        struct weir_registry *registry;
        struct forking forking;
        uint64_t memory;

        forking_make(*state, &forking);
        registry = forking.fx->registry;
        memory = fault_memory();
        assert_true(weir_lock(registry->life, &registry->waker_lock));
        expect_child(&forking, call_create);
        assert_int_equal(fault_memory(), memory);
        expect_child(&forking, call_destroy);
        assert_true(fault_memory() < memory);
        assert_int_equal(registry->free_waker, 0);
        weir_unlock(registry->life, &registry->waker_lock);
        assert_int_equal(weir_waker_create(registry, TOKEN, &forking.waker), 0);
        forking_end(&forking);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(nobody_waits_for_a_slot),
                CASE(nobody_waits_for_the_sets),
                CASE(move_does_not_end_in_a_child),
                CASE(nobody_waits_for_the_wakers),
        };

        return cmocka_run_group_tests_name("forks", tests, NULL, NULL);
}
