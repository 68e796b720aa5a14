/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_E2E_TALK_H
#define WEIR_TESTS_E2E_TALK_H

/* A chat as a process, its users and its moderator. Nothing here asserts, so threads may use it. */

#include "client.h"

#define LINE 600

/* Starts the chat; files: its limit of descriptors, or 0. */
bool chat_start(struct server *server, unsigned files);

/* Whether the next line a user reads is this one. */
bool hears(struct client *client, const char *text);

/* Gives a client that has been opened a name. */
bool introduce(struct client *client, const char *name);

/* Opens a client under a name. */
bool enter(struct client *client, const struct server *server, const char *name);

/* Gives the moderator's command. Whether it is answered so. */
bool moderates(struct server *server, const char *command, const char *answer);

/* As cmocka's set-up and tear-down: *state is a chat without users; in the end its exit code must be 0. */
int talk_set_up(void **state);
int talk_tear_down(void **state);

#endif
