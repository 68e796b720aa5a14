/* SPDX-License-Identifier: MIT */
/*
 * A ghost that cannot be got rid of for lack of descriptors keeps the waiter from sleeping in the kernel's wait: it naps
 * instead. A signal that ends such a nap ends the wait, with -EINTR as ever.
 */
#include "../support.h"

#include <signal.h>

static void nothing(int number) {
        (void)number;
}

static int wait_for_ever(void *arg) {
        struct fixture *fx = arg;

        REQUIRE(wait_ms(fx->poll, fx->events, -1) == -EINTR);
        return 0;
}

static void g12_signal_ends_a_wait_that_naps(void **state) {
        struct fixture *fx = *state;
        struct sigaction action = { .sa_handler = nothing }, before;
        struct rlimit limit;
        struct worker worker;
        uint64_t deadline;
        int fd, duplicate;

        assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
        fd = make_eventfd(1);
        duplicate = dup(fd);
        assert_true(duplicate >= 0);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_LEVEL), 0);
        close(fd);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);

        leave_room(0, &limit);
        worker_start(&worker, wait_for_ever, fx);
        deadline = now_ns() + DEADLINE_MS / 3 * UINT64_C(1000000);
        while (!worker_done_within(&worker, 1) && now_ns() < deadline)
                assert_int_equal(pthread_kill(worker.thread, SIGUSR1), 0);
        /* Now the ghost can be got rid of, and the wait be ended in any case. */
        restore_room(&limit);
        while (!worker_done_within(&worker, 1))
                assert_int_equal(pthread_kill(worker.thread, SIGUSR1), 0);
        assert_true(now_ns() < deadline);
        assert_int_equal(worker_join(&worker), 0);
        close(duplicate);
        assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g12_signal_ends_a_wait_that_naps),
        };

        return cmocka_run_group_tests_name("signal_in_a_nap", cases, NULL, NULL);
}
