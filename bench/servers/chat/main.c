/* SPDX-License-Identifier: MIT */

/*
 * chat: people connect by telnet or nc, say their name, and from then on everybody reads what anybody writes. Read
 * on_event() first, then moderate(), then room.c.
 *
 * A crew of one thread calls on_event() for each event: one lock makes one order of all lines, so more threads would
 * wait for each other. The main thread is the moderator. It sleeps on the standard input and a signalfd(2), knows
 * nothing of the crew, and speaks to all and kicks users whenever it likes: weir lets any thread do so while another
 * one waits.
 *
 * At the end the crew is destroyed: its thread has left then, and no batch is open, so the room frees its users at
 * once. Then nothing is registered any more, and the poll goes.
 */

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weir/crew.h>

#include "common/start.h"
#include "room.h"

static const char usage[] = "Usage: chat [OPTION]...\n"
                            "A chat on the loopback address. The first line a user sends is its name; /quit leaves.\n"
                            "The standard input takes commands: kick NAME, say TEXT, quit.\n"
                            "\n"
                            "  --port=N   listen on port N (default 8081; 0 picks a free one)\n"
                            "  --help     print this\n";

/* Tokens that are no pointers to users. */
enum {
        TOKEN_LISTENER,
};

struct chat {
        struct weir_poll *poll;
        struct weir_crew *crew;
        struct room room;
};

/* ---------------------------------------------------------------- the crew */

static void on_event(struct weir_crew *crew, const struct weir_event *event, void *data) {
        struct chat *chat = data;

        (void)crew;
        if (event->token == TOKEN_LISTENER)
                room_admit(&chat->room);
        else
                room_serve(weir_token_ptr(event->token));
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
        return weir_crew_create(chat->poll, on_event, chat, &chat->crew);
}

static int chat_run(struct chat *chat, int signals, uint16_t port) {
        int r;

        r = room_open(&chat->room, weir_poll_registry(chat->poll), TOKEN_LISTENER, &port);
        if (r < 0)
                return r;
        r = weir_crew_start(chat->crew, 1);
        if (r == 0) {
                printf("listening on 127.0.0.1:%u\n", port);
                fflush(stdout);
                moderate(&chat->room, signals);
        }
        weir_crew_destroy(chat->crew);
        chat->crew = NULL;
        room_close(&chat->room);
        return r;
}

static void chat_close(struct chat *chat) {
        weir_crew_destroy(chat->crew);
        weir_poll_destroy(chat->poll);
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
