/* SPDX-License-Identifier: MIT */

/* Timers, by timerfd_create(2). Read set_timer() first: a time of zero means something else to the kernel than to us. */

#include <weir/sources.h>

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "descriptor.h"

WEIR_DESCRIPTOR_ASSERT(struct weir_timer);

int weir_timer_init(clockid_t clock, struct weir_timer *ret_timer) {
        int fd;

        if (!ret_timer)
                return -EINVAL;
        fd = timerfd_create(clock, TFD_NONBLOCK | TFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_timer = (struct weir_timer){ { &weir_descriptor_ops }, fd };
        return 0;
}

static bool timer_is_zero(const struct timespec *time) {
        return time->tv_sec == 0 && time->tv_nsec == 0;
}

/* To the kernel a time of zero disarms, so "at once" is one nanosecond, and a period of zero is none, so it is refused. */
static int set_timer(struct weir_timer *timer, int flags, const struct timespec *time, const struct timespec *period) {
        struct itimerspec spec = { .it_value.tv_nsec = 1 };

        if (!timer || !weir_descriptor_is_open(&timer->source) || !time || (period && timer_is_zero(period)))
                return -EINVAL;
        if (!timer_is_zero(time))
                spec.it_value = *time;
        if (period)
                spec.it_interval = *period;
        return timerfd_settime(timer->fd, flags, &spec, NULL) < 0 ? -errno : 0;
}

int weir_timer_set(struct weir_timer *timer, const struct timespec *delay, const struct timespec *period) {
        return set_timer(timer, 0, delay, period);
}

int weir_timer_set_at(struct weir_timer *timer, const struct timespec *moment, const struct timespec *period) {
        return set_timer(timer, TFD_TIMER_ABSTIME, moment, period);
}

int weir_timer_set_at_or_jump(struct weir_timer *timer, const struct timespec *moment, const struct timespec *period) {
        return set_timer(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, moment, period);
}

int weir_timer_disarm(struct weir_timer *timer) {
        static const struct itimerspec never;

        if (!timer || !weir_descriptor_is_open(&timer->source))
                return -EINVAL;
        return timerfd_settime(timer->fd, 0, &never, NULL) < 0 ? -errno : 0;
}

int weir_timer_read(struct weir_timer *timer, uint64_t *ret_expirations) {
        uint64_t expirations;

        if (!timer || !weir_descriptor_is_open(&timer->source) || !ret_expirations)
                return -EINVAL;
        if (read(timer->fd, &expirations, sizeof expirations) < 0)
                return -errno;
        *ret_expirations = expirations;
        return 0;
}

void weir_timer_deinit(struct weir_timer *timer) {
        weir_descriptor_close(timer ? &timer->source : NULL);
}
