/* SPDX-License-Identifier: MIT */

/*
 * The room. Read serve() first, then tell() and end().
 *
 * Threads of a crew meet here, and the moderator's. A user is registered one-shot, so it belongs to one of them at a time: who
 * got its event reads from its socket, writes to it and closes it, and nobody else does. How does another one speak to it then, or
 * kick it? It leaves word, under the room's lock, and calls weir_trigger(). That makes an event of the user, which comes to one
 * thread like any other, or, while the user is owned, as soon as the owner gives it back: whoever owns it, now or next, does it.
 *
 * Who may touch what of a user:
 *   output, name, present, the links   any thread, under the room's lock
 *   all else                           the owner, without a lock
 * A user is in the list until its owner ends it, and its number is not closed before. So who finds it there, with the lock held,
 * may trigger it by its number. One lock for all users makes one order of all lines: everybody reads the same conversation. No
 * thread makes a system call under it, but for a wake.
 *
 * What is said to a user who does not read piles up in its output. At OUTPUT_SIZE bytes it is out, so the slow cost the others
 * nothing; and so is who says nothing for as long as the idle limit, which is the deadline of its registration.
 */

#include "room.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/start.h"

#define NAME_SIZE   32
#define LINE_SIZE   512
#define TEXT_SIZE   (NAME_SIZE + LINE_SIZE + 8) /* a line as others read it */
#define OUTPUT_SIZE 65536                       /* what is kept for a user who reads slowly */
#define SEND_BUFFER 16384                       /* and what the kernel keeps beside it */

/* How long the door stays closed for want of descriptors. */
#define REST INT64_C(50000000)

/* How often one user is read, and how many are admitted, before the others get their turn. */
#define READ_ROUNDS  4
#define ADMIT_ROUNDS 64

struct user {
        struct room *room;

        /* The owner's. */
        int fd;
        weir_time heard; /* when it last said something, or came */
        bool too_long;   /* the line that has begun is; its rest is skipped */
        size_t input_size;
        char input[LINE_SIZE];
        size_t begin, end; /* of what is being sent */
        char sending[SEND_BUFFER];

        /* Under the room's lock. */
        struct user *previous, *next;
        bool present;       /* else it is out, and its owner is about to end it */
        const char *reason; /* why it is */
        struct user *next_farewell;
        char name[NAME_SIZE]; /* empty until it has been said */
        size_t output_size;   /* not yet sent */
        char output[OUTPUT_SIZE];
};

/* ---------------------------------------------------------------- word for others, with the lock held */

/* Whoever owns it, now or next, looks why. */
static void call(struct user *user) {
        weir_trigger(user->room->registry, user->fd);
}

static void take_out(struct user *user, const char *reason) {
        if (!user->present)
                return;
        user->present = false;
        user->reason = reason;
        user->next_farewell = user->room->farewell;
        user->room->farewell = user;
        call(user);
}

static void tell(struct user *user, const char *text) {
        size_t size = strlen(text);

        if (size > sizeof user->output - user->output_size) {
                take_out(user, "does not read and was dropped");
                return;
        }
        /* If there is some already, it was called for that, or waits until its socket has room. */
        if (user->output_size == 0)
                call(user);
        memcpy(user->output + user->output_size, text, size);
        user->output_size += size;
}

static void tell_all(struct room *room, const char *text) {
        for (struct user *user = room->users; user; user = user->next)
                if (user->present && *user->name)
                        tell(user, text);
}

/* Says who is there no more, which may be too much for somebody else. */
static void farewell(struct room *room) {
        char text[TEXT_SIZE];
        struct user *user;

        while ((user = room->farewell)) {
                room->farewell = user->next_farewell;
                if (!*user->name)
                        continue;
                snprintf(text, sizeof text, "* %s %s\n", user->name, user->reason);
                tell_all(room, text);
        }
}

static struct user *find(struct room *room, const char *name) {
        struct user *user = room->users;

        while (user && !(user->present && strcmp(user->name, name) == 0))
                user = user->next;
        return user;
}

/* ---------------------------------------------------------------- from any thread */

void room_say(struct room *room, const char *text) {
        char line[TEXT_SIZE];

        snprintf(line, sizeof line, "* %.*s\n", LINE_SIZE, text);
        pthread_mutex_lock(&room->lock);
        tell_all(room, line);
        farewell(room);
        pthread_mutex_unlock(&room->lock);
}

