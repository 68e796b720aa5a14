/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SOURCES_H
#define WEIR_SOURCES_H

/*
 * Standard sources for weir: timers, signals, the exit of children, changes of files.
 *
 * Each is a descriptor that the kernel makes readable, with a reader for what it delivers. It is a struct of the caller's, and
 * nothing is allocated: initialise it, register its source member for WEIR_READABLE, and when the event comes read until
 * -EAGAIN. Each reader takes one thing from the kernel and keeps nothing back, so in level-triggered mode reading once is
 * enough. The fd member is for the calls that want a number, weir_rearm() and weir_retoken() among them. A struct may be
 * moved: nothing points to it. Deregister it before its deinit, and give it back by weir_defer() as any other.
 *
 * The conventions of weir.h hold, but that no call here, except through a registry, knows of a poll. Every call returns -EINVAL
 * for a struct that is not initialised; every deinit takes NULL, one that is all zero, and one that was ended before.
 *   Threads   Any, against each other; but init and deinit run against no other call about the same struct.
 *   Blocking  Never. A path given to weir_inotify_add() is looked up, which takes as long as its file system does.
 *   Fork      A child has copies of the descriptors, and deinit closes those alone. What it reads of a timer or of file
 *             changes is lost for its parent, and setting a timer or a watch is setting the parent's. Of signals it reads
 *             those that were sent to itself. Its parent's children are not its own: reading one gets -ECHILD.
 *   System    Linux 5.4 for the exit of children. A program that is compiled as strict C11 (-std=c11) defines _GNU_SOURCE,
 *             or _POSIX_C_SOURCE as 200809L, before its first header; <signal.h> has no sigset_t and siginfo_t without.
 */

#include <signal.h>
#include <sys/types.h>
#include <time.h>

#ifndef CLOCK_MONOTONIC
#error "weir/sources.h needs _GNU_SOURCE, or _POSIX_C_SOURCE of 200809L or more, before the first header"
#endif

#include <sys/signalfd.h>

#include <weir/weir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- timers */

/*
 * A timer, which expires once or periodically. It is for other clocks, for periods that do not drift, and for who wants to know
 * how often one was missed. For all else weir_set_deadline() and weir_waker_set_deadline() are cheaper: they have no
 * descriptor, and are set without a system call.
 */
struct weir_timer {
        struct weir_source source; /* to register */
        int fd;                    /* a timerfd */
};

/*
 * Makes a timer, which is not set.
 *   clock      CLOCK_MONOTONIC, CLOCK_BOOTTIME, which goes on while the machine sleeps, CLOCK_REALTIME, which may be set,
 *              or one of those that wake the machine
 *   ret_timer  the timer
 * Ownership: the caller ends it by weir_timer_deinit().
 * Errors: -EINVAL also for another clock; -EPERM this user may not wake the machine; -EMFILE, -ENFILE, -ENODEV, -ENOMEM.
 */
WEIR_PUBLIC int weir_timer_init(clockid_t clock, struct weir_timer *ret_timer);

/*
 * Sets a timer to expire after a delay. What it had been set to is forgotten, with expirations that were not read.
 *   timer   initialised
 *   delay   how long from now; {0, 0} expires at once
 *   period  from one expiration to the next; NULL for one alone. Not {0, 0}
 * Errors: -EINVAL also for a time that is negative or has a second of nanoseconds or more.
 */
WEIR_PUBLIC int weir_timer_set(struct weir_timer *timer, const struct timespec *delay, const struct timespec *period);

/*
 * Sets a timer to expire when its clock reads a moment; at once if that has passed. Otherwise as weir_timer_set(). One of
 * CLOCK_REALTIME follows the clock when that is set.
 *   timer   initialised
 *   moment  of the timer's clock, as clock_gettime(2) tells it
 *   period  from one expiration to the next; NULL for one alone. Not {0, 0}
 * Errors: those of weir_timer_set(), -EINVAL.
 */
WEIR_PUBLIC int weir_timer_set_at(struct weir_timer *timer, const struct timespec *moment,
                                  const struct timespec *period);

