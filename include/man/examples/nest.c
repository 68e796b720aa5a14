/* SPDX-License-Identifier: MIT */

/*
 * A poll inside another loop, which here is epoll(7) itself: weir_poll_fd(), weir_registry_fd().
 *
 * The loop that is outside takes the descriptor out when the poll ends, and often learns of that late, from another thread. By a
 * clone of the registry it is still told then, and it polls readable, so that the loop wakes and looks.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/net.h>
#include <weir/weir.h>

/* What the outer loop calls when the descriptor is readable. */
static void turn(struct weir_poll *poll, struct weir_events *events) {
        struct weir_event event;
        char text[64];
        ssize_t n;

        if (weir_poll_wait(poll, events, &(struct timespec){ 0, 0 }) < 0)
                return;
        while (weir_events_next(events, &event))
                while ((n = recv((int)event.token, text, sizeof text, 0)) > 0)
                        printf("inside: %.*s\n", (int)n, text);
        weir_events_clear(events);
}

int main(void) {
        struct epoll_event ready, watched = { .events = EPOLLIN };
        int outer = epoll_create1(EPOLL_CLOEXEC), ends[2];
        struct weir_registry *clone;
        struct weir_events *events;
        struct weir_poll *poll;

        if (outer < 0 || weir_poll_create(&poll) < 0 || weir_events_create(8, &events) < 0 ||
            weir_stream_pair(ends) < 0)
                return 1;
        clone = weir_registry_clone(weir_poll_registry(poll));
        if (epoll_ctl(outer, EPOLL_CTL_ADD, weir_poll_fd(poll), &watched) < 0 ||
            weir_register(clone, ends[0], (weir_token)ends[0], WEIR_READABLE) < 0)
                return 1;

        send(ends[1], "hello", 5, 0);
        epoll_wait(outer, &ready, 1, -1);
        turn(poll, events);

        weir_poll_destroy(poll); /* on another thread, as a rule */
        epoll_wait(outer, &ready, 1, -1);
        if (weir_register(clone, ends[1], 0, WEIR_READABLE) == -ESHUTDOWN)
                printf("outside: the poll has ended\n");
        if (epoll_ctl(outer, EPOLL_CTL_DEL, weir_registry_fd(clone), NULL) == 0)
                printf("outside: it is taken out\n");

        weir_registry_release(clone);
        weir_events_destroy(events);
        close(outer);
        close(ends[0]);
        close(ends[1]);
}

/*
 * It prints:
 * inside: hello
 * outside: the poll has ended
 * outside: it is taken out
 */
