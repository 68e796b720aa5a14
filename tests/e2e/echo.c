/* SPDX-License-Identifier: MIT */

/*
 * The echo server as its clients see it: what they send comes back byte by byte, however slowly they read, and whatever
 * others do. Each case has a server of its own, whose exit code must be 0, which under a sanitizer also says that
 * nothing was reported.
 */

#include "client.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIB          ((size_t)1 << 20)

static const char *echo_path(void) {
        const char *path = getenv("WEIR_ECHO");

        return path ? path : "./echo";
}

static bool start(struct server *server, const char *workers, unsigned files) {
        const char *argv[] = { echo_path(), "--port=0", "--workers", workers, NULL };

        return server_start_program(server, argv, files);
}

static bool start_impatient(struct server *server) {
        const char *argv[] = { echo_path(), "--port=0", "--workers=3", "--idle-timeout=1", NULL };

        return server_start_program(server, argv, 0);
}

/* ---------------------------------------------------------------- streams */

/* A byte of a stream that differs from its neighbours, from its like in other streams, and from one lost before. */
static unsigned char byte_at(unsigned seed, size_t offset) {
        return (unsigned char)((offset * 2654435761U + seed * 40503U) >> 16 ^ offset);
}

/*
 * Sends so many bytes and compares what comes back. It reads only when it cannot send, and then no more than a piece;
 * so the smaller the piece, the fuller are all buffers on the way.
 */
static bool exchange(struct client *client, unsigned seed, size_t size, size_t piece) {
        unsigned char chunk[65536], back[4096];
        size_t sent = 0, received = 0;

        while (received < size) {
                size_t n = size - sent < sizeof chunk ? size - sent : sizeof chunk;

                for (size_t i = 0; i < n; ++i)
                        chunk[i] = byte_at(seed, sent + i);
                if (n > 0) {
                        ssize_t r = send(client->fd, chunk, n, MSG_DONTWAIT | MSG_NOSIGNAL);

                        if (r < 0 && errno != EAGAIN)
                                return false;
                        if (r > 0) {
                                sent += (size_t)r;
                                continue;
                        }
                }
                n = sent - received < piece ? sent - received : piece;
                if (!client_receive_bytes(client, back, n))
                        return false;
                for (size_t i = 0; i < n; ++i)
                        if (back[i] != byte_at(seed, received + i))
                                return false;
                received += n;
        }
        return true;
}

