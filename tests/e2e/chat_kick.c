/* SPDX-License-Identifier: MIT */

/*
 * Kicks while a thread is busy with the kicked: who is kicked in the midst of a flood is not heard any more, and
 * nothing else is lost. All lines have one order, so a line of the moderator after an answer shows where in the
 * conversation that answer stands. Nobody lags behind by more than the server keeps for a user.
 */

#include "talk.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---------------------------------------------------------------- a kick in the midst of a flood */

#define WITNESSES 3
#define OWN_LINES 200
#define WINDOW    1000 /* lines of the flood that may be under way: less than the server keeps for a user */

struct flood {
        struct client client;
        unsigned sent;
        atomic_uint heard[WITNESSES];
        atomic_bool broken; /* a witness has given up */
        pthread_t thread;
};

/* Talks while others do, and checks all that is said. */
struct witness {
        struct flood *flood;
        struct client client;
        unsigned index;
        unsigned own;        /* lines it has said */
        unsigned kicked;     /* that it was told so, this often */
        unsigned after_kick; /* lines of the flood after that */
        unsigned gaps;       /* lines that are missing, or not in order */
        bool marked;
        pthread_t thread;
};

static unsigned slowest(struct flood *flood) {
        unsigned least = atomic_load(&flood->heard[0]);

        for (unsigned i = 1; i < WITNESSES; ++i)
                if (atomic_load(&flood->heard[i]) < least)
                        least = atomic_load(&flood->heard[i]);
        return least;
}

static void *pour(void *argument) {
        struct flood *flood = argument;
        char text[32], heard[4096];

        for (;;) {
                ssize_t n;

                while ((n = recv(flood->client.fd, heard, sizeof heard, MSG_DONTWAIT)) > 0)
                        ;
                if (n == 0 || errno != EAGAIN)
                        return NULL;
                if (flood->sent - slowest(flood) >= WINDOW) {
                        sched_yield();
                        continue;
                }
                snprintf(text, sizeof text, "%u\n", flood->sent++);
                if (!client_say(&flood->client, text))
                        return NULL;
        }
}

static void take_note(struct witness *witness, const char *line, unsigned next[WITNESSES]) {
        unsigned heard = atomic_load(&witness->flood->heard[witness->index]), who, number;

        if (sscanf(line, "flood: %u", &number) == 1) {
                witness->gaps += number != heard;
                witness->after_kick += witness->kicked;
                atomic_store(&witness->flood->heard[witness->index], heard + 1);
        } else if (sscanf(line, "w%u: %u", &who, &number) == 2 && who < WITNESSES) {
                witness->gaps += number != next[who]++;
        } else if (strcmp(line, "* flood was kicked") == 0) {
                witness->kicked++;
        } else if (strcmp(line, "* enough") == 0) {
                witness->marked = true;
        } else {
                witness->gaps++;
        }
}

static void *testify(void *argument) {
        struct witness *witness = argument;
        unsigned next[WITNESSES] = { 0 };
        char line[LINE], text[32];

        for (;;) {
                bool all = witness->marked;

                for (unsigned i = 0; i < WITNESSES; ++i)
                        all = all && next[i] == OWN_LINES;
                if (all)
                        return NULL;
                if (witness->own < OWN_LINES && next[witness->index] == witness->own) {
                        snprintf(text, sizeof text, "%u\n", witness->own++);
                        if (!client_say(&witness->client, text))
                                break;
                }
                if (client_receive_line(&witness->client, line, sizeof line) != RECEIVED_RESPONSE)
                        break;
                take_note(witness, line, next);
        }
        witness->gaps++;
        atomic_store(&witness->flood->broken, true);
        return NULL;
}

static void enter_all(struct server *server, struct flood *flood, struct witness *witnesses) {
        char text[LINE];

        for (unsigned i = 0; i <= WITNESSES; ++i) {
                struct client *client = i < WITNESSES ? &witnesses[i].client : &flood->client;
                char name[16] = "flood";

                if (i < WITNESSES) {
                        witnesses[i].flood = flood;
                        witnesses[i].index = i;
                        snprintf(name, sizeof name, "w%u", i);
                }
                assert_true(enter(client, server, name));
                snprintf(text, sizeof text, "* %s has come", name);
                for (unsigned j = 0; j < i; ++j)
                        assert_true(hears(&witnesses[j].client, text));
        }
}

