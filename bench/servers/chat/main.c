/* SPDX-License-Identifier: MIT */

/*
 * chat: people connect by telnet or nc, say their name, and from then on everybody reads what anybody writes. Read
 * wait_and_dispatch() first, then moderate(), then room.c.
 *
 * Two threads: the waiter does nothing but wait and hand each event to the function it is for. The main thread is the
 * moderator. It sleeps on the standard input and a signalfd(2), knows nothing of the waiter, and speaks to all and
 * kicks users whenever it likes: weir lets any thread do so while another one waits. To end the waiter it wakes it.
 *
 * At the end the waiter is joined, and its last batch closed; with none open the room frees its users at once. Then
 * nothing is registered any more, and the poll goes.
 */

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/start.h"
#include "room.h"

/* How many events the waiter takes at once. */
#define BATCH 64

static const char usage[] = "Usage: chat [OPTION]...\n"
                            "A chat on the loopback address. The first line a user sends is its name; /quit leaves.\n"
                            "The standard input takes commands: kick NAME, say TEXT, quit.\n"
                            "\n"
                            "  --port=N   listen on port N (default 8081; 0 picks a free one)\n"
                            "  --help     print this\n";

/* Tokens that are no pointers to users. */
enum {
        TOKEN_LISTENER,
        TOKEN_STOPPER,
};

struct chat {
        struct weir_poll *poll;
        struct weir_events *events; /* the waiter's */
        struct weir_waker *stopper;
        struct room room;
};

/* ---------------------------------------------------------------- the waiter */

static void *wait_and_dispatch(void *argument) {
        struct chat *chat = argument;
        struct weir_event event;

        for (;;) {
                /* Nothing but a signal can make it fail here; then there is no batch, and it waits again. */
                weir_poll_wait(chat->poll, chat->events, NULL);
                while (weir_events_next(chat->events, &event)) {
                        if (event.token == TOKEN_STOPPER)
                                return NULL;
                        if (event.token == TOKEN_LISTENER)
                                room_admit(&chat->room);
                        else
                                room_serve(weir_token_ptr(event.token));
                }
        }
}

/* ---------------------------------------------------------------- the moderator */

/* Returns whether there is to be another command. */
static bool command(struct room *room, const char *line) {
        if (strcmp(line, "quit") == 0)
                return false;
        if (strncmp(line, "say ", 4) == 0)
                room_say(room, line + 4);
        else if (strncmp(line, "kick ", 5) != 0)
                printf("commands: kick NAME, say TEXT, quit\n");
        else if (room_kick(room, line + 5))
                printf("kicked %s\n", line + 5);
        else
                printf("nobody is called %s\n", line + 5);
        fflush(stdout);
        return true;
}

/* Obeys until it is told to quit, by command or signal. At the end of its input signals alone are left. */
static void moderate(struct room *room, int signals) {
        struct pollfd fds[] = {
                { .fd = STDIN_FILENO, .events = POLLIN },
                { .fd = signals, .events = POLLIN },
        };
        char input[1024], *end;
        size_t size = 0;

        for (;;) {
                ssize_t n;

                if (poll(fds, 2, -1) < 0)
                        continue;
                if (fds[1].revents)
                        return;
                n = read(STDIN_FILENO, input + size, sizeof input - size);
                if (n <= 0) {
                        fds[0].fd = -1;
                        continue;
                }
                size += (size_t)n;
                while ((end = memchr(input, '\n', size))) {
                        *end++ = '\0';
                        if (!command(room, input))
                                return;
                        size -= (size_t)(end - input);
                        memmove(input, end, size);
                }
                if (size == sizeof input)
                        size = 0; /* no command is so long */
        }
}

/* ---------------------------------------------------------------- begin and end */

static int chat_open(struct chat *chat) {
        int r;

        r = weir_poll_create(&chat->poll);
        if (r < 0)
                return r;
        r = weir_events_create(BATCH, &chat->events);
        if (r < 0)
                return r;
        return weir_waker_create(weir_poll_registry(chat->poll), TOKEN_STOPPER, &chat->stopper);
}

static void chat_close(struct chat *chat) {
        weir_waker_destroy(chat->stopper);
        weir_events_destroy(chat->events);
        weir_poll_destroy(chat->poll);
}

static int chat_run(struct chat *chat, int signals, uint16_t port) {
        pthread_t waiter;
        int r;

        r = room_open(&chat->room, weir_poll_registry(chat->poll), TOKEN_LISTENER, &port);
        if (r < 0)
                return r;
        r = pthread_create(&waiter, NULL, wait_and_dispatch, chat);
        if (r == 0) {
                printf("listening on 127.0.0.1:%u\n", port);
                fflush(stdout);
                moderate(&chat->room, signals);
                weir_waker_wake(chat->stopper);
                pthread_join(waiter, NULL);
        }
        weir_events_clear(chat->events); /* closes the last batch */
        room_close(&chat->room);
        return -r;
}

int main(int argc, char **argv) {
        unsigned long number = 8081;
        const struct number_option options[] = { { "port", 0, UINT16_MAX, &number }, { .name = NULL } };
        struct chat chat = { .poll = NULL };
        int signals, r;

        r = parse_number_options(argc, argv, usage, options);
        if (r > 0)
                return r - 1;
        signals = open_signals(); /* before there are threads, so that they have them blocked, too */
        if (signals < 0) {
                fprintf(stderr, "chat: cannot take signals: %s\n", strerror(-signals));
                return 1;
        }
        r = chat_open(&chat);
        if (r >= 0)
                r = chat_run(&chat, signals, (uint16_t)number);
        if (r < 0)
                fprintf(stderr, "chat: cannot serve port %lu: %s\n", number, strerror(-r));
        chat_close(&chat);
        close(signals);
        return r < 0 ? 1 : 0;
}
