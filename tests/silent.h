/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_SILENT_H
#define WEIR_TESTS_SILENT_H

/*
 * Counts the system calls of a piece of a test. It runs on a thread whose system calls raise SIGSYS, and the handler counts. The
 * kernel's filter of such a thread goes with the thread. What thread exit and memory need is let through.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "support.h"

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
        SYS_epoll_ctl,    SYS_epoll_pwait,   SYS_write,   SYS_writev,      SYS_pwrite64,
        SYS_read,         SYS_readv,         SYS_pread64, SYS_eventfd2,    SYS_dup,
        SYS_dup3,         SYS_fcntl,         SYS_close,   SYS_ioctl,       SYS_ppoll,
        SYS_pselect6,     SYS_getpid,        SYS_getppid, SYS_gettid,      SYS_kill,
        SYS_tgkill,       SYS_clock_gettime, SYS_fstat,   SYS_sched_yield, SYS_timerfd_settime,
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
static inline void expect_no_call(struct silent *silent, int (*body)(struct silent *)) {
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

#endif
