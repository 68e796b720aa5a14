/* SPDX-License-Identifier: MIT */

/*
 * A child whose pidfd somebody else made, and a time of day: weir_child_init_pidfd(), weir_timer_set_at_or_jump().
 *
 * weir_child_init() makes a pidfd from a number. Where the child is started with one, by clone(2) with CLONE_PIDFD or by a library,
 * that one is taken: then there is no moment in which the number could be another process's.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <weir/sources.h>
#include <weir/weir.h>

enum { CHILD, CLOCK };

/* As a library does that starts children: it returns a pidfd, and not the number. */
static int start_child(int code) {
        pid_t pid = fork();

        if (pid == 0)
                _exit(code);
        return pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
}

/* The next full tenth of a second; a program computes three in the morning here, by mktime(3). */
static struct timespec next_time(void) {
        struct timespec moment;

        clock_gettime(CLOCK_REALTIME, &moment);
        moment.tv_nsec += 100000000 - moment.tv_nsec % 100000000;
        if (moment.tv_nsec == 1000000000) {
                ++moment.tv_sec;
                moment.tv_nsec = 0;
        }
        return moment;
}

/* Sets it, and again if somebody set the clock meanwhile: then that moment is another one by now. */
static void set_clock(struct weir_timer *timer) {
        struct timespec moment;

        do
                moment = next_time();
        while (weir_timer_set_at_or_jump(timer, &moment, NULL) == -ECANCELED);
}

int main(void) {
        struct weir_poll *poll;
        struct weir_events *events;
        struct weir_event event;
        struct weir_child child;
        struct weir_timer timer;
        bool exited = false, struck = false;
        uint64_t expirations;
        siginfo_t info;
        int pidfd = start_child(7);

        if (pidfd < 0 || weir_child_init_pidfd(pidfd, &child) < 0 || weir_timer_init(CLOCK_REALTIME, &timer) < 0 ||
            weir_poll_create(&poll) < 0 || weir_events_create(8, &events) < 0)
                return 1;
        set_clock(&timer);
        weir_source_register(weir_poll_registry(poll), &child.source, CHILD, WEIR_READABLE);
        weir_source_register(weir_poll_registry(poll), &timer.source, CLOCK, WEIR_READABLE);
        while (!exited || !struck) {
                weir_poll_wait(poll, events, NULL);
                while (weir_events_next(events, &event))
                        if (event.token == CHILD) {
                                if (weir_child_read(&child, &info) == 0)
                                        exited = true;
                        } else if (weir_timer_read(&timer, &expirations) == -ECANCELED) {
                                set_clock(&timer);
                        } else {
                                struck = true;
                        }
        }
        printf("the child exited with %d\n", info.si_status);
        printf("the hour has struck\n");
        weir_source_deregister(weir_poll_registry(poll), &child.source);
        weir_source_deregister(weir_poll_registry(poll), &timer.source);
        weir_child_deinit(&child);
        weir_timer_deinit(&timer);
        weir_events_destroy(events);
        weir_poll_destroy(poll);
}

/*
 * It prints:
 * the child exited with 7
 * the hour has struck
 */