bool room_kick(struct room *room, const char *name) {
        struct user *user;

        pthread_mutex_lock(&room->lock);
        user = *name ? find(room, name) : NULL;
        if (user)
                take_out(user, "was kicked");
        farewell(room);
        pthread_mutex_unlock(&room->lock);
        return user;
}

/* ---------------------------------------------------------------- from the owner */

/* The first line of a user is its name. */
static void introduce(struct user *user, const char *name) {
        size_t size = strlen(name);
        char text[TEXT_SIZE];

        if (size == 0 || size >= sizeof user->name || strcspn(name, " \t") < size) {
                tell(user, "* A name is one short word. Which is yours?\n");
        } else if (find(user->room, name)) {
                tell(user, "* That name is taken. Which is yours?\n");
        } else {
                memcpy(user->name, name, size + 1);
                snprintf(text, sizeof text, "* %s has come\n", name);
                tell_all(user->room, text);
        }
}

static void take_line(struct user *user, const char *line) {
        struct room *room = user->room;
        char text[TEXT_SIZE];

        pthread_mutex_lock(&room->lock);
        if (!user->present) {
                /* Taken out while its owner was reading: what it still has to say is not heard. */
        } else if (!line) {
                tell(user, "* That line was too long.\n");
        } else if (strcmp(line, "/quit") == 0) {
                take_out(user, "has left");
        } else if (!*user->name) {
                introduce(user, line);
        } else {
                snprintf(text, sizeof text, "%s: %s\n", user->name, line);
                tell_all(room, text);
        }
        farewell(room);
        pthread_mutex_unlock(&room->lock);
}

/* Makes lines of bytes; what comes after the last line's end waits in the input for its rest. */
static void take_bytes(struct user *user, const char *bytes, size_t size) {
        for (size_t i = 0; i < size; ++i) {
                unsigned char byte = (unsigned char)bytes[i];

                if (byte == '\n') {
                        user->input[user->input_size] = '\0';
                        take_line(user, user->too_long ? NULL : user->input);
                        user->input_size = 0;
                        user->too_long = false;
                } else if (user->input_size == sizeof user->input - 1) {
                        user->too_long = true;
                } else if (byte != '\r') { /* what else could move a reader's cursor is made harmless */
                        user->input[user->input_size++] = (byte < ' ' && byte != '\t') || byte == 127 ? '?' : bytes[i];
                }
        }
}

/* Moves what there is to be said to the user to where it is sent from, if all that was there has gone. False: it is out. */
static bool fetch_output(struct user *user) {
        bool present;

        pthread_mutex_lock(&user->room->lock);
        present = user->present;
        if (user->begin == user->end) {
                user->begin = 0;
                user->end = user->output_size < sizeof user->sending ? user->output_size : sizeof user->sending;
                memcpy(user->sending, user->output, user->end);
                user->output_size -= user->end;
                memmove(user->output, user->output + user->end, user->output_size);
        }
        pthread_mutex_unlock(&user->room->lock);
        return present;
}

/* What flush() and listen_to() found: there may be more to do, the user is to be waited for, or it is at its end. */
enum found { MORE, WAIT, GONE };

static enum found flush(struct user *user) {
        for (;;) {
                ssize_t n;

                if (!fetch_output(user))
                        return GONE;
                if (user->begin == user->end)
                        return MORE;
                n = send(user->fd, user->sending + user->begin, user->end - user->begin, MSG_NOSIGNAL);
                if (n < 0 && errno != EINTR)
                        return errno == EAGAIN ? WAIT : GONE;
                if (n > 0)
                        user->begin += (size_t)n;
        }
}

static enum found listen_to(struct user *user) {
        char bytes[4096];

        for (unsigned round = 0; round < READ_ROUNDS; ++round) {
                ssize_t n = recv(user->fd, bytes, sizeof bytes, 0);

                if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                        return GONE;
                if (n < 0 && errno == EAGAIN)
                        return WAIT;
                if (n > 0) {
                        user->heard = weir_registry_moment(user->room->registry);
                        take_bytes(user, bytes, (size_t)n);
                }
        }
        return MORE;
}

