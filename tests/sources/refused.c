/* SPDX-License-Identifier: MIT */
/*
 * The kernel refuses a call: its errno comes back, nothing is left open, and outputs stay as they were. The linker sends the
 * library's system calls here (--wrap). Here, too, is the kernel that is too old for pidfds.
 */
#include "support.h"

#include <signal.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <weir/sources.h>

/* The calls of this name fail with the errno; NULL for none. */
static const char *refused;
static int refuse_with;
static unsigned refusals;

static bool refuses(const char *name) {
        if (!refused || strcmp(refused, name) != 0)
                return false;
        ++refusals;
        errno = refuse_with;
        return true;
}

#define WRAP(name, parameters, arguments)                             \
        int __real_##name parameters;                                 \
        int __wrap_##name parameters;                                 \
        int __wrap_##name parameters {                                \
                return refuses(#name) ? -1 : __real_##name arguments; \
        }

WRAP(inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask))
WRAP(inotify_init1, (int flags), (flags))
WRAP(signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags))
WRAP(timerfd_create, (clockid_t clock, int flags), (clock, flags))
WRAP(waitid, (idtype_t type, id_t id, siginfo_t *info, int options), (type, id, info, options))

/* The flags of the last timer that was set. */
static int flags_set;

ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *former);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *former);

ssize_t __wrap_read(int fd, void *buffer, size_t size) {
        return refuses("read") ? -1 : __real_read(fd, buffer, size);
}

/* As the kernel does it: the timer is set even so. */
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *former) {
        int r = __real_timerfd_settime(fd, flags, value, former);

        flags_set = flags;
        return refuses("timerfd_settime") ? -1 : r;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

/* Six words, whatever the call: those that it does not have are not looked at. */
long __wrap_syscall(long number, ...) {
        va_list list;
        long words[6];

        if (number == SYS_pidfd_open && refuses("pidfd_open"))
                return -1;
        va_start(list, number);
        for (size_t i = 0; i < ARRAY_LEN(words); ++i)
                words[i] = va_arg(list, long);
        va_end(list);
        return __real_syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

static pid_t pid;
static struct weir_timer timer;
static struct weir_signals signals;
static struct weir_child child;
static struct weir_inotify inotify;

static int call_timer_init(void) {
        return weir_timer_init(CLOCK_MONOTONIC, &timer);
}

static int call_signals_init(void) {
        sigset_t set;

        sigemptyset(&set);
        return weir_signals_init(&set, &signals);
}

static int call_child_init(void) {
        return weir_child_init(pid, &child);
}

static int call_inotify_init(void) {
        return weir_inotify_init(&inotify);
}

/* The call fails because the one below it does, with this errno, and leaves neither a descriptor nor a source. */
static void refuse(int (*call)(void), const char *name, int error, int expected) {
        unsigned open_before = count_descriptors();

        refused = name;
        refuse_with = error;
        refusals = 0;
        assert_int_equal(call(), -expected);
        refused = NULL;
        assert_int_equal(refusals, 1);
        assert_int_equal(count_descriptors(), open_before);
        assert_null(timer.source.ops);
        assert_null(signals.source.ops);
        assert_null(child.source.ops);
        assert_null(inotify.source.ops);
}

static void a_refused_init_leaves_nothing(void **state) {
        static const int errors[] = { EMFILE, ENFILE, ENODEV, ENOMEM, EPERM };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(errors); ++i) {
                refuse(call_timer_init, "timerfd_create", errors[i], errors[i]);
                refuse(call_signals_init, "signalfd", errors[i], errors[i]);
                refuse(call_inotify_init, "inotify_init1", errors[i], errors[i]);
        }
}

static void a_refused_child_leaves_nothing(void **state) {
        int status;

        (void)state;
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(0);
        refuse(call_child_init, "pidfd_open", EMFILE, EMFILE);
        refuse(call_child_init, "pidfd_open", ENOSYS, ENOSYS);
        refuse(call_child_init, "waitid", ECHILD, ECHILD);
        /* Linux 5.3 knows no P_PIDFD. */
        refuse(call_child_init, "waitid", EINVAL, ENOSYS);
        /* The child is still there to be waited for. */
        assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void a_refused_watch_leaves_what_was(void **state) {
        int watch;

        (void)state;
        assert_int_equal(call_inotify_init(), 0);
        watch = weir_inotify_add(&inotify, "/", IN_CREATE);
        assert_true(watch > 0);
        refused = "inotify_add_watch";
        refuse_with = ENOSPC;
        assert_int_equal(weir_inotify_add(&inotify, "/", IN_CREATE), -ENOSPC);
        refused = NULL;
        assert_int_equal(weir_inotify_remove(&inotify, watch), 0);
        weir_inotify_deinit(&inotify);
}

/* A pidfd that is refused stays the caller's. */
static void a_refused_pidfd_stays_the_callers(void **state) {
        static const int errors[][2] = { { EPERM, ENOSYS }, { EINVAL, ENOSYS }, { EBADF, EBADF }, { ECHILD, ECHILD } };
        int pidfd = 0;

        (void)state;
        refused = "waitid";
        for (size_t i = 0; i < ARRAY_LEN(errors); ++i) {
                refuse_with = errors[i][0];
                assert_int_equal(weir_child_init_pidfd(pidfd, &child), -errors[i][1]);
                assert_null(child.source.ops);
                assert_true(fcntl(pidfd, F_GETFD) >= 0);
        }
        refused = NULL;
}

/* Nobody sets the machine's clock here: what the kernel says when somebody has is said for it. */
static void a_clock_that_was_set_is_told_by_read_or_set(void **state) {
        const struct timespec far = { .tv_sec = TIME_MAX };
        uint64_t expirations = 7;

        (void)state;
        assert_int_equal(weir_timer_init(CLOCK_REALTIME, &timer), 0);
        assert_int_equal(weir_timer_set_at(&timer, &far, NULL), 0);
        assert_int_equal(flags_set, TFD_TIMER_ABSTIME);
        assert_int_equal(weir_timer_set_at_or_jump(&timer, &far, NULL), 0);
        assert_int_equal(flags_set, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
        refuse_with = ECANCELED;
        refused = "read";
        assert_int_equal(weir_timer_read(&timer, &expirations), -ECANCELED);
        assert_int_equal(expirations, 7);
        refused = "timerfd_settime";
        assert_int_equal(weir_timer_set_at_or_jump(&timer, &far, NULL), -ECANCELED);
        refused = NULL;
        assert_int_equal(weir_timer_read(&timer, &expirations), -EAGAIN);
        weir_timer_deinit(&timer);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(a_refused_init_leaves_nothing),
                CASE(a_refused_child_leaves_nothing),
                CASE(a_refused_watch_leaves_what_was),
                CASE(a_refused_pidfd_stays_the_callers),
                CASE(a_clock_that_was_set_is_told_by_read_or_set),
        };

        return cmocka_run_group_tests_name("refused", cases, NULL, NULL);
}
