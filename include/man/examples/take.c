/* SPDX-License-Identifier: MIT */

/*
 * Several events at once, and events that grow old: weir_events_take(), weir_deregister_if(), weir_event_is_half_closed(),
 * weir_event_is_hung_up().
 *
 * A loop takes up to eight events into an array, as a binding for another language does. While it is at one of them it may end the
 * connection of another, and a new connection may get the same number. Then the event that lies in the array is an old one: it
 * says that somebody has hung up, and that was somebody else.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/net.h>
#include <weir/weir.h>

static struct weir_poll *poll;
static struct weir_registry *registry;
static int replaced, peer; /* a connection that the first event replaces, and the other end of the new one */

/* Gives its number to a new connection. */
static void replace(int fd) {
        int ends[2];

        weir_deregister(registry, fd);
        close(fd);
        if (weir_stream_pair(ends) < 0)
                return;
        replaced = ends[0]; /* the lowest number that is free: the same one */
        peer = ends[1];
        printf("replaced, by one of %s number\n", replaced == fd ? "the same" : "another");
        weir_register(registry, replaced, (weir_token)replaced, WEIR_READABLE);
}

static void serve(const struct weir_event *event) {
        int fd = (int)event->token;
        char text[64];
        ssize_t n = recv(fd, text, sizeof text, 0);

        if (n > 0 && text[0] == 'r') {
                replace(replaced);
        } else if (weir_event_is_hung_up(event)) { /* nobody is there for an answer */
                if (weir_deregister_if(registry, fd, event) == 0)
                        close(fd);
                else
                        printf("an old event: who is there now stays\n");
        } else if (weir_event_is_half_closed(event)) { /* it has said all, and reads on */
                printf("a question: %.*s\n", (int)n, text);
                send(fd, "because", 7, MSG_NOSIGNAL);
                if (weir_deregister_if(registry, fd, event) == 0)
                        close(fd);
        } else {
                printf("it says: %.*s\n", (int)n, text);
        }
}

/* One wait, and all that it brings. */
static void turn(struct weir_events *events) {
        struct weir_event array[8];
        unsigned n;

        if (weir_poll_wait(poll, events, NULL) <= 0)
                return;
        while ((n = weir_events_take(events, array, 8)) > 0)
                for (unsigned i = 0; i < n; ++i)
                        serve(&array[i]);
        weir_events_clear(events);
}

int main(void) {
        struct weir_events *events;
        int control[2], other[2], asking[2];
        char text[64];
        ssize_t n;

        if (weir_poll_create(&poll) < 0 || weir_events_create(64, &events) < 0 || weir_stream_pair(control) < 0 ||
            weir_stream_pair(other) < 0 || weir_stream_pair(asking) < 0)
                return 1;
        registry = weir_poll_registry(poll);
        replaced = other[0];
        send(control[1], "replace", 7, 0);
        weir_register(registry, control[0], (weir_token)control[0], WEIR_READABLE);
        close(other[1]); /* hangs up */
        weir_register(registry, other[0], (weir_token)other[0], WEIR_READABLE);
        turn(events);

        send(peer, "hello", 5, 0);
        turn(events);

        weir_register(registry, asking[0], (weir_token)asking[0], WEIR_READABLE);
        send(asking[1], "why?", 4, 0);
        shutdown(asking[1], SHUT_WR);
        turn(events);
        n = read(asking[1], text, sizeof text);
        printf("the answer: %.*s\n", (int)n, text);

        weir_events_destroy(events);
        weir_poll_destroy(poll);
        close(control[0]);
        close(control[1]);
        close(asking[1]);
        close(replaced);
        close(peer);
}

/*
 * It prints:
 * replaced, by one of the same number
 * an old event: who is there now stays
 * it says: hello
 * a question: why?
 * the answer: because
 */
