/* SPDX-License-Identifier: MIT */

/*
 * The chat with many users: all read the same; who does not read is dropped; too few descriptors; the end under load.
 * Nobody lags behind by more than the server keeps for a user, but on purpose; so nothing may be missing.
 */

#include "talk.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---------------------------------------------------------------- all read the same */

#define CROWD       24
#define CROWD_LINES 60 /* of each user; all together are less than the server keeps for a user */

struct talker {
        struct client client;
        pthread_t thread;
        unsigned index;
        bool complete;
        unsigned digest; /* of all it has read, in order */
};

static void *talk(void *argument) {
        struct talker *talker = argument;
        unsigned next[CROWD] = { 0 }, own = 0, total = 0, who, number;
        char line[LINE], text[32];

        while (total < CROWD * CROWD_LINES) {
                if (own == next[talker->index] && own < CROWD_LINES) {
                        snprintf(text, sizeof text, "%u\n", own++);
                        if (!client_say(&talker->client, text))
                                return NULL;
                }
                if (client_receive_line(&talker->client, line, sizeof line) != RECEIVED_RESPONSE ||
                    sscanf(line, "u%u: %u", &who, &number) != 2 || who >= CROWD || number != next[who]++)
                        return NULL;
                for (const char *c = line; *c; ++c)
                        talker->digest = talker->digest * 31 + (unsigned char)*c;
                ++total;
        }
        talker->complete = true;
        return NULL;
}

static void all_read_the_same(void **state) {
        static struct talker talkers[CROWD];
        struct server *server = *state;
        char text[LINE];

        memset(talkers, 0, sizeof talkers);
        for (unsigned i = 0; i < CROWD; ++i) {
                talkers[i].index = i;
                snprintf(text, sizeof text, "u%u", i);
                assert_true(enter(&talkers[i].client, server, text));
                snprintf(text, sizeof text, "* u%u has come", i);
                for (unsigned j = 0; j < i; ++j)
                        assert_true(hears(&talkers[j].client, text));
        }
        for (unsigned i = 0; i < CROWD; ++i)
                pthread_create(&talkers[i].thread, NULL, talk, &talkers[i]);
        for (unsigned i = 0; i < CROWD; ++i)
                pthread_join(talkers[i].thread, NULL);
        for (unsigned i = 0; i < CROWD; ++i) {
                assert_true(talkers[i].complete);
                assert_int_equal(talkers[i].digest, talkers[0].digest);
                client_close(&talkers[i].client);
        }
}

/* ---------------------------------------------------------------- users who do not read */

#define TALK_SIZE 400

/* alice and bob read everything at once, a third one does not. */
struct company {
        struct client alice, bob, third;
};

static void gather(struct company *company, struct server *server, const char *third) {
        char text[LINE];

        assert_true(enter(&company->alice, server, "alice"));
        assert_true(enter(&company->bob, server, "bob"));
        assert_true(hears(&company->alice, "* bob has come"));
        assert_true(client_open_narrow(&company->third, server));
        assert_true(introduce(&company->third, third));
        snprintf(text, sizeof text, "* %s has come", third);
        assert_true(hears(&company->alice, text));
        assert_true(hears(&company->bob, text));
}

static void part(struct company *company) {
        client_close(&company->alice);
        client_close(&company->bob);
        client_close(&company->third);
}

/* Alice's n-th line, as it is heard. */
static void line_of_alice(char text[LINE], unsigned n) {
        snprintf(text, LINE, "alice: %0*u", TALK_SIZE, n);
}

static void say_line(struct company *company, unsigned n) {
        char text[LINE];

        snprintf(text, sizeof text, "%0*u\n", TALK_SIZE, n);
        assert_true(client_say(&company->alice, text));
}

/* Who never reads is dropped, and the others lose nothing. */
static void deaf_user_is_dropped(void **state) {
        static const char news[] = "* deaf does not read and was dropped";
        struct company company;
        char line[LINE], text[LINE];
        bool told = false;

        gather(&company, *state, "deaf");
        for (unsigned n = 0; !told; ++n) {
                assert_true(n < 100000);
                say_line(&company, n);
                line_of_alice(text, n);
                assert_int_equal(client_receive_line(&company.alice, line, sizeof line), RECEIVED_RESPONSE);
                told = strcmp(line, news) == 0;
                if (told) {
                        assert_true(hears(&company.alice, text));
                        assert_true(hears(&company.bob, news));
                } else {
                        assert_string_equal(line, text);
                }
                assert_true(hears(&company.bob, text));
        }
        while (client_receive_line(&company.third, line, sizeof line) == RECEIVED_RESPONSE)
                assert_int_equal(strncmp(line, "alice: ", 7), 0);
        part(&company);
}

/* So much is kept for a user. It is more than sockets take between the server and a narrow client. */
#define KEPT_LINES (65536 / (TALK_SIZE + 8))

