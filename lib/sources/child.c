/* SPDX-License-Identifier: MIT */

/*
 * The exit of a child, by pidfd_open(2) and waitid(2). Both are younger than the oldest libc that is supported, so one
 * is called by its number and the other with a number. That the process is a child is asked at once: the descriptor of
 * another's child would tell of the exit, but nothing would ever be read of it.
 */

#include <weir/sources.h>

#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptor.h"

/* The same on every architecture but alpha. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* P_PIDFD, by a name that no libc has for a macro or an enumerator. */
#define WAIT_BY_PIDFD ((idtype_t)3)

WEIR_DESCRIPTOR_ASSERT(struct weir_child);

/* Neither call is ever refused with EPERM by the kernel: that is a filter, as containers have it. */
static int error_of(int error) {
        return error == EPERM ? -ENOSYS : -error;
}

/* Whether the pidfd is one that this process can wait for: 0 or a negative errno. */
static int check_pidfd(int pidfd) {
        siginfo_t info;

        /* The kernel calls that a bad argument, as it does P_PIDFD where it does not know it. */
        if (pidfd < 0)
                return -EBADF;
        if (waitid(WAIT_BY_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
                return 0;
        /* Linux 5.3 makes the descriptor and cannot wait for it. */
        return errno == EINVAL ? -ENOSYS : error_of(errno);
}

int weir_child_init_pidfd(int pidfd, struct weir_child *ret_child) {
        int r;

        if (!ret_child)
                return -EINVAL;
        r = check_pidfd(pidfd);
        if (r < 0)
                return r;
        *ret_child = (struct weir_child){ { &weir_descriptor_ops }, pidfd };
        return 0;
}

int weir_child_init(pid_t pid, struct weir_child *ret_child) {
        int fd, r;

        if (!ret_child)
                return -EINVAL;
        /* Close-on-exec without being asked. */
        fd = (int)syscall(SYS_pidfd_open, pid, 0u);
        if (fd < 0)
                return error_of(errno);
        r = weir_child_init_pidfd(fd, ret_child);
        if (r < 0)
                close(fd);
        return r;
}

int weir_child_read(struct weir_child *child, siginfo_t *ret_info) {
        siginfo_t info = { .si_pid = 0 }; /* which it stays while the child runs */

        if (!child || !weir_descriptor_is_open(&child->source) || !ret_info)
                return -EINVAL;
        if (waitid(WAIT_BY_PIDFD, (id_t)child->fd, &info, WEXITED | WNOHANG) < 0)
                return -errno;
        if (!info.si_pid)
                return -EAGAIN;
        *ret_info = info;
        return 0;
}

void weir_child_deinit(struct weir_child *child) {
        weir_descriptor_close(child ? &child->source : NULL);
}
