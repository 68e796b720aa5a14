/* SPDX-License-Identifier: MIT */

/*
 * The room. Read room_kick() and free_user() first, then room_serve().
 *
 * Two threads meet here, and there could be more: that of the crew, which gets the events and reads from the sockets; and
 * whoever else speaks to all or kicks. A user may be kicked while the crew holds an event of it, or is in the midst
 * of reading from it. So its end has three steps:
 *
 *   1. take_out()   Under the lock it leaves the list: nobody finds it, speaks to it or takes it out a second time.
 *   2. farewell()   weir_deregister(): no event of it is handed out any more, not even one that was fetched before.
 *                   But one may have been handed out just before. So neither may the memory be freed yet, nor the socket
 *                   be closed: the crew may be about to read from its number, which may be another file's by then.
 *   3. free_user()  By weir_defer(), when every batch that was open in step 2 is closed. The crew closes its batch
 *                   before it waits again; by then it has forgotten the user. Now number and memory may go.
 *
 * Who may touch what of a user:
 *   input           the thread of the crew alone, without a lock, also when the user has been taken out meanwhile
 *   output, name,   any thread, under the room's lock
 *   the links
 *   fd              any thread until free_user()
 * One lock for all users makes one order of all lines: everybody reads the same conversation. It is never held while
 * a thread waits for anything, since all sockets are non-blocking. free_user() takes no lock, so weir_defer() may be
 * called under this one.
 *
 * Users are registered edge-triggered for both directions, once and for all. Whoever speaks writes to the sockets
 * itself; what a socket does not take stays in the user's output, and the crew sends it when the socket has room. Who
 * lets OUTPUT_SIZE bytes pile up is taken out, so the slow cost the others nothing.
 */

#include "room.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/start.h"

#define NAME_SIZE     32
#define LINE_SIZE     512
#define TEXT_SIZE     (NAME_SIZE + LINE_SIZE + 8) /* a line as others read it */
#define OUTPUT_SIZE   65536                       /* what is kept for a user who reads slowly */
#define SEND_BUFFER   16384                       /* and what the kernel keeps beside it */
#define USER_INTEREST (WEIR_READABLE | WEIR_WRITABLE)

/* How often one user is read, and how many are admitted, before the others get their turn. */
#define READ_ROUNDS  4
#define ADMIT_ROUNDS 64

struct user {
        struct room *room;
        int fd;
        struct weir_deferred deferred;

        /* The crew's. */
        bool too_long; /* the line that has begun is; its rest is skipped */
        size_t input_size;
        char input[LINE_SIZE];

        /* Under the room's lock. */
        struct user *previous, *next;
        bool present;
        const char *reason;   /* why it was taken out */
        char name[NAME_SIZE]; /* empty until it has been said */
        size_t output_size;   /* not yet sent */
        char output[OUTPUT_SIZE];
};

/* ---------------------------------------------------------------- the end of a user */

/* Has the crew look whether somebody is before the door, who may have been there for long. */
static void look_afresh(struct room *room) {
        weir_reregister(room->registry, room->listener, room->token, WEIR_READABLE);
}

/* Step 3. */
static void free_user(struct weir_deferred *node) {
        struct user *user = (struct user *)((char *)node - offsetof(struct user, deferred));

        close(user->fd);
        look_afresh(user->room); /* it may have been refused for want of the descriptor that is free now */
        free(user);
}

/* Step 1. With the lock held. */
static void take_out(struct user *user, const char *reason) {
        struct room *room = user->room;

        if (!user->present)
                return;
        *(user->previous ? &user->previous->next : &room->users) = user->next;
        if (user->next)
                user->next->previous = user->previous;
        user->present = false;
        user->reason = reason;
        user->next = room->farewell;
        room->farewell = user;
}

/* ---------------------------------------------------------------- speaking, with the lock held */

/* Sends what the socket takes. If it does not take all, an event comes when it has room again. */
static void flush(struct user *user) {
        size_t sent = 0;

        while (sent < user->output_size) {
                ssize_t n = send(user->fd, user->output + sent, user->output_size - sent, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno != EAGAIN)
                        take_out(user, "is gone");
                if (n < 0)
                        break;
                sent += (size_t)n;
        }
        user->output_size -= sent;
        memmove(user->output, user->output + sent, user->output_size);
}

