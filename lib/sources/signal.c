/* SPDX-License-Identifier: MIT */

/* Signals, by signalfd(2). Masks and dispositions are the program's, and none is changed here. */

#include <weir/sources.h>

#include <errno.h>
#include <unistd.h>

#include "descriptor.h"

WEIR_DESCRIPTOR_ASSERT(struct weir_signals);

int weir_signals_init(const sigset_t *set, struct weir_signals *ret_signals) {
        int fd;

        /* The kernel takes them out of the set in silence. */
        if (!set || !ret_signals || sigismember(set, SIGKILL) || sigismember(set, SIGSTOP))
                return -EINVAL;
        fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_signals = (struct weir_signals){ { &weir_descriptor_ops }, fd };
        return 0;
}

int weir_signals_read(struct weir_signals *signals, struct signalfd_siginfo *ret_info) {
        struct signalfd_siginfo info;

        if (!signals || !weir_descriptor_is_open(&signals->source) || !ret_info)
                return -EINVAL;
        if (read(signals->fd, &info, sizeof info) < 0)
                return -errno;
        *ret_info = info;
        return 0;
}

void weir_signals_deinit(struct weir_signals *signals) {
        weir_descriptor_close(signals ? &signals->source : NULL);
}
