/* SPDX-License-Identifier: MIT */

/*
 * chat: people connect by telnet or nc, say their name, and from then on everybody reads what anybody writes. Read
 * on_event() first, then moderate(), then room.c.
 *
 * A crew calls on_event() for each event, on any of its threads. The main thread is the moderator. It sleeps on the standard
 * input and a signalfd(2), knows nothing of the crew, and speaks to all and kicks users whenever it likes: it leaves word, and
 * weir_trigger() brings that to whoever owns the user.
 *
 * At the end the crew is destroyed: its threads have left then, and the users that are left are the main thread's. Then nothing is
 * registered any more, and the poll goes.
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
                            "  --port=N           listen on port N (default 8081; 0 picks a free one)\n"
                            "  --threads=N        threads that serve (default 2)\n"
                            "  --idle-timeout=S   drop who says nothing for S seconds (default 3600)\n"
                            "  --help             print this\n";

#define THREADS_MAX 256
#define IDLE_MAX    1000000000

/* Tokens that are no pointers to users. */
enum {
        TOKEN_LISTENER,
};

/* Of the command line. */
struct settings {
        unsigned long port, threads, idle_timeout;
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
                room_serve(weir_token_ptr(event->token), event);
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

static int chat_run(struct chat *chat, int signals, const struct settings *settings) {
        weir_time idle_limit = (weir_time)settings->idle_timeout * 1000000000;
        uint16_t port = (uint16_t)settings->port;
        int r;

        r = room_open(&chat->room, weir_poll_registry(chat->poll), TOKEN_LISTENER, idle_limit, &port);
        if (r < 0)
                return r;
        r = weir_crew_start(chat->crew, (unsigned)settings->threads);
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
        struct settings settings = { .port = 8081, .threads = 2, .idle_timeout = 3600 };
        const struct number_option options[] = {
                { "port", 0, UINT16_MAX, &settings.port },
                { "threads", 1, THREADS_MAX, &settings.threads },
                { "idle-timeout", 1, IDLE_MAX, &settings.idle_timeout },
                { .name = NULL },
        };
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
                r = chat_run(&chat, signals, &settings);
        if (r < 0)
                fprintf(stderr, "chat: cannot serve port %lu: %s\n", settings.port, strerror(-r));
        chat_close(&chat);
        close(signals);
        return r < 0 ? 1 : 0;
}
