/* SPDX-License-Identifier: MIT */
/*
 * A signal handler forks while its thread sleeps in weir_synchronize(), or in a call about a descriptor with which another
 * thread is busy, and returns in the child, too. There is nobody in the child to wake it: the call returns -ECHILD.
 */
#include "../calls.h"

#include <signal.h>
#include <sys/wait.h>

/* When the child of a test that fails is given up; nothing passes by it. */
#define CHILD_S 5

static atomic_int child_status;
static volatile sig_atomic_t in_child;

/* The parent goes on when the child has ended. */
static void fork_here(int number) {
        int status = -1;
        pid_t pid;

        (void)number;
        pid = fork();
        if (pid == 0) {
                in_child = 1;
                /* Ends it by its default action. */
                alarm(CHILD_S);
                return;
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
                status = -1;
        atomic_store(&child_status, status);
}

enum call { CALL_SYNCHRONIZE, CALL_REREGISTER, CALL_REARM, CALL_RETOKEN, CALL_DEREGISTER, N_CALLS };

static const char *const names[N_CALLS] = { "synchronize", "reregister", "rearm", "retoken", "deregister" };

struct sleeper {
        struct fixture *fx;
        enum call call;
        int fd;
        int result;
};

static int sleep_in_call(void *arg) {
        struct sleeper *s = arg;
        struct weir_registry *registry = s->fx->registry;

        switch (s->call) {
        case CALL_SYNCHRONIZE:
                s->result = weir_synchronize(registry);
                break;
        case CALL_REREGISTER:
                s->result = weir_reregister(registry, s->fd, 2, WEIR_READABLE | WEIR_ONESHOT);
                break;
        case CALL_REARM:
                s->result = weir_rearm(registry, s->fd, WEIR_READABLE);
                break;
        case CALL_RETOKEN:
                s->result = weir_retoken(registry, s->fd, 2);
                break;
        default:
                s->result = weir_deregister(registry, s->fd);
        }
        if (in_child)
                _exit(s->result == -ECHILD ? 0 : 1);
        return 0;
}

/* Signals the thread when it sleeps in the call. Returns how the child ended. */
static int fork_in(struct worker *worker) {
        atomic_store(&child_status, -2);
        worker_settle(worker);
        assert_int_equal(pthread_kill(worker->thread, SIGUSR1), 0);
        while (atomic_load(&child_status) == -2)
                sched_yield();
        return atomic_load(&child_status);
}

static void expect_child(int status, enum call call) {
        if (WIFSIGNALED(status))
                print_error("%s: the child slept until signal %d\n", names[call], WTERMSIG(status));
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void g11_synchronize_in_the_child_of_a_handler_gets_echild(void **state) {
        struct fixture *fx = *state;
        struct sleeper sleeper = { .fx = fx, .call = CALL_SYNCHRONIZE, .result = 1 };
        struct sigaction action = { .sa_handler = fork_here }, before;
        struct weir_waker *waker = NULL;
        struct worker worker;
        int status;

        assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 1);
        worker_start(&worker, sleep_in_call, &sleeper);
        status = fork_in(&worker);
        /* The parent's call waits on, for the batch. */
        assert_false(worker_done_within(&worker, 0));
        weir_events_clear(fx->events);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(sleeper.result, 0);
        weir_waker_destroy(waker);
        assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
        expect_child(status, CALL_SYNCHRONIZE);
}

/* ---------------------------------------------------------------- the lock of a descriptor */

static struct latch held, let_go;

static void hold(bool after, int op, int fd, long result) {
        (void)op;
        (void)fd;
        (void)result;
        if (after)
                return;
        atomic_store(&calls_ctl_hook, NULL);
        latch_set(&held);
        latch_wait(&let_go);
}

static int reregister(void *arg) {
        struct sleeper *s = arg;

        REQUIRE(weir_reregister(s->fx->registry, s->fd, 1, WEIR_READABLE | WEIR_ONESHOT) == 0);
        return 0;
}

static void fork_beside(struct fixture *fx, enum call call) {
        struct sleeper sleeper = { .fx = fx, .call = call, .result = 1 };
        struct sigaction action = { .sa_handler = fork_here }, before;
        struct worker holder, worker;
        bool waited;
        int status;

        assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
        memset(&held, 0, sizeof(held));
        memset(&let_go, 0, sizeof(let_go));
        sleeper.fd = make_eventfd(0);
        assert_int_equal(weir_register(fx->registry, sleeper.fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        atomic_store(&calls_ctl_hook, hold);
        worker_start(&holder, reregister, &sleeper);
        latch_wait(&held);
        worker_start(&worker, sleep_in_call, &sleeper);
        waited = !worker_done_within(&worker, 20);
        status = waited ? fork_in(&worker) : 0;
        latch_set(&let_go);
        assert_int_equal(worker_join(&holder), 0);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(sleeper.result, 0);
        if (call != CALL_DEREGISTER)
                assert_int_equal(weir_deregister(fx->registry, sleeper.fd), 0);
        close(sleeper.fd);
        assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
        /* A call that need not wait has not the fault. */
        if (waited)
                expect_child(status, call);
}

static void g11_reregister_in_the_child_of_a_handler_gets_echild(void **state) {
        fork_beside(*state, CALL_REREGISTER);
}

static void g11_rearm_in_the_child_of_a_handler_gets_echild(void **state) {
        fork_beside(*state, CALL_REARM);
}

static void g11_retoken_in_the_child_of_a_handler_gets_echild(void **state) {
        fork_beside(*state, CALL_RETOKEN);
}

static void g11_deregister_in_the_child_of_a_handler_gets_echild(void **state) {
        fork_beside(*state, CALL_DEREGISTER);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g11_synchronize_in_the_child_of_a_handler_gets_echild),
                CASE(g11_reregister_in_the_child_of_a_handler_gets_echild),
                CASE(g11_rearm_in_the_child_of_a_handler_gets_echild),
                CASE(g11_retoken_in_the_child_of_a_handler_gets_echild),
                CASE(g11_deregister_in_the_child_of_a_handler_gets_echild),
        };

        return cmocka_run_group_tests_name("fork_while_waiting", cases, NULL, NULL);
}
