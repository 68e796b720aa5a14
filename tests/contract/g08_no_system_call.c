/* SPDX-License-Identifier: MIT */
/*
 * G8 and G9 where they speak of system calls: rearm, retoken, disarm, and a wake of a poll that is not asleep make none; a rearm
 * makes one where readiness was met while the descriptor was owned. (g08_epoll_ctl.c tells the cases of it apart.) The calls run on a thread whose system calls raise SIGSYS, and the handler counts. The kernel's filter of such a thread
 * goes with the thread. What thread exit and memory need is let through.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "../support.h"

static atomic_int trapped;
static atomic_int last_trapped;

static void count_call(int signal, siginfo_t *info, void *context) {
        (void)signal;
        (void)context;
        atomic_fetch_add_explicit(&trapped, 1, memory_order_relaxed);
        atomic_store_explicit(&last_trapped, info->si_syscall, memory_order_relaxed);
}

/* Every call that a reactor could think of. */
static const int watched[] = {
        SYS_epoll_ctl,    SYS_epoll_pwait, SYS_write,    SYS_writev,        SYS_pwrite64, SYS_read,
        SYS_readv,        SYS_pread64,     SYS_eventfd2, SYS_dup,           SYS_dup3,     SYS_fcntl,
        SYS_close,        SYS_ioctl,       SYS_ppoll,    SYS_pselect6,      SYS_getpid,   SYS_getppid,
        SYS_gettid,       SYS_kill,        SYS_tgkill,   SYS_clock_gettime, SYS_fstat,    SYS_sched_yield,
#ifdef SYS_epoll_wait
        SYS_epoll_wait,
#endif
#ifdef SYS_epoll_pwait2
        SYS_epoll_pwait2,
#endif
#ifdef SYS_poll
        SYS_poll,
#endif
#ifdef SYS_kcmp
        SYS_kcmp,
#endif
#ifdef SYS_membarrier
        SYS_membarrier,
#endif
};

/* 0, or a negative errno where filters are not to be had. */
static int watch_this_thread(void) {
        struct sock_filter filter[2 * ARRAY_LEN(watched) + 2];
        struct sock_fprog program = { .filter = filter };
        unsigned n = 0;

        filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        for (unsigned i = 0; i < ARRAY_LEN(watched); i++) {
                filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)watched[i], 0, 1);
                filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
        }
        filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        program.len = (unsigned short)n;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
                return -errno;
        return 0;
}

struct silent {
        struct fixture *fx;
        struct weir_waker *wakers[2];
        int fd;
        int most; /* calls that are allowed */
        int (*body)(struct silent *silent);
        int refused; /* a filter could not be had */
        int checked; /* a known call was caught */
        int calls;
};

static int run_watched(void *arg) {
        struct silent *silent = arg;
        int line;

        /* The calls of a sanitizer would count as well. */
        silent->refused = UNDER_SANITIZER ? -EOPNOTSUPP : watch_this_thread();
        if (silent->refused < 0)
                return silent->body(silent);
        /* The trap works, or the count of nothing says nothing. */
        (void)syscall(SYS_getppid);
        silent->checked = atomic_exchange_explicit(&trapped, 0, memory_order_relaxed);
        line = silent->body(silent);
        silent->calls = atomic_load_explicit(&trapped, memory_order_relaxed);
        return line;
}

/* The body runs with as many system calls as are allowed, most often none; where there are no filters, it just runs. */
static void expect_no_call(struct silent *silent, int (*body)(struct silent *)) {
        struct sigaction action = { .sa_sigaction = count_call, .sa_flags = SA_SIGINFO }, before;
        struct worker worker;

        silent->body = body;
        atomic_store_explicit(&trapped, 0, memory_order_relaxed);
        assert_int_equal(sigaction(SIGSYS, &action, &before), 0);
        worker_start(&worker, run_watched, silent);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(sigaction(SIGSYS, &before, NULL), 0);
        if (silent->refused < 0) {
                print_message("no system call filter here: %s\n", strerror(-silent->refused));
                return;
        }
        assert_int_equal(silent->checked, 1);
        if (silent->calls > silent->most)
                print_error("%d calls, the last one has the number %d\n", silent->calls,
                            atomic_load_explicit(&last_trapped, memory_order_relaxed));
        assert_in_range(silent->calls, 0, silent->most);
}

static int body_rearm(struct silent *silent) {
        for (unsigned i = 0; i < 100; i++)
                REQUIRE(weir_rearm(silent->fx->registry, silent->fd, WEIR_READABLE) == 0);
        return 0;
}

static void g8_rearm_of_known_directions_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };

        silent.fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, silent.fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 1);
        drain(silent.fd);
        expect_no_call(&silent, body_rearm);
        /* And yet it is armed. */
        ring(silent.fd);
        expect_soon(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, silent.fd), 0);
        close(silent.fd);
}

static int body_rearm_once(struct silent *silent) {
        REQUIRE(weir_rearm(silent->fx->registry, silent->fd, WEIR_READABLE) == 0);
        return 0;
}

static void g8_rearm_with_readiness_in_the_meantime_makes_one_system_call_at_most(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx, .most = 1 };

        silent.fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, silent.fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 1);
        drain(silent.fd);
        ring(silent.fd);
        expect_silence(fx);
        expect_no_call(&silent, body_rearm_once);
        expect_one(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, silent.fd), 0);
        close(silent.fd);
}