/*
 * As weir_timer_set_at(), but the timer expires, too, when somebody sets its clock, be it the time server that makes it jump:
 * then weir_timer_read() gets -ECANCELED, and what the moment was computed from no longer holds. For "at three in the morning".
 * Set it anew after that, for an expiration that came with it is forgotten.
 *   timer   initialised, of CLOCK_REALTIME or CLOCK_REALTIME_ALARM: no other clock is set
 *   moment  of the timer's clock, as clock_gettime(2) tells it
 *   period  from one expiration to the next; NULL for one alone. Not {0, 0}
 * Errors: those of weir_timer_set(), -EINVAL; -ECANCELED the clock was set since the timer was set this way before, and no read
 * has told that: this does. The timer is set all the same.
 */
WEIR_PUBLIC int weir_timer_set_at_or_jump(struct weir_timer *timer, const struct timespec *moment,
                                          const struct timespec *period);

/*
 * Stops a timer. Expirations that were not read are forgotten, and the timer is not readable after the return.
 *   timer  initialised
 * Errors: -EINVAL.
 */
WEIR_PUBLIC int weir_timer_disarm(struct weir_timer *timer);

/*
 * Takes the expirations of a timer.
 *   timer            initialised
 *   ret_expirations  how many there were since it was set or last read; more than 1 if a period was missed
 * Errors: -EINVAL; -EAGAIN none; -ECANCELED of one that weir_timer_set_at_or_jump() has set: the clock was. That is told once.
 */
WEIR_PUBLIC int weir_timer_read(struct weir_timer *timer, uint64_t *ret_expirations);

/*
 * Ends a timer and closes its descriptor.
 *   timer  deregistered; or all zero, or NULL
 */
WEIR_PUBLIC void weir_timer_deinit(struct weir_timer *timer);

/* ---------------------------------------------------------------- signals */

/* Signals that come to the process. */
struct weir_signals {
        struct weir_source source; /* to register */
        int fd;                    /* a signalfd */
};

/*
 * Makes a source of signals. It changes neither the mask of a thread nor a disposition: the caller blocks the signals in
 * every thread (pthread_sigmask(3) before the first pthread_create(3)), or they are handled as if the source were not there.
 * A signal that was sent to one thread, by pthread_kill(3) or raise(3), is seen by that thread alone. A child that is
 * executed inherits the mask: unblock them there.
 *   set          the signals; not SIGKILL or SIGSTOP, which cannot be blocked
 *   ret_signals  the source
 * Ownership: the caller ends it by weir_signals_deinit(). Errors: -EINVAL; -EMFILE, -ENFILE, -ENODEV, -ENOMEM.
 */
WEIR_PUBLIC int weir_signals_init(const sigset_t *set, struct weir_signals *ret_signals);

/*
 * Takes one pending signal of the set. Standard signals coalesce: several of one number may come as one.
 *   signals   initialised
 *   ret_info  the signal: ssi_signo, who sent it, and more, see signalfd(2)
 * Errors: -EINVAL; -EAGAIN none is pending.
 */
WEIR_PUBLIC int weir_signals_read(struct weir_signals *signals, struct signalfd_siginfo *ret_info);

/*
 * Ends a source of signals and closes its descriptor. What is pending stays so.
 *   signals  deregistered; or all zero, or NULL
 */
WEIR_PUBLIC void weir_signals_deinit(struct weir_signals *signals);

/* ---------------------------------------------------------------- children */

/* The exit of one child. */
struct weir_child {
        struct weir_source source; /* to register */
        int fd;                    /* a pidfd */
};

/*
 * Makes a source of the exit of a child, which may be over already. No signal is involved: SIGCHLD needs no handler, but must
 * not be ignored, and nobody else may wait for the child.
 *   pid        of a child of this process that was not waited for
 *   ret_child  the source
 * Ownership: the caller ends it by weir_child_deinit().
 * Errors: -EINVAL also for a pid that is not positive; -ESRCH no such process; -ECHILD no child of this process, or waited
 * for already; -ENOSYS the kernel is older than Linux 5.4, or a filter forbids it; -EMFILE, -ENFILE, -ENODEV, -ENOMEM.
 */
WEIR_PUBLIC int weir_child_init(pid_t pid, struct weir_child *ret_child);

