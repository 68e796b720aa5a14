/* SPDX-License-Identifier: MIT */
#pragma once

/* The room: the users that are there, and what may be done in it. */

#include <weir/weir.h>

#include <pthread.h>

struct user;

struct room {
        struct weir_registry *registry; /* borrowed; it must outlive the room */
        weir_token token;               /* of the listener */
        weir_time idle_limit;           /* how long a user may say nothing */
        int listener;
        pthread_mutex_t lock;  /* guards what follows, and of each user what struct user says */
        struct user *users;    /* all that have a registration */
        struct user *farewell; /* who is out, and of whom the others have not been told yet */
};

/*
 * Opens the door at a port of the loopback address, 0 for a free one, which it writes back. 0; or a negative errno, and
 * nothing is left.
 */
int room_open(struct room *room, struct weir_registry *registry, weir_token token, weir_time idle_limit,
              uint16_t *port);

/* When nothing waits on the poll any more, and no batch is open. */
void room_close(struct room *room);

/* For a thread of the crew that got an event of the listener, or of a user. */
void room_admit(struct room *room);
void room_serve(struct user *user, const struct weir_event *event);

/* For any thread. Tells everybody; text is a whole line without its end. */
void room_say(struct room *room, const char *text);

/* For any thread. After the return nobody gets a line of that user any more. False if nobody has that name. */
bool room_kick(struct room *room, const char *name);