/* Sends until nothing goes any more, and reads nothing. */
static bool be_deaf(struct client *client) {
        static const char bytes[65536];

        while (send(client->fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
                ;
        return errno == EAGAIN;
}

static bool ask(const struct server *server, unsigned seed) {
        struct client client;
        bool right = false;

        if (client_open(&client, server)) {
                right = exchange(&client, seed, 1000, 1000) && shutdown(client.fd, SHUT_WR) == 0 &&
                        client_meets_end(&client);
                client_close(&client);
        }
        return right;
}

/* ---------------------------------------------------------------- what comes back */

static void bytes_come_back(void **state) {
        static const size_t sizes[] = { 1, 2, 100, 4095, 16383, 16384, 16385, 100000 };
        struct server server;
        struct client client;
        char byte;

        (void)state;
        assert_true(start(&server, "4", 0));
        assert_true(client_open(&client, &server));
        for (size_t i = 0; i < ARRAY_LEN(sizes); ++i)
                assert_true(exchange(&client, (unsigned)i, sizes[i], 4096));
        for (const char *c = "one by one"; *c; ++c) {
                assert_true(client_send(&client, c, 1));
                assert_true(client_receive_bytes(&client, &byte, 1));
                assert_int_equal(byte, *c);
        }
        assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
        assert_true(client_meets_end(&client));
        client_close(&client);
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* An urgent byte itself does not, for the server does not ask for it. It keeps nothing else back. */
static void urgent_byte_does_not_stop_it(void **state) {
        static const char text[] = "all of this comes back";
        struct server server;
        struct client client;
        char back[sizeof text - 1];

        (void)state;
        assert_true(start(&server, "4", 0));
        assert_true(client_open(&client, &server));
        for (size_t i = 0; i < sizeof back; ++i) {
                assert_true(client_say_with_urgent(&client, &server, text, i));
                assert_true(client_receive_bytes(&client, back, sizeof back));
                assert_memory_equal(back, text, sizeof back);
        }
        client_close(&client);
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* All that was sent before the end of the stream comes back before the end of the other one. */
static void end_comes_last(void **state) {
        char text[64], back[64];
        struct server server;

        (void)state;
        assert_true(start(&server, "4", 0));
        for (unsigned i = 0; i < 200; ++i) {
                struct client client;

                snprintf(text, sizeof text, "the last words of %u", i);
                assert_true(client_open(&client, &server));
                assert_true(client_say(&client, text));
                assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
                assert_true(client_receive_bytes(&client, back, strlen(text)));
                assert_memory_equal(back, text, strlen(text));
                assert_true(client_meets_end(&client));
                client_close(&client);
        }
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* ---------------------------------------------------------------- many, and slow ones */

#define STREAMS 12

struct stream {
        struct client client;
        pthread_t thread;
        unsigned seed;
        size_t size, piece;
        bool right;
};

static void *run(void *argument) {
        struct stream *stream = argument;

        stream->right = exchange(&stream->client, stream->seed, stream->size, stream->piece) &&
                        shutdown(stream->client.fd, SHUT_WR) == 0 && client_meets_end(&stream->client);
        return NULL;
}

/* Fewer workers than clients that do not read: none of them keeps one, and each byte comes back in the end. */
static void slow_readers(void **state) {
        static struct stream streams[STREAMS];
        struct client deaf[8];
        struct server server;

        (void)state;
        assert_true(start(&server, "2", 0));
        for (size_t i = 0; i < ARRAY_LEN(deaf); ++i) {
                assert_true(client_open(&deaf[i], &server));
                assert_true(be_deaf(&deaf[i]));
        }
        for (unsigned i = 0; i < STREAMS; ++i) {
                streams[i] = (struct stream){ .seed = i, .size = 8 * MIB, .piece = i % 3 ? 4096 : 1000 };
                assert_true(client_open(&streams[i].client, &server));
                pthread_create(&streams[i].thread, NULL, run, &streams[i]);
        }
        for (unsigned i = 0; i < 100; ++i)
                assert_true(ask(&server, i));
        for (unsigned i = 0; i < STREAMS; ++i)
                pthread_join(streams[i].thread, NULL);
        for (unsigned i = 0; i < STREAMS; ++i) {
                assert_true(streams[i].right);
                client_close(&streams[i].client);
        }
        for (size_t i = 0; i < ARRAY_LEN(deaf); ++i)
                client_close(&deaf[i]);
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* ---------------------------------------------------------------- who goes without a word */

#define FILES 30

/* By a close or a reset, with nothing sent, something, or so much that the server waits. All descriptors come back. */
static void peers_that_vanish(void **state) {
        struct server server;
        struct client stays;

        (void)state;
        assert_true(start(&server, "3", FILES));
        assert_true(client_open(&stays, &server));
        for (unsigned i = 0; i < 10 * FILES; ++i) {
                struct client client;

                assert_true(client_open(&client, &server));
                if (i % 3 == 1)
                        assert_true(client_say(&client, "good-bye"));
                if (i % 3 == 2)
                        assert_true(be_deaf(&client));
                if (i % 2)
                        client_reset(&client);
                else
                        client_close(&client);
                if (i % 10 == 0)
                        assert_true(exchange(&stays, i, 100, 100));
        }
        assert_true(exchange(&stays, 0, MIB, 4096));
        client_close(&stays);
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* More clients than descriptors: those that wait get in as others leave. */
static void leaving_clients_make_room(void **state) {
        struct client first[FILES], then[FILES];
        struct server server;
        char byte;

        (void)state;
        assert_true(start(&server, "3", FILES));
        for (size_t i = 0; i < FILES; ++i)
                assert_true(client_open(&first[i], &server));
        for (size_t i = 0; i < FILES; ++i) {
                assert_true(client_open(&then[i], &server));
                assert_true(client_send(&then[i], "x", 1));
        }
        for (size_t i = 0; i < FILES; ++i)
                client_close(&first[i]);
        for (size_t i = 0; i < FILES; ++i) {
                assert_true(client_receive_bytes(&then[i], &byte, 1));
                client_close(&then[i]);
        }
        assert_true(ask(&server, 0));
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* Who sends nothing, and who does not read, is closed; who goes on is not, however long it takes. */
static void idle_ones_are_closed(void **state) {
        struct client idle, deaf, busy;
        struct server server;
        char byte;

        (void)state;
        assert_true(start_impatient(&server));
        assert_true(client_open(&idle, &server));
        assert_true(client_open(&deaf, &server));
        assert_true(be_deaf(&deaf));
        assert_true(client_open(&busy, &server));
        for (bool closed = false; !closed;) {
                struct pollfd pollfd = { .fd = idle.fd, .events = POLLIN };

                closed = poll(&pollfd, 1, 100) > 0;
                assert_true(client_send(&busy, "x", 1));
                assert_true(client_receive_bytes(&busy, &byte, 1));
        }
        assert_true(client_meets_end(&idle));
        for (int r = 1; r > 0;) /* what was on its way, then the end, or a reset */
                r = (int)recv(deaf.fd, &byte, 1, 0);
        client_close(&idle);
        client_close(&deaf);
        client_close(&busy);
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* ---------------------------------------------------------------- the end */

#define LOAD_THREADS 6

struct load {
        const struct server *server;
        pthread_t thread;
        atomic_uint *exchanges;
        unsigned index;
};

/* Exchanges until nobody opens. */
static void *load(void *argument) {
        struct load *mine = argument;
        struct client client;

        for (unsigned round = 0; client_open(&client, mine->server); ++round) {
                exchange(&client, mine->index, round % 2 ? 100 : MIB / 4, 4096);
                atomic_fetch_add(mine->exchanges, 1);
                if (round % 3)
                        client_close(&client);
                else
                        client_reset(&client);
        }
        return NULL;
}

static void end_under_load(void **state) {
        (void)state;
        for (unsigned round = 0; round < 6; ++round) {
                struct load loads[LOAD_THREADS];
                atomic_uint exchanges = 0;
                struct client deaf, idle;
                struct server server;

                assert_true(start(&server, round % 2 ? "1" : "4", 0));
                assert_true(client_open(&idle, &server));
                assert_true(client_open(&deaf, &server));
                assert_true(be_deaf(&deaf));
                for (unsigned i = 0; i < LOAD_THREADS; ++i) {
                        loads[i] = (struct load){ .server = &server, .exchanges = &exchanges, .index = i };
                        pthread_create(&loads[i].thread, NULL, load, &loads[i]);
                }
                while (atomic_load(&exchanges) < 10 * round)
                        sched_yield();
                assert_int_equal(server_stop(&server, round % 2 ? SIGINT : SIGTERM), 0);
                for (unsigned i = 0; i < LOAD_THREADS; ++i)
                        pthread_join(loads[i].thread, NULL);
                assert_true(client_meets_end(&idle));
                client_close(&idle);
                client_close(&deaf);
        }
}

static void options(void **state) {
        static const struct {
                const char *option;
                int code;
        } cases[] = {
                { "--help", 0 },        { "--port=65536", 2 }, { "--port=-1", 2 },    { "--workers=0", 2 },
                { "--workers=257", 2 }, { "--unknown", 2 },    { "one-too-many", 2 },
        };
        struct server server;
        char port[32];

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(cases); ++i)
                assert_int_equal(program_run(echo_path(), cases[i].option), cases[i].code);
        /* A port that is taken. */
        assert_true(start(&server, "256", 0));
        snprintf(port, sizeof port, "--port=%u", server.port);
        assert_int_equal(program_run(echo_path(), port), 1);
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bytes_come_back),
                cmocka_unit_test(urgent_byte_does_not_stop_it),
                cmocka_unit_test(end_comes_last),
                cmocka_unit_test(slow_readers),
                cmocka_unit_test(peers_that_vanish),
                cmocka_unit_test(leaving_clients_make_room),
                cmocka_unit_test(idle_ones_are_closed),
                cmocka_unit_test(end_under_load),
                cmocka_unit_test(options),
        };

        if (argc > 1)
                setenv("WEIR_ECHO", argv[1], 1);
        return cmocka_run_group_tests_name("echo", tests, NULL, NULL);
}
