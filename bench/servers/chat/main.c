/* SPDX-License-Identifier: MIT */

/*
 * chat: people connect by telnet or nc, say their name, and from then on everybody reads what anybody writes. The moderator, on the
 * standard input, speaks to all and kicks. All that a server does beside reading is done by <weir/server.h>. Read take_line()
 * first, then tell() and leave().
 *
 * Threads meet in the room: those that have the turn of a user, and the moderator's. Its lock makes one order of all lines, so
 * everybody reads the same conversation. Nobody waits under it: weir_connection_send() only queues. Who does not read costs the
 * others nothing: at the output limit he is cut off.
 */

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/server.h>

#include "common/start.h"

static const char usage[] = "Usage: chat [OPTION]...\n"
                            "A chat on the loopback address. The first line a user sends is its name; /quit leaves.\n"
                            "The standard input takes commands: kick NAME, say TEXT, quit.\n"
                            "\n"
                            "  --port=N           listen on port N (default 8081; 0 picks a free one)\n"
                            "  --threads=N        threads that serve (default 2)\n"
                            "  --idle-timeout=S   drop who says nothing for S seconds (default 3600)\n"
                            "  --help             print this\n";

#define NS_PER_S    INT64_C(1000000000)
#define NAME_SIZE   32
#define LINE_SIZE   512
#define TEXT_SIZE   (NAME_SIZE + LINE_SIZE + 8) /* a line as others read it */
#define SEND_BUFFER 16384                       /* of a socket; the output limit comes on top */

/* A line that has begun. If it is full, the line is too long, and the rest of it is skipped. */
struct input {
        size_t size;
        char line[LINE_SIZE];
};

/* The program's own, of each connection. */
struct user {
        struct weir_connection *connection;
        struct input input; /* the turn's */

        /* Under the lock. */
        char name[NAME_SIZE]; /* empty until it has been said */
        bool out;             /* what it says is not heard any more */
        struct user *next;
};

static struct weir_server *server;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the room */
static struct user *users;                               /* who is in: from the name to leave() */

/* ---------------------------------------------------------------- in the room, under its lock */

static void tell(struct user *user, const char *text) {
        int r = weir_connection_send(user->connection, text, strlen(text));

        if (r == -ENOBUFS || r == -ENOMEM)
                weir_connection_cut(user->connection, r); /* closed() tells the others, after this line */
}

__attribute__((format(printf, 1, 2))) static void tell_all(const char *format, ...) {
        char text[TEXT_SIZE];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        for (struct user *user = users; user; user = user->next)
                tell(user, text);
}

static struct user *find(const char *name) {
        struct user *user = users;

        while (user && strcmp(user->name, name) != 0)
                user = user->next;
        return user;
}

/* From here on nobody gets a line of the user. At the latest closed() calls it: so whom the list has is there. */
static void leave(struct user *user, const char *how) {
        struct user **at = &users;

        user->out = true;
        while (*at && *at != user)
                at = &(*at)->next;
        if (!*at)
                return; /* it has no name, or has left before */
        *at = user->next;
        tell_all("* %s %s\n", user->name, how);
}

/* The first line of a user is its name. */
static void introduce(struct user *user, const char *name) {
        size_t size = strlen(name);

        if (size == 0 || size >= sizeof user->name || strcspn(name, " \t") < size) {
                tell(user, "* A name is one short word. Which is yours?\n");
        } else if (find(name)) {
                tell(user, "* That name is taken. Which is yours?\n");
        } else {
                memcpy(user->name, name, size + 1);
                user->next = users;
                users = user;
                tell_all("* %s has come\n", name);
        }
}

/* ---------------------------------------------------------------- lines */

/* Calls take() for each line of the bytes, with NULL for one that is too long. What comes after the last waits for its rest. */
static void take_bytes(struct input *input, const char *bytes, size_t size,
                       void (*take)(struct user *user, const char *line), struct user *user) {
        for (size_t i = 0; i < size; ++i) {
                bool fits = input->size < sizeof input->line;
                unsigned char byte = (unsigned char)bytes[i];

                if (byte == '\n') {
                        if (fits)
                                input->line[input->size] = '\0';
                        input->size = 0;
                        take(user, fits ? input->line : NULL);
                } else if (fits && byte != '\r') { /* what else could move a reader's cursor is made harmless */
                        input->line[input->size++] = (byte < ' ' && byte != '\t') || byte == 127 ? '?' : bytes[i];
                }
        }
}

static void take_line(struct user *user, const char *line) {
        pthread_mutex_lock(&lock);
        if (user->out) {
                /* What it still has to say is not heard. */
        } else if (!line) {
                tell(user, "* That line was too long.\n");
        } else if (strcmp(line, "/quit") == 0) {
                leave(user, "has left");
                weir_connection_finish(user->connection, NULL, 0);
        } else if (!*user->name) {
                introduce(user, line);
        } else {
                tell_all("%s: %s\n", user->name, line);
        }
        pthread_mutex_unlock(&lock);
}