/*
 * The same by a pidfd that one has, of clone(2) with CLONE_PIDFD, pidfd_open(2) or a library that starts children.
 *   pidfd      of a child of this process that was not waited for. From the return of 0 on it is the source's, and closed by
 *              weir_child_deinit(); else it stays the caller's
 *   ret_child  the source
 * Ownership: the caller ends it by weir_child_deinit().
 * Errors: -EINVAL; -EBADF it is not open, or no pidfd; -ECHILD no child of this process, or waited for already; -ENOSYS the
 * kernel is older than Linux 5.4, or a filter forbids it.
 */
WEIR_PUBLIC int weir_child_init_pidfd(int pidfd, struct weir_child *ret_child);

/*
 * Waits for the child (waitid(2)) if it has exited, so that no zombie is left. The descriptor stays readable after it.
 *   child     initialised
 *   ret_info  how it ended: si_code is CLD_EXITED and si_status its exit status, or CLD_KILLED or CLD_DUMPED and a signal
 * Errors: -EINVAL; -EAGAIN it still runs; -ECHILD it was waited for, by a call before or by another, or SIGCHLD is ignored.
 */
WEIR_PUBLIC int weir_child_read(struct weir_child *child, siginfo_t *ret_info);

/*
 * Ends the source and closes its descriptor. The child is neither killed nor waited for.
 *   child  deregistered; or all zero, or NULL
 */
WEIR_PUBLIC void weir_child_deinit(struct weir_child *child);

/* ---------------------------------------------------------------- changes of files */

/* Changes of files and directories, any number of them. */
struct weir_inotify {
        struct weir_source source; /* to register */
        int fd;                    /* an inotify instance */
};

/* One change. */
struct weir_change {
        int watch;       /* of weir_inotify_add(); -1 for IN_Q_OVERFLOW */
        uint32_t mask;   /* what happened: bits of inotify(7) */
        uint32_t cookie; /* the same in both halves of a rename, else 0 */
        char name[256];  /* in a directory that is watched, which file; else "" */
};

/*
 * Makes a source of changes, which watches nothing yet.
 *   ret_inotify  the source
 * Ownership: the caller ends it by weir_inotify_deinit().
 * Errors: -EINVAL; -EMFILE, also for too many of this user (/proc/sys/fs/inotify/max_user_instances); -ENFILE, -ENOMEM.
 */
WEIR_PUBLIC int weir_inotify_init(struct weir_inotify *ret_inotify);

/*
 * Watches a file or a directory, or changes what is watched of it: the watch is of the file, whatever its path.
 *   inotify  initialised
 *   path     of what exists
 *   mask     which changes, and how to look the path up: bits of inotify(7), of <sys/inotify.h>
 * Returns the watch, which is positive.
 * Errors: -EINVAL also for a mask without a change; -ENOENT, -EACCES, -ENOTDIR, -ELOOP, -ENAMETOOLONG about the path; -EEXIST
 * it is watched already and the mask has IN_MASK_CREATE; -ENOSPC the user's limit of watches
 * (/proc/sys/fs/inotify/max_user_watches); -ENOMEM.
 */
WEIR_PUBLIC int weir_inotify_add(struct weir_inotify *inotify, const char *path, uint32_t mask);

/*
 * Ends a watch. Changes that were not read yet still come, and then IN_IGNORED.
 *   inotify  initialised
 *   watch    from weir_inotify_add()
 * Errors: -EINVAL also for a watch that is not there, be it that its file has gone.
 */
WEIR_PUBLIC int weir_inotify_remove(struct weir_inotify *inotify, int watch);

/*
 * Takes one change, the oldest.
 *   inotify     initialised; one thread at a time
 *   ret_change  the change. IN_IGNORED: the watch has ended; IN_Q_OVERFLOW: the queue was full, and changes were lost
 * Errors: -EINVAL; -EAGAIN none.
 */
WEIR_PUBLIC int weir_inotify_read(struct weir_inotify *inotify, struct weir_change *ret_change);

/*
 * Ends the source with all of its watches and closes its descriptor.
 *   inotify  deregistered; or all zero, or NULL
 */
WEIR_PUBLIC void weir_inotify_deinit(struct weir_inotify *inotify);

#ifdef __cplusplus
}
#endif

#endif
