/* SPDX-License-Identifier: MIT */
/*
 * A signal handler forks while its thread sleeps in a wait, and returns in the child, too: there the wait is refused as any
 * call is, with -ECHILD.
 */
#include "../support.h"

#include <signal.h>
#include <sys/wait.h>

static atomic_int child;

/* The parent goes on when the child has ended. */
static void fork_here(int number) {
        pid_t pid = fork();

        (void)number;
        if (pid == 0)
                atomic_store(&child, 0);
        else
                atomic_store(&child, waitpid(pid, NULL, 0) == pid ? 1 : -1);
}

struct round {
        struct fixture *fx;
        int in_child; /* what the wait returned there, as the child's pipe told */
        int report[2];
};

static int wait_and_report(void *arg) {
        struct round *round = arg;
        int r;

        /* The main thread looks whether the role is taken, and may hold it for that. */
        do
                r = wait_ms(round->fx->poll, round->fx->events, -1);
        while (r == -EBUSY);
        if (atomic_load(&child) == 0) {
                r = write(round->report[1], &r, sizeof(r)) == sizeof(r) ? 0 : 1;
                _exit(r);
        }
        REQUIRE(atomic_load(&child) == 1);
        REQUIRE(r == -EINTR);
        return 0;
}

static void g11_wait_in_the_child_of_a_handler_gets_echild(void **state) {
        struct fixture *fx = *state;
        struct sigaction action = { .sa_handler = fork_here }, before;
        struct round round = { .fx = fx };
        struct weir_events *other = NULL;
        struct worker worker;

        atomic_store(&child, -2);
        assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
        assert_int_equal(pipe2(round.report, O_CLOEXEC), 0);
        worker_start(&worker, wait_and_report, &round);
        /* It holds the role, so it sleeps nowhere but in the kernel's wait. */
        assert_int_equal(weir_events_create(1, &other), 0);
        while (wait_ms(fx->poll, other, 0) != -EBUSY)
                sched_yield();
        weir_events_destroy(other);
        worker_settle(&worker);
        assert_int_equal(pthread_kill(worker.thread, SIGUSR1), 0);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(read(round.report[0], &round.in_child, sizeof(round.in_child)), sizeof(round.in_child));
        assert_int_equal(round.in_child, -ECHILD);
        close_pair(round.report);
        assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g11_wait_in_the_child_of_a_handler_gets_echild),
        };

        return cmocka_run_group_tests_name("fork_in_a_signal_handler", cases, NULL, NULL);
}
