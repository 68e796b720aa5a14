/* SPDX-License-Identifier: MIT */

/*
 * The chat as its users see it, and its moderator: what a line is, how one comes in, and the ways out. Each case has a
 * server of its own, whose exit code must be 0. Many at once, and the end of the server, are in chat_crowd.c.
 */

#include "talk.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---------------------------------------------------------------- lines */

static void lines_in_pieces(void **state) {
        static const char pieces[] = "over several packets\n";
        struct server *server = *state;
        struct client alice, bob;

        assert_true(enter(&alice, server, "alice"));
        assert_true(enter(&bob, server, "bob"));
        assert_true(hears(&alice, "* bob has come"));

        for (const char *piece = pieces; *piece; ++piece) {
                assert_true(client_send(&alice, piece, 1));
                assert_true(client_flush(&alice));
        }
        assert_true(hears(&bob, "alice: over several packets"));
        assert_true(hears(&alice, "alice: over several packets"));

        /* Half a line is nothing yet, and stays in one piece whatever others say meanwhile. */
        assert_true(client_say(&alice, "one\ntwo\r\n\nthr"));
        assert_true(hears(&bob, "alice: one"));
        assert_true(hears(&bob, "alice: two"));
        assert_true(hears(&bob, "alice: "));
        assert_true(client_say(&bob, "in between\n"));
        assert_true(hears(&bob, "bob: in between"));
        assert_true(client_say(&alice, "ee\ttabs \033[2J\177\n"));
        assert_true(hears(&bob, "alice: three\ttabs ?[2J?"));
        client_close(&alice);
        client_close(&bob);
}

/* An urgent byte itself is not part of a line, for the server does not ask for it. It keeps nothing else back. */
static void urgent_byte_in_a_line(void **state) {
        static const char line[] = "all of this is heard\n";
        struct server *server = *state;
        struct client alice;

        assert_true(enter(&alice, server, "alice"));
        for (size_t i = 0; i < strlen(line); ++i) {
                assert_true(client_say_with_urgent(&alice, server, line, i));
                assert_true(hears(&alice, "alice: all of this is heard"));
        }
        client_close(&alice);
}

/* More than is read in one turn: the rest is not forgotten, though nothing comes after it. */
static void many_lines_at_once(void **state) {
        struct server *server = *state;
        char lines[50001], expected[LINE];
        struct client alice;
        size_t size = 0;

        assert_true(enter(&alice, server, "alice"));
        for (unsigned i = 0; i < 100; ++i)
                size += (size_t)snprintf(lines + size, sizeof lines - size, "%0499u\n", i);
        for (unsigned round = 0; round < 10; ++round) {
                assert_true(client_send(&alice, lines, size));
                for (unsigned i = 0; i < 100; ++i) {
                        snprintf(expected, sizeof expected, "alice: %0499u", i);
                        assert_true(hears(&alice, expected));
                }
        }
        client_close(&alice);
}

static void long_lines(void **state) {
        char line[20000], expected[LINE];
        struct server *server = *state;
        struct client alice;

        assert_true(enter(&alice, server, "alice"));
        for (size_t size = 510; size <= 513; ++size) {
                memset(line, 'x', size);
                memcpy(line + size, "\n", 2);
                snprintf(expected, sizeof expected, "alice: %.*s", (int)size, line);
                assert_true(client_say(&alice, line));
                assert_true(hears(&alice, size <= 511 ? expected : "* That line was too long."));
        }
        memset(line, 'x', sizeof line);
        assert_true(client_send(&alice, line, sizeof line));
        assert_true(client_flush(&alice));
        assert_true(client_say(&alice, "the same line\nanother\n"));
        assert_true(hears(&alice, "* That line was too long."));
        assert_true(hears(&alice, "alice: another"));
        client_close(&alice);
}

static void names(void **state) {
        static const struct {
                const char *name, *answer;
        } cases[] = {
                { "\n", "* A name is one short word. Which is yours?" },
                { "two words\n", "* A name is one short word. Which is yours?" },
                { "a.name.of.thirty.two.characters.\n", "* A name is one short word. Which is yours?" },
                { "alice\n", "* That name is taken. Which is yours?" },
                { "a.name.of.thirty.one.characters\n", "* a.name.of.thirty.one.characters has come" },
        };
        struct server *server = *state;
        struct client alice, nobody;

        assert_true(enter(&alice, server, "alice"));
        assert_true(client_open(&nobody, server));
        assert_true(hears(&nobody, "* What is your name?"));
        for (size_t i = 0; i < ARRAY_LEN(cases); ++i) {
                assert_true(client_say(&nobody, cases[i].name));
                assert_true(hears(&nobody, cases[i].answer));
        }
        client_close(&nobody);
        assert_true(hears(&alice, "* a.name.of.thirty.one.characters has come"));
        assert_true(hears(&alice, "* a.name.of.thirty.one.characters has left"));
        client_close(&alice);
}