static void g8_rearm_with_readiness_that_nobody_met_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };

        silent.fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, silent.fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_one(fx, 1);
        drain(silent.fd);
        ring(silent.fd);
        expect_no_call(&silent, body_rearm);
        expect_one(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, silent.fd), 0);
        close(silent.fd);
}

static int body_disarm(struct silent *silent) {
        for (unsigned i = 0; i < 100; i++) {
                REQUIRE(weir_disarm(silent->fx->registry, silent->fd) == 1);
                REQUIRE(weir_disarm(silent->fx->registry, silent->fd) == 0);
                REQUIRE(weir_rearm(silent->fx->registry, silent->fd, i % 2 ? WEIR_READABLE : 0) == 0);
        }
        return 0;
}

static void g8_disarm_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };

        silent.fd = make_eventfd(0);
        assert_int_equal(weir_register(fx->registry, silent.fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        expect_no_call(&silent, body_disarm);
        ring(silent.fd);
        expect_one(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, silent.fd), 0);
        close(silent.fd);
}

static int body_disarm_pending(struct silent *silent) {
        REQUIRE(weir_disarm(silent->fx->registry, silent->fd) == 1);
        return 0;
}

static void g8_disarm_of_what_was_fetched_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };

        silent.fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, silent.fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        fetch(fx, 1);
        expect_no_call(&silent, body_disarm_pending);
        expect_drained_batch(fx);
        expect_silence(fx);
        assert_int_equal(weir_deregister(fx->registry, silent.fd), 0);
        close(silent.fd);
}

static void g8_first_rearm_of_a_held_oneshot_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };

        silent.fd = make_eventfd(0);
        assert_int_equal(weir_register(fx->registry, silent.fd, 1, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD), 0);
        expect_no_call(&silent, body_rearm_once);
        ring(silent.fd);
        expect_one(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, silent.fd), 0);
        close(silent.fd);
}

static int body_rearm_both(struct silent *silent) {
        REQUIRE(weir_rearm(silent->fx->registry, silent->fd, WEIR_READABLE | WEIR_WRITABLE) == 0);
        REQUIRE(weir_rearm(silent->fx->registry, silent->fd, WEIR_WRITABLE) == 0);
        REQUIRE(weir_rearm(silent->fx->registry, silent->fd, WEIR_READABLE) == 0);
        return 0;
}

static void g8_direction_asked_for_by_an_earlier_rearm_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };
        int pair[2];

        make_socketpair(pair);
        silent.fd = pair[0];
        assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        put(pair[1]);
        expect_one(fx, 1);
        drain(pair[0]);
        /* Costs its call here, never again for this registration. */
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_WRITABLE), 0);
        expect_one(fx, 1);
        fill(pair[0]);
        expect_no_call(&silent, body_rearm_both);
        put(pair[1]);
        expect_soon(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
}

static int body_retoken(struct silent *silent) {
        struct weir_registry *clone;

        for (unsigned i = 0; i < 100; i++)
                REQUIRE(weir_retoken(silent->fx->registry, silent->fd, i) == 0);
        clone = weir_registry_clone(silent->fx->registry);
        weir_registry_release(clone);
        return 0;
}

static void g8_retoken_and_clone_make_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };

        silent.fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, silent.fd, 1, WEIR_READABLE), 0);
        expect_no_call(&silent, body_retoken);
        expect_soon(fx, 99);
        assert_int_equal(weir_deregister(fx->registry, silent.fd), 0);
        close(silent.fd);
}

static int body_wake(struct silent *silent) {
        for (unsigned i = 0; i < 100; i++)
                for (unsigned w = 0; w < 2; w++)
                        REQUIRE(weir_waker_wake(silent->wakers[w]) == 0);
        return 0;
}

static void g9_wake_of_a_poll_that_is_not_asleep_makes_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct silent silent = { .fx = fx };
        unsigned counts[2] = { 0 };

        for (unsigned w = 0; w < 2; w++)
                assert_int_equal(weir_waker_create(fx->registry, w, &silent.wakers[w]), 0);
        expect_no_call(&silent, body_wake);
        assert_int_equal(tally(fx->poll, fx->events, DEADLINE_MS, counts, 2), 2);
        /* Once more beside an open batch. */
        assert_int_equal(weir_waker_wake(silent.wakers[0]), 0);
        fetch(fx, 1);
        expect_no_call(&silent, body_wake);
        weir_events_clear(fx->events);
        for (unsigned w = 0; w < 2; w++)
                weir_waker_destroy(silent.wakers[w]);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_rearm_of_known_directions_makes_no_system_call),
                CASE(g8_rearm_with_readiness_in_the_meantime_makes_one_system_call_at_most),
                CASE(g8_direction_asked_for_by_an_earlier_rearm_makes_no_system_call),
                CASE(g8_rearm_with_readiness_that_nobody_met_makes_no_system_call),
                CASE(g8_disarm_makes_no_system_call),
                CASE(g8_disarm_of_what_was_fetched_makes_no_system_call),
                CASE(g8_first_rearm_of_a_held_oneshot_makes_no_system_call),
                CASE(g8_retoken_and_clone_make_no_system_call),
                CASE(g9_wake_of_a_poll_that_is_not_asleep_makes_no_system_call),
        };

        return cmocka_run_group_tests_name("g08_no_system_call", cases, NULL, NULL);
}
