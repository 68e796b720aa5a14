/* SPDX-License-Identifier: MIT */

/*
 * Changes of files, by inotify(7). The reader takes one change from the kernel at a time and keeps none back: a buffer of
 * ours would hold changes that no event speaks of. Read read_one() for how that is done.
 */

#include <weir/sources.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "descriptor.h"

WEIR_DESCRIPTOR_ASSERT(struct weir_inotify);

_Static_assert(sizeof(((struct weir_change *)0)->name) == NAME_MAX + 1, "room for every name");

int weir_inotify_init(struct weir_inotify *ret_inotify) {
        int fd;

        if (!ret_inotify)
                return -EINVAL;
        fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_inotify = (struct weir_inotify){ { &weir_descriptor_ops }, fd };
        return 0;
}

int weir_inotify_add(struct weir_inotify *inotify, const char *path, uint32_t mask) {
        int watch;

        if (!inotify || !weir_descriptor_is_open(&inotify->source) || !path)
                return -EINVAL;
        watch = inotify_add_watch(inotify->fd, path, mask);
        return watch < 0 ? -errno : watch;
}

int weir_inotify_remove(struct weir_inotify *inotify, int watch) {
        if (!inotify || !weir_descriptor_is_open(&inotify->source))
                return -EINVAL;
        return inotify_rm_watch(inotify->fd, watch) < 0 ? -errno : 0;
}

/*
 * Reads as many bytes as one change has. How many those are only a failure tells: the kernel refuses (EINVAL) a size that the
 * oldest change does not fit. So the size grows by the smallest change there is; the first that fits has no room for two.
 */
static ssize_t read_one(int fd, char *buffer, size_t size) {
        ssize_t n = -1;

        for (size_t room = sizeof(struct inotify_event); room <= size; room += sizeof(struct inotify_event)) {
                n = read(fd, buffer, room);
                if (n >= 0 || errno != EINVAL)
                        break;
        }
        return n;
}

int weir_inotify_read(struct weir_inotify *inotify, struct weir_change *ret_change) {
        char buffer[sizeof(struct inotify_event) + NAME_MAX + 1];
        struct inotify_event head;
        struct weir_change change = { .name = "" };

        if (!inotify || !weir_descriptor_is_open(&inotify->source) || !ret_change)
                return -EINVAL;
        if (read_one(inotify->fd, buffer, sizeof buffer) < 0)
                return -errno;
        memcpy(&head, buffer, sizeof head);
        change.watch = head.wd;
        change.mask = head.mask;
        change.cookie = head.cookie;
        memcpy(change.name, buffer + sizeof head, head.len);
        *ret_change = change;
        return 0;
}

void weir_inotify_deinit(struct weir_inotify *inotify) {
        weir_descriptor_close(inotify ? &inotify->source : NULL);
}