static void kick_in_a_flood(void **state) {
        struct server *server = *state;

        for (unsigned round = 0; round < 10; ++round) {
                static struct witness witnesses[WITNESSES];
                static struct flood flood;
                bool kicked;

                memset(witnesses, 0, sizeof witnesses);
                memset(&flood, 0, sizeof flood);
                enter_all(server, &flood, witnesses);
                pthread_create(&flood.thread, NULL, pour, &flood);
                for (unsigned i = 0; i < WITNESSES; ++i)
                        pthread_create(&witnesses[i].thread, NULL, testify, &witnesses[i]);
                while (slowest(&flood) < 2 * WINDOW && !atomic_load(&flood.broken))
                        sched_yield();
                kicked = moderates(server, "kick flood\n", "kicked flood\n") &&
                         process_say(&server->process, "say enough\n");
                pthread_join(flood.thread, NULL);
                for (unsigned i = 0; i < WITNESSES; ++i)
                        pthread_join(witnesses[i].thread, NULL);
                assert_true(kicked);
                for (unsigned i = 0; i < WITNESSES; ++i) {
                        assert_int_equal(witnesses[i].gaps, 0);
                        assert_int_equal(witnesses[i].kicked, 1);
                        assert_int_equal(witnesses[i].after_kick, 0);
                        assert_int_equal(atomic_load(&flood.heard[i]), atomic_load(&flood.heard[0]));
                }
                client_close(&flood.client);
                /* One after the other, so that each leaves before those who come in the next round. */
                for (unsigned i = 0; i < WITNESSES; ++i) {
                        client_say(&witnesses[i].client, "/quit\n");
                        while (client_receive_line(&witnesses[i].client, (char[LINE]){ 0 }, LINE) == RECEIVED_RESPONSE)
                                ;
                        client_close(&witnesses[i].client);
                }
        }
}

/* ---------------------------------------------------------------- kicked again and again */

#define GUESTS      4
#define GUEST_LINES 20 /* of each visit: so alice, who reads in between the kicks, does not lag behind */
#define KICKS       400

struct guest {
        const struct server *server;
        pthread_t thread;
        unsigned index;
};

/* Comes, talks, waits for the kick, and comes again, until nobody opens. */
static void *come_again(void *argument) {
        struct guest *guest = argument;
        struct client client;
        char text[16], line[LINE];

        snprintf(text, sizeof text, "g%u\n", guest->index);
        while (client_open(&client, guest->server)) {
                for (unsigned i = 0; i <= GUEST_LINES && client_say(&client, text); ++i)
                        ;
                while (client_receive_line(&client, line, sizeof line) == RECEIVED_RESPONSE)
                        ;
                client_close(&client);
        }
        return NULL;
}

/* Each kick that was acknowledged is heard of once. */
static void kicked_again_and_again(void **state) {
        struct guest guests[GUESTS];
        struct server server;
        struct client alice;
        char line[LINE], command[32], kicked[32];
        unsigned kicks = 0;

        (void)state;
        assert_true(chat_start(&server, 0));
        assert_true(enter(&alice, &server, "alice"));
        for (unsigned i = 0; i < GUESTS; ++i) {
                guests[i] = (struct guest){ .server = &server, .index = i };
                pthread_create(&guests[i].thread, NULL, come_again, &guests[i]);
        }
        for (unsigned i = 0; kicks < KICKS; i = (i + 1) % GUESTS) {
                snprintf(command, sizeof command, "kick g%u\n", i);
                assert_true(process_say(&server.process, command));
                assert_true(process_read(&server.process, "\n", line, sizeof line));
                if (strncmp(line, "kicked", 6) != 0)
                        continue;
                ++kicks;
                snprintf(kicked, sizeof kicked, "* g%u was kicked", i);
                do {
                        assert_int_equal(client_receive_line(&alice, line, sizeof line), RECEIVED_RESPONSE);
                        if (strstr(line, "was kicked"))
                                assert_string_equal(line, kicked);
                } while (strcmp(line, kicked) != 0);
        }
        assert_int_equal(server_stop(&server, SIGTERM), 0);
        for (unsigned i = 0; i < GUESTS; ++i)
                pthread_join(guests[i].thread, NULL);
        client_close(&alice);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(kick_in_a_flood, talk_set_up, talk_tear_down),
                cmocka_unit_test(kicked_again_and_again),
        };

        if (argc > 1)
                setenv("WEIR_CHAT", argv[1], 1);
        return cmocka_run_group_tests_name("chat_kick", tests, NULL, NULL);
}
