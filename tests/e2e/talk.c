/* SPDX-License-Identifier: MIT */

/* See talk.h. */

#include "talk.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool chat_start(struct server *server, unsigned files) {
        const char *path = getenv("WEIR_CHAT");
        const char *argv[] = { path ? path : "./chat", "--port=0", NULL };

        return server_start_program(server, argv, files);
}

bool hears(struct client *client, const char *text) {
        char line[LINE] = "";

        if (client_receive_line(client, line, sizeof line) == RECEIVED_RESPONSE && strcmp(line, text) == 0)
                return true;
        fprintf(stderr, "heard '%s' instead of '%s'\n", line, text);
        return false;
}

bool introduce(struct client *client, const char *name) {
        char line[LINE];

        snprintf(line, sizeof line, "%s\n", name);
        if (!hears(client, "* What is your name?") || !client_say(client, line))
                return false;
        snprintf(line, sizeof line, "* %s has come", name);
        return hears(client, line);
}

bool enter(struct client *client, const struct server *server, const char *name) {
        return client_open(client, server) && introduce(client, name);
}

bool moderates(struct server *server, const char *command, const char *answer) {
        char output[LINE];

        return process_say(&server->process, command) &&
               process_read(&server->process, answer, output, sizeof output) && strcmp(output, answer) == 0;
}

int talk_set_up(void **state) {
        struct server *server = calloc(1, sizeof *server);

        *state = server;
        return server && chat_start(server, 0) ? 0 : -1;
}

int talk_tear_down(void **state) {
        int r = server_stop(*state, SIGTERM);

        free(*state);
        return r;
}
