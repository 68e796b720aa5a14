/* SPDX-License-Identifier: MIT */
/* Children that really exit: each waits on a pipe until the case lets it go. */
#include "support.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <weir/sources.h>

#define CHILD 7

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* A child that exits with the status when its pipe is closed. */
struct started {
        pid_t pid;
        int gate; /* our end of the pipe */
};

static struct started start(int status) {
        struct started started;
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        started.pid = fork();
        assert_true(started.pid >= 0);
        if (started.pid == 0) {
                char c;

                close(fds[1]);
                _exit(read(fds[0], &c, 1) == 0 ? status : 255);
        }
        close(fds[0]);
        started.gate = fds[1];
        return started;
}

static void let_go(struct started *started) {
        close(started->gate);
}

static struct weir_child make_child(pid_t pid) {
        struct weir_child child;

        assert_int_equal(weir_child_init(pid, &child), 0);
        assert_int_equal(fcntl(child.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        return child;
}

static void watch(struct fixture *fx, struct weir_child *child, weir_token token, weir_interest interest) {
        assert_int_equal(weir_source_register(fx->registry, &child->source, token, interest), 0);
}

static void end(struct fixture *fx, struct weir_child *child) {
        assert_int_equal(weir_source_deregister(fx->registry, &child->source), 0);
        weir_child_deinit(child);
}

static void an_exit_is_read_with_its_status(void **state) {
        struct fixture *fx = *state;
        struct started started = start(42);
        struct weir_child child = make_child(started.pid);
        siginfo_t info = { .si_pid = 99 };

        watch(fx, &child, CHILD, WEIR_READABLE);
        expect_silence(fx);
        assert_int_equal(weir_child_read(&child, &info), -EAGAIN);
        assert_int_equal(info.si_pid, 99);
        let_go(&started);
        expect_one(fx, CHILD);
        assert_int_equal(weir_child_read(&child, &info), 0);
        assert_int_equal(info.si_pid, started.pid);
        assert_int_equal(info.si_code, CLD_EXITED);
        assert_int_equal(info.si_status, 42);
        /* It was waited for, and no zombie is left. */
        assert_int_equal(weir_child_read(&child, &info), -ECHILD);
        assert_int_equal(waitpid(started.pid, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
        end(fx, &child);
}

static void a_killed_child_is_read_with_its_signal(void **state) {
        struct fixture *fx = *state;
        struct started started = start(0);
        struct weir_child child = make_child(started.pid);
        siginfo_t info;

        watch(fx, &child, CHILD, WEIR_READABLE);
        assert_int_equal(kill(started.pid, SIGKILL), 0);
        expect_one(fx, CHILD);
        assert_int_equal(weir_child_read(&child, &info), 0);
        assert_int_equal(info.si_code, CLD_KILLED);
        assert_int_equal(info.si_status, SIGKILL);
        let_go(&started);
        end(fx, &child);
}

static void a_child_may_have_exited_before(void **state) {
        struct fixture *fx = *state;
        struct started started = start(3);
        struct weir_child child;
        siginfo_t info;

        let_go(&started);
        assert_int_equal(waitid(P_PID, (id_t)started.pid, &info, WEXITED | WNOWAIT), 0);
        child = make_child(started.pid);
        watch(fx, &child, CHILD, WEIR_READABLE);
        expect_one(fx, CHILD);
        assert_int_equal(weir_child_read(&child, &info), 0);
        assert_int_equal(info.si_status, 3);
        end(fx, &child);
}

static void several_children_are_told_apart(void **state) {
        struct fixture *fx = *state;
        struct started started[4];
        struct weir_child children[4];
        siginfo_t info;

        for (unsigned i = 0; i < 4; ++i) {
                started[i] = start((int)i);
                children[i] = make_child(started[i].pid);
                watch(fx, &children[i], i, WEIR_READABLE);
        }
        for (unsigned i = 4; i-- > 0;) {
                let_go(&started[i]);
                expect_one(fx, i);
                assert_int_equal(weir_child_read(&children[i], &info), 0);
                assert_int_equal(info.si_pid, started[i].pid);
                assert_int_equal(info.si_status, i);
                end(fx, &children[i]);
        }
}

static void a_pidfd_that_one_has_becomes_a_source(void **state) {
        struct fixture *fx = *state;
        struct started started = start(6);
        int pidfd = (int)syscall(SYS_pidfd_open, started.pid, 0u);
        struct weir_child child;
        siginfo_t info;

        assert_true(pidfd >= 0);
        assert_int_equal(weir_child_init_pidfd(pidfd, &child), 0);
        assert_int_equal(child.fd, pidfd);
        watch(fx, &child, CHILD, WEIR_READABLE);
        assert_int_equal(weir_child_read(&child, &info), -EAGAIN);
        let_go(&started);
        expect_one(fx, CHILD);
        assert_int_equal(weir_child_read(&child, &info), 0);
        assert_int_equal(info.si_status, 6);
        end(fx, &child);
        assert_int_equal(fcntl(pidfd, F_GETFD), -1);
}

static void a_descriptor_that_is_no_pidfd_of_a_child_is_refused(void **state) {
        struct started started = start(0);
        int pidfd = (int)syscall(SYS_pidfd_open, started.pid, 0u), own = (int)syscall(SYS_pidfd_open, getpid(), 0u);
        struct weir_child child = { .fd = -7 };
        int fds[2];

        (void)state;
        make_pipe(fds);
        assert_int_equal(weir_child_init_pidfd(pidfd, NULL), -EINVAL);
        assert_int_equal(weir_child_init_pidfd(-1, &child), -EBADF);
        assert_int_equal(weir_child_init_pidfd(lowest_free_descriptor(), &child), -EBADF);
        assert_int_equal(weir_child_init_pidfd(fds[0], &child), -EBADF);
        assert_int_equal(weir_child_init_pidfd(own, &child), -ECHILD);
        let_go(&started);
        assert_int_equal(waitpid(started.pid, NULL, 0), started.pid);
        assert_int_equal(weir_child_init_pidfd(pidfd, &child), -ECHILD);
        assert_null(child.source.ops);
        assert_int_equal(child.fd, -7);
        assert_true(fcntl(pidfd, F_GETFD) >= 0);
        close(own);
        close(pidfd);
        close_pair(fds);
}

static void a_one_shot_speaks_once(void **state) {
        struct fixture *fx = *state;
        struct started started = start(0);
        struct weir_child child = make_child(started.pid);
        siginfo_t info;

        watch(fx, &child, CHILD, WEIR_READABLE | WEIR_ONESHOT);
        assert_int_equal(weir_rearm(fx->registry, child.fd, WEIR_READABLE), 0);
        let_go(&started);
        expect_one(fx, CHILD);
        expect_silence(fx);
        assert_int_equal(weir_child_read(&child, &info), 0);
        end(fx, &child);
}

static void deinit_neither_kills_nor_waits(void **state) {
        struct started started = start(5);
        struct weir_child child = make_child(started.pid);
        int status;

        (void)state;
        weir_child_deinit(&child);
        let_go(&started);
        assert_int_equal(waitpid(started.pid, &status, 0), started.pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 5);
}

static void one_that_somebody_waited_for_gets_echild(void **state) {
        struct started started = start(0);
        struct weir_child child = make_child(started.pid);
        siginfo_t info = { .si_pid = 99 };

        (void)state;
        let_go(&started);
        assert_int_equal(waitpid(started.pid, NULL, 0), started.pid);
        assert_int_equal(weir_child_read(&child, &info), -ECHILD);
        assert_int_equal(info.si_pid, 99);
        weir_child_deinit(&child);
}

static void with_sigchld_ignored_reading_gets_echild(void **state) {
        struct fixture *fx = *state;
        struct started started = start(0);
        struct weir_child child = make_child(started.pid);
        siginfo_t info;

        assert_true(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
        watch(fx, &child, CHILD, WEIR_READABLE);
        let_go(&started);
        expect_soon(fx, CHILD);
        assert_int_equal(weir_child_read(&child, &info), -ECHILD);
        assert_true(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
        end(fx, &child);
}

static int read_in_child(void *arg) {
        siginfo_t info;

        REQUIRE(weir_child_read(arg, &info) == -ECHILD);
        weir_child_deinit(arg);
        return 0;
}

static void a_forked_child_cannot_read_its_sibling(void **state) {
        struct started started = start(0);
        struct weir_child child = make_child(started.pid);
        siginfo_t info;

        (void)state;
        assert_int_equal(run_child(read_in_child, &child), 0);
        let_go(&started);
        assert_true(polls_readable(child.fd, DEADLINE_MS));
        assert_int_equal(weir_child_read(&child, &info), 0);
        weir_child_deinit(&child);
}

static void bad_arguments_get_a_clear_errno(void **state) {
        struct fixture *fx = *state;
        struct started started = start(0);
        struct weir_child child = { .fd = 0 };
        siginfo_t info = { .si_pid = 99 };

        assert_int_equal(weir_child_init(started.pid, NULL), -EINVAL);
        assert_int_equal(weir_child_init(0, &child), -EINVAL);
        assert_int_equal(weir_child_init(-1, &child), -EINVAL);
        assert_int_equal(weir_child_init(getpid(), &child), -ECHILD);
        assert_int_equal(weir_child_init(getppid(), &child), -ECHILD);
        assert_int_equal(weir_child_read(NULL, &info), -EINVAL);
        assert_int_equal(weir_child_read(&child, &info), -EINVAL);
        assert_int_equal(weir_source_register(fx->registry, &child.source, CHILD, WEIR_READABLE), -EINVAL);
        weir_child_deinit(&child);
        weir_child_deinit(NULL);
        child = make_child(started.pid);
        assert_int_equal(weir_child_read(&child, NULL), -EINVAL);
        weir_child_deinit(&child);
        assert_int_equal(weir_child_read(&child, &info), -EINVAL);
        weir_child_deinit(&child);
        assert_int_equal(info.si_pid, 99);
        assert_int_equal(stats_of(fx->registry).registered, 0);
        assert_true(fcntl(0, F_GETFD) >= 0);

        let_go(&started);
        assert_int_equal(waitpid(started.pid, NULL, 0), started.pid);
        assert_int_equal(weir_child_init(started.pid, &child), -ESRCH);
        assert_null(child.source.ops);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(an_exit_is_read_with_its_status),
                CASE(a_killed_child_is_read_with_its_signal),
                CASE(a_child_may_have_exited_before),
                CASE(several_children_are_told_apart),
                CASE(a_pidfd_that_one_has_becomes_a_source),
                CASE(a_descriptor_that_is_no_pidfd_of_a_child_is_refused),
                CASE(a_one_shot_speaks_once),
                CASE(deinit_neither_kills_nor_waits),
                CASE(one_that_somebody_waited_for_gets_echild),
                CASE(with_sigchld_ignored_reading_gets_echild),
                CASE(a_forked_child_cannot_read_its_sibling),
                CASE(bad_arguments_get_a_clear_errno),
        };

        return cmocka_run_group_tests_name("child", cases, NULL, NULL);
}