/* Whoever leaves in whatever way is missed; who never said a name is not; half a line is never heard. */
static void leaving(void **state) {
        struct server *server = *state;
        struct client alice, bob;

        assert_true(enter(&alice, server, "alice"));
        for (int way = 0; way < 4; ++way) {
                assert_true(enter(&bob, server, "bob"));
                assert_true(hears(&alice, "* bob has come"));
                if (way == 0) {
                        assert_true(client_say(&bob, "/quit\nunheard\n"));
                } else {
                        assert_true(client_say(&bob, "half a line"));
                        assert_true(client_flush(&bob));
                }
                if (way == 1)
                        assert_int_equal(shutdown(bob.fd, SHUT_WR), 0);
                if (way <= 1)
                        assert_int_not_equal(client_receive_line(&bob, (char[LINE]){ 0 }, LINE), RECEIVED_RESPONSE);
                if (way == 3)
                        client_reset(&bob);
                else
                        client_close(&bob);
                assert_true(hears(&alice, "* bob has left"));
        }
        assert_true(client_open(&bob, server));
        client_close(&bob);
        assert_true(client_open(&bob, server));
        assert_true(client_say(&bob, "/quit\n"));
        assert_true(hears(&bob, "* What is your name?"));
        assert_true(client_meets_end(&bob));
        client_close(&bob);
        assert_true(client_say(&alice, "alone\n"));
        assert_true(hears(&alice, "alice: alone"));
        client_close(&alice);
}

/* ---------------------------------------------------------------- the moderator */

static void moderator(void **state) {
        struct server *server = *state;
        struct client alice, bob;

        assert_true(enter(&alice, server, "alice"));
        assert_true(moderates(server, "kick bob\n", "nobody is called bob\n"));
        assert_true(moderates(server, "kick \n", "nobody is called \n"));
        assert_true(moderates(server, "dance\n", "commands: kick NAME, say TEXT, quit\n"));
        for (int round = 0; round < 3; ++round) {
                assert_true(enter(&bob, server, "bob"));
                assert_true(hears(&alice, "* bob has come"));
                assert_true(process_say(&server->process, "ki"));
                assert_true(moderates(server, "ck bob\nsay good riddance\n", "kicked bob\n"));
                assert_true(client_meets_end(&bob));
                client_close(&bob);
                assert_true(hears(&alice, "* bob was kicked"));
                assert_true(hears(&alice, "* good riddance"));
        }
        /* The end of the moderator's input is not the end of the chat. */
        assert_int_equal(shutdown(server->process.input, SHUT_WR), 0);
        assert_true(enter(&bob, server, "bob"));
        client_close(&bob);
        client_close(&alice);
}

/* Who says nothing for too long is out, and the others are told; who speaks stays. */
static void silent_one_is_out(void **state) {
        const char *argv[] = { getenv("WEIR_CHAT"), "--port=0", "--idle-timeout=1", NULL };
        struct client alice, bob;
        struct server server;
        char line[LINE] = "";

        (void)state;
        assert_true(server_start_program(&server, argv, 0));
        assert_true(enter(&bob, &server, "bob"));
        assert_true(enter(&alice, &server, "alice"));
        assert_true(hears(&bob, "* alice has come"));
        while (strcmp(line, "* alice has said nothing for too long") != 0) {
                struct pollfd pollfd = { .fd = bob.fd, .events = POLLIN };

                if (poll(&pollfd, 1, 100) == 0)
                        assert_true(client_say(&bob, "still here\n"));
                assert_int_equal(client_receive_line(&bob, line, sizeof line), RECEIVED_RESPONSE);
        }
        client_close(&alice);
        client_close(&bob);
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* All are told, also who has no name. */
static void end_is_told(void **state) {
        struct client alice, nobody;
        struct server server;

        (void)state;
        assert_true(chat_start(&server, 0));
        assert_true(enter(&alice, &server, "alice"));
        assert_true(client_open(&nobody, &server));
        assert_true(hears(&nobody, "* What is your name?"));
        assert_true(process_say(&server.process, "quit\n"));
        assert_true(hears(&alice, "* The chat ends. Goodbye."));
        assert_true(client_meets_end(&alice));
        assert_true(hears(&nobody, "* The chat ends. Goodbye."));
        assert_true(client_meets_end(&nobody));
        client_close(&alice);
        client_close(&nobody);
        assert_int_equal(server_stop(&server, 0), 0);
}

/* ---------------------------------------------------------------- the program */

static void options(void **state) {
        static const struct {
                const char *option;
                int code;
        } cases[] = {
                { "--help", 0 }, { "--port=65536", 2 }, { "--port=x", 2 }, { "--unknown", 2 }, { "one-too-many", 2 },
        };
        struct server *server = *state;
        const char *path = getenv("WEIR_CHAT");
        char port[32];

        for (size_t i = 0; i < ARRAY_LEN(cases); ++i)
                assert_int_equal(program_run(path, cases[i].option), cases[i].code);
        /* A port that is taken. */
        snprintf(port, sizeof port, "--port=%u", server->port);
        assert_int_equal(program_run(path, port), 1);
}

int main(int argc, char **argv) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, talk_set_up, talk_tear_down)
        const struct CMUnitTest tests[] = {
                CASE(lines_in_pieces),
                CASE(urgent_byte_in_a_line),
                CASE(many_lines_at_once),
                CASE(long_lines),
                CASE(names),
                CASE(leaving),
                CASE(moderator),
                cmocka_unit_test(silent_one_is_out),
                cmocka_unit_test(end_is_told),
                CASE(options),
        };

        if (argc > 1)
                setenv("WEIR_CHAT", argv[1], 1);
        return cmocka_run_group_tests_name("chat", tests, NULL, NULL);
}