/* The end of a user, by its owner: from here on nobody finds it. */
static void end(struct user *user, const char *reason) {
        struct room *room = user->room;

        pthread_mutex_lock(&room->lock);
        take_out(user, reason);
        farewell(room);
        *(user->previous ? &user->previous->next : &room->users) = user->next;
        if (user->next)
                user->next->previous = user->previous;
        pthread_mutex_unlock(&room->lock);
        weir_deregister(room->registry, user->fd);
        close(user->fd);
        free(user);
}

/* Gives the user back: after that it may be another thread's. */
static int await(struct user *user, bool drained, weir_interest interest) {
        struct weir_registry *registry = user->room->registry;
        int r = weir_set_deadline(registry, user->fd, user->heard + user->room->idle_limit);

        if (r < 0)
                return r;
        /* Not drained, so no edge would come: a fresh look makes an event, in turn with those of others. */
        return drained ? weir_rearm(registry, user->fd, interest) : weir_rearm_afresh(registry, user->fd, interest);
}

/* Serves a user that the caller owns. */
static void serve(struct user *user, bool late) {
        weir_time heard = user->heard;
        enum found heard_out, told;

        /* What was said before it leaves is for it, and what it says itself, too. */
        flush(user);
        heard_out = listen_to(user);
        told = flush(user);
        if (heard_out == GONE || told == GONE)
                end(user, heard_out == GONE ? "has left" : "is gone");
        else if (late && user->heard == heard)
                end(user, "has said nothing for too long");
        else if (await(user, heard_out == WAIT, told == WAIT ? WEIR_READABLE | WEIR_WRITABLE : WEIR_READABLE) < 0)
                end(user, "is gone");
}

void room_serve(struct user *user, const struct weir_event *event) {
        serve(user, weir_event_is_timeout(event));
}

static void admit(struct room *room, int fd) {
        struct user *user = calloc(1, sizeof *user);

        if (!user ||
            weir_register(room->registry, fd, weir_ptr_token(user), WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD) < 0) {
                close(fd);
                free(user);
                return;
        }
        user->room = room;
        user->fd = fd;
        user->present = true;
        user->heard = weir_registry_moment(room->registry);
        pthread_mutex_lock(&room->lock);
        user->next = room->users;
        if (user->next)
                user->next->previous = user;
        room->users = user;
        tell(user, "* What is your name?\n");
        pthread_mutex_unlock(&room->lock);
        serve(user, false);
}

void room_admit(struct room *room) {
        for (unsigned round = 0; round < ADMIT_ROUNDS; ++round) {
                int fd = accept4(room->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd >= 0) {
                        admit(room, fd);
                } else if (errno == EAGAIN) {
                        return;
                } else if (errno != EINTR && errno != ECONNABORTED) {
                        /* No descriptors. Who is before the door has made his edge, so a deadline has another look. */
                        weir_set_deadline(room->registry, room->listener, weir_now() + REST);
                        return;
                }
        }
        /* Somebody may be before the door who has made his edge already. */
        weir_reregister(room->registry, room->listener, room->token, WEIR_READABLE);
}

/* ---------------------------------------------------------------- begin and end */

int room_open(struct room *room, struct weir_registry *registry, weir_token token, weir_time idle_limit,
              uint16_t *port) {
        int size = SEND_BUFFER, r;

        *room = (struct room){ .registry = registry, .token = token, .idle_limit = idle_limit };
        room->listener = listen_on_loopback(port);
        if (room->listener < 0)
                return room->listener;
        /* Accepted sockets inherit it: the kernel is not to keep megabytes for who does not read. */
        setsockopt(room->listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        r = weir_register(registry, room->listener, token, WEIR_READABLE);
        if (r == 0) /* a first deadline needs memory: this one is had now, so that room_admit() can rely on it later */
                r = weir_set_deadline(registry, room->listener, weir_now());
        if (r < 0) {
                weir_deregister(registry, room->listener);
                close(room->listener);
                return r;
        }
        pthread_mutex_init(&room->lock, NULL);
        return 0;
}

void room_close(struct room *room) {
        weir_deregister(room->registry, room->listener);
        while (room->users) /* with no other thread left, they are the caller's */
                end(room->users, "is gone");
        pthread_mutex_destroy(&room->lock);
        close(room->listener);
}