static bool kick(const char *name) {
        struct user *user;

        pthread_mutex_lock(&lock);
        user = find(name);
        if (user) {
                leave(user, "was kicked");
                weir_connection_cut(user->connection, 0);
        }
        pthread_mutex_unlock(&lock);
        return user;
}

/* The moderator's. */
static void obey(struct user *nobody, const char *line) {
        (void)nobody;
        if (!line) {
                printf("that line was too long\n");
        } else if (strcmp(line, "quit") == 0) {
                weir_server_stop(server);
        } else if (strncmp(line, "say ", 4) == 0) {
                pthread_mutex_lock(&lock);
                tell_all("* %s\n", line + 4);
                pthread_mutex_unlock(&lock);
        } else if (strncmp(line, "kick ", 5) == 0) {
                printf(kick(line + 5) ? "kicked %s\n" : "nobody is called %s\n", line + 5);
        } else {
                printf("commands: kick NAME, say TEXT, quit\n");
        }
        fflush(stdout);
}

/* ---------------------------------------------------------------- the server's calls */

static int opened(struct weir_connection *connection) {
        struct user *user = weir_connection_data(connection);

        user->connection = connection;
        tell(user, "* What is your name?\n");
        return 0;
}

/* So few bytes that, come what may, the lines they make are less than half of the output limit: nobody overflows himself. */
static void readable(struct weir_connection *connection) {
        struct user *user = weir_connection_data(connection);
        char bytes[512];
        ssize_t n;

        while ((n = weir_connection_read(connection, bytes, sizeof bytes)) > 0)
                take_bytes(&user->input, bytes, (size_t)n, take_line, user);
}

static void expired(struct weir_connection *connection) {
        pthread_mutex_lock(&lock);
        leave(weir_connection_data(connection), "has said nothing for too long");
        pthread_mutex_unlock(&lock);
        weir_connection_finish(connection, NULL, 0);
}

static void stopping(struct weir_connection *connection) {
        static const char goodbye[] = "* The chat ends. Goodbye.\n";

        weir_connection_finish(connection, goodbye, sizeof goodbye - 1);
}

static void closed(struct weir_connection *connection, int reason) {
        pthread_mutex_lock(&lock);
        leave(weir_connection_data(connection), reason == -ENOBUFS ? "does not read and was dropped" : "has left");
        pthread_mutex_unlock(&lock);
}

/* It may block: one read for each call. */
static bool on_input(struct weir_server *of, int fd, void *data) {
        char bytes[512];
        ssize_t n = read(fd, bytes, sizeof bytes);

        (void)of;
        if (n > 0)
                take_bytes(data, bytes, (size_t)n, obey, NULL);
        return n > 0;
}

int main(int argc, char **argv) {
        unsigned long number = 8081, threads = 2, idle_timeout = 3600;
        const struct number_option options[] = {
                { "port", 0, UINT16_MAX, &number },
                { "threads", 1, 256, &threads },
                { "idle-timeout", 1, 1000000000, &idle_timeout },
                { .name = NULL },
        };
        struct weir_server_config config = {
                .connection_size = sizeof(struct user),
                .stop_limit = NS_PER_S,
                .opened = opened,
                .readable = readable,
                .expired = expired,
                .stopping = stopping,
                .closed = closed,
        };
        struct input commands = { .size = 0 };
        int fd, r, size = SEND_BUFFER;
        uint16_t port;

        r = parse_number_options(argc, argv, usage, options);
        if (r > 0)
                return r - 1;
        port = (uint16_t)number;
        config.idle_limit = (weir_time)idle_timeout * NS_PER_S;
        r = weir_server_create(&config, &server);
        if (r == 0)
                r = weir_server_stop_on(server, NULL, 0);
        if (r == 0) {
                fd = listen_on_loopback(&port);
                /* Accepted sockets inherit it: the kernel is not to keep megabytes for who does not read. */
                setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
                r = weir_server_listen(server, fd);
        }
        if (r == 0) {
                printf("listening on 127.0.0.1:%u\n", port);
                fflush(stdout);
                /* What cannot be watched, a file, is no moderator. */
                weir_server_watch(server, STDIN_FILENO, WEIR_READABLE, on_input, &commands);
                r = weir_server_run(server, (unsigned)threads);
        }
        if (r < 0)
                fprintf(stderr, "chat: cannot serve port %lu: %s\n", number, strerror(-r));
        weir_server_destroy(server);
        return r < 0 ? 1 : 0;
}