static void tell(struct user *user, const char *text) {
        size_t size = strlen(text);

        if (size > sizeof user->output - user->output_size) {
                take_out(user, "does not read and was dropped");
                return;
        }
        memcpy(user->output + user->output_size, text, size);
        user->output_size += size;
        flush(user);
}

static void tell_all(struct room *room, const char *text) {
        struct user *next;

        for (struct user *user = room->users; user; user = next) {
                next = user->next;
                if (*user->name)
                        tell(user, text);
        }
}

/* Step 2. Says who is there no more, which may be too much for somebody else. */
static void farewell(struct room *room) {
        char text[TEXT_SIZE];
        struct user *user;

        while ((user = room->farewell)) {
                room->farewell = user->next;
                weir_deregister(room->registry, user->fd);
                if (*user->name) {
                        snprintf(text, sizeof text, "* %s %s\n", user->name, user->reason);
                        tell_all(room, text);
                }
                weir_defer(room->registry, &user->deferred, free_user);
        }
}

static struct user *find(struct room *room, const char *name) {
        struct user *user = room->users;

        while (user && strcmp(user->name, name) != 0)
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

/* ---------------------------------------------------------------- from the crew */

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
                /* Taken out while the crew was reading: what it still has to say is not heard. */
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

void room_serve(struct user *user) {
        struct room *room = user->room;
        char bytes[4096];

        pthread_mutex_lock(&room->lock);
        if (user->present)
                flush(user);
        farewell(room);
        pthread_mutex_unlock(&room->lock);

        for (unsigned round = 0; round < READ_ROUNDS; ++round) {
                ssize_t n = recv(user->fd, bytes, sizeof bytes, 0);

                if (n > 0) {
                        take_bytes(user, bytes, (size_t)n);
                } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                        pthread_mutex_lock(&room->lock);
                        take_out(user, "has left");
                        farewell(room);
                        pthread_mutex_unlock(&room->lock);
                        return;
                } else if (errno == EAGAIN) {
                        return;
                }
        }
        /* Not drained, so no edge would come: a fresh look makes an event, in turn with those of others. */
        weir_reregister(room->registry, user->fd, weir_ptr_token(user), USER_INTEREST);
}

static void admit(struct room *room, int fd) {
        struct user *user = calloc(1, sizeof *user);

        if (!user) {
                close(fd);
                return;
        }
        user->room = room;
        user->fd = fd;
        user->present = true;
        pthread_mutex_lock(&room->lock);
        user->next = room->users;
        if (user->next)
                user->next->previous = user;
        room->users = user;
        if (weir_register(room->registry, fd, weir_ptr_token(user), USER_INTEREST) < 0)
                take_out(user, "is gone");
        else
                tell(user, "* What is your name?\n");
        farewell(room);
        pthread_mutex_unlock(&room->lock);
}

void room_admit(struct room *room) {
        for (unsigned round = 0; round < ADMIT_ROUNDS; ++round) {
                int fd = accept4(room->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd >= 0)
                        admit(room, fd);
                else if (errno != EINTR && errno != ECONNABORTED)
                        return; /* all are in; or there are no descriptors, and free_user() has another look */
        }
        look_afresh(room);
}

/* ---------------------------------------------------------------- begin and end */

int room_open(struct room *room, struct weir_registry *registry, weir_token token, uint16_t *port) {
        int size = SEND_BUFFER, r;

        *room = (struct room){ .registry = registry, .token = token };
        room->listener = listen_on_loopback(port);
        if (room->listener < 0)
                return room->listener;
        /* Accepted sockets inherit it: the kernel is not to keep megabytes for who does not read. */
        setsockopt(room->listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        r = weir_register(registry, room->listener, token, WEIR_READABLE);
        if (r < 0) {
                close(room->listener);
                return r;
        }
        pthread_mutex_init(&room->lock, NULL);
        return 0;
}

void room_close(struct room *room) {
        weir_deregister(room->registry, room->listener);
        pthread_mutex_lock(&room->lock);
        while (room->users)
                take_out(room->users, "is gone");
        farewell(room); /* nobody is left to be told; and no batch is open, so free_user() runs here */
        pthread_mutex_unlock(&room->lock);
        pthread_mutex_destroy(&room->lock);
        close(room->listener);
}