/* Who reads late has lost nothing: what was kept comes by and by, though nobody says any more. */
static void late_user_loses_nothing(void **state) {
        struct company company;
        char text[LINE];

        gather(&company, *state, "late");
        for (unsigned round = 0; round < 3; ++round) {
                for (unsigned n = 0; n < KEPT_LINES; ++n) {
                        say_line(&company, n);
                        line_of_alice(text, n);
                        assert_true(hears(&company.alice, text));
                        assert_true(hears(&company.bob, text));
                }
                for (unsigned n = 0; n < KEPT_LINES; ++n) {
                        line_of_alice(text, n);
                        assert_true(hears(&company.third, text));
                }
        }
        part(&company);
}

/* ---------------------------------------------------------------- no descriptors */

#define FILES 30
#define NAMED 12 /* so many have room in any case */

/*
 * More come than there are descriptors for. Those before the door are let in as others are kicked, which frees a descriptor
 * though the kicked does not close its own end, and as others leave.
 */
static void room_for_those_before_the_door(void **state) {
        struct client named[NAMED], others[2 * FILES];
        struct server server;
        char name[LINE], command[LINE], answer[LINE];

        (void)state;
        assert_true(chat_start(&server, FILES));
        for (unsigned i = 0; i < NAMED; ++i) {
                snprintf(name, sizeof name, "n%u", i);
                assert_true(enter(&named[i], &server, name));
        }
        for (unsigned i = 0; i < ARRAY_LEN(others); ++i)
                assert_true(client_open(&others[i], &server));
        for (unsigned i = 0; i < NAMED; ++i) {
                snprintf(command, sizeof command, "kick n%u\n", i);
                snprintf(answer, sizeof answer, "kicked n%u\n", i);
                assert_true(moderates(&server, command, answer));
                assert_true(hears(&others[i], "* What is your name?"));
                client_close(&named[i]);
        }
        for (unsigned i = NAMED; i < ARRAY_LEN(others); ++i)
                client_close(&others[i - NAMED]);
        for (unsigned i = ARRAY_LEN(others) - NAMED; i < ARRAY_LEN(others); ++i) {
                assert_true(hears(&others[i], "* What is your name?"));
                client_close(&others[i]);
        }
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* ---------------------------------------------------------------- the end */

#define LOAD_THREADS 6

struct load {
        const struct server *server;
        unsigned index;
        pthread_t thread;
        atomic_uint *visits;
};

/* Comes, talks and vanishes in turn, until nobody opens. */
static void *visit(void *argument) {
        struct load *load = argument;
        struct client client;
        char name[16];

        for (unsigned round = 0; client_open(&client, load->server); ++round) {
                snprintf(name, sizeof name, "v%u\n", load->index);
                client_say(&client, name);
                for (unsigned i = 0; i < round % 50 && client_say(&client, "some line\n"); ++i)
                        ;
                if (round % 3 == 0)
                        client_say(&client, "half a line");
                if (round % 2)
                        client_reset(&client);
                else
                        client_close(&client);
                atomic_fetch_add(load->visits, 1);
        }
        return NULL;
}

/* By signal or command, with users that talk, come, vanish, and do not read: exit code 0, and all meet the end. */
static void end_under_load(void **state) {
        (void)state;
        for (unsigned round = 0; round < 6; ++round) {
                struct load loads[LOAD_THREADS];
                atomic_uint visits = 0;
                struct server server;
                struct client deaf;
                char answers[LINE];

                assert_true(chat_start(&server, 0));
                assert_true(enter(&deaf, &server, "deaf"));
                for (unsigned i = 0; i < LOAD_THREADS; ++i) {
                        loads[i] = (struct load){ .server = &server, .index = i, .visits = &visits };
                        pthread_create(&loads[i].thread, NULL, visit, &loads[i]);
                }
                while (atomic_load(&visits) < 20 * round)
                        sched_yield();
                if (round % 3 == 2) {
                        assert_true(process_say(&server.process, "kick v1\nkick v2\nsay bye\nquit\n"));
                        assert_true(process_read(&server.process, NULL, answers, sizeof answers));
                }
                assert_int_equal(server_stop(&server, round % 3 == 2 ? 0 : round % 3 == 1 ? SIGINT : SIGTERM), 0);
                for (unsigned i = 0; i < LOAD_THREADS; ++i)
                        pthread_join(loads[i].thread, NULL);
                while (client_receive_line(&deaf, (char[LINE]){ 0 }, LINE) == RECEIVED_RESPONSE)
                        ;
                client_close(&deaf);
        }
}

int main(int argc, char **argv) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, talk_set_up, talk_tear_down)
        const struct CMUnitTest tests[] = {
                CASE(all_read_the_same),          CASE(deaf_user_is_dropped),
                CASE(late_user_loses_nothing),    cmocka_unit_test(room_for_those_before_the_door),
                cmocka_unit_test(end_under_load),
        };

        if (argc > 1)
                setenv("WEIR_CHAT", argv[1], 1);
        return cmocka_run_group_tests_name("chat_crowd", tests, NULL, NULL);
}
