/* SPDX-License-Identifier: MIT */

/*
 * httpd over time: slow and idle clients, many clients, no descriptors, signals, and clients that are programs. Each
 * case has a server of its own, whose exit code must be 0.
 */

#include "client.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* A figure of /stats, or -1. */
static long stat_of(const struct server *server, const char *name) {
        struct response response;
        const char *at;
        char key[64];

        if (ask_once(server, GET("/stats"), &response) != 200)
                return -1;
        snprintf(key, sizeof key, "\"%s\":", name);
        at = strstr(response.body, key);
        return at ? atol(at + strlen(key)) : -1;
}

/* ---------------------------------------------------------------- slow and idle */

static void slow_requests_get_408(void **state) {
        static const char *const beginnings[] = { "G", "GET / HTTP/1.1\r\nHost: test\r\n", GET("/plain") "GET /" };
        struct client clients[ARRAY_LEN(beginnings)];
        struct response response;
        struct server server;

        (void)state;
        assert_true(server_start(&server, "0.4", 0));
        for (size_t i = 0; i < ARRAY_LEN(beginnings); ++i) {
                assert_true(client_open(&clients[i], &server));
                assert_true(client_say(&clients[i], beginnings[i]));
        }
        for (size_t i = 0; i < ARRAY_LEN(beginnings); ++i) {
                assert_int_equal(client_receive(&clients[i], &response, false), RECEIVED_RESPONSE);
                if (response.status == 200)
                        assert_int_equal(client_receive(&clients[i], &response, false), RECEIVED_RESPONSE);
                assert_int_equal(response.status, 408);
                assert_true(response.close);
                assert_true(client_meets_end(&clients[i]));
                client_close(&clients[i]);
        }
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* Bytes that keep coming do not buy a request more time. */
static void trickling_request_gets_408(void **state) {
        struct response response;
        struct client client;
        struct server server;
        int trickled = 0;

        (void)state;
        assert_true(server_start(&server, "0.4", 0));
        assert_true(client_open(&client, &server));
        assert_true(client_say(&client, "GET / HTTP/1.1\r\nX: "));
        for (;;) {
                struct pollfd pollfd = { .fd = client.fd, .events = POLLIN };

                if (poll(&pollfd, 1, 20) > 0)
                        break;
                assert_true(client_say(&client, "x"));
                assert_true(++trickled < DEADLINE_MS / 20);
        }
        assert_int_equal(client_receive(&client, &response, false), RECEIVED_RESPONSE);
        assert_int_equal(response.status, 408);
        assert_true(client_meets_end(&client));
        client_close(&client);
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* Idle ones are closed without a word, and so is one that does not read its responses. */
static void idle_connections_are_closed(void **state) {
        struct client fresh, used, deaf;
        struct response response;
        struct server server;
        char requests[8192] = "";

        (void)state;
        assert_true(server_start(&server, "0.4", 0));
        assert_true(client_open(&deaf, &server));
        while (strlen(requests) + sizeof GET("/") < sizeof requests)
                strcat(requests, GET("/"));
        while (send(deaf.fd, requests, strlen(requests), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
                ;
        assert_true(client_open(&fresh, &server));
        assert_true(client_open(&used, &server));
        assert_int_equal(client_ask(&used, GET("/plain"), &response), 200);
        assert_true(client_meets_end(&fresh));
        assert_true(client_meets_end(&used));
        /* What was on its way to the deaf one is there still; then comes the end, or a reset. */
        while (client_receive(&deaf, &response, false) == RECEIVED_RESPONSE)
                ;
        client_close(&fresh);
        client_close(&used);
        client_close(&deaf);
        /* No thread that sleeps keeps a batch open: the one left is that of the request itself. */
        for (int i = 0; stat_of(&server, "batches") != 1; ++i)
                assert_true(i < 10000);
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* ---------------------------------------------------------------- side by side */

/*
 * Of two clients that came at once, the second one does not wait for the answers to the first one, whose requests were there
 * when it was accepted: the server is stopped meanwhile. Its requests take seconds each, and are answered together; who talks
 * nonsense is told so at once.
 */
static void long_answer_does_not_hold_up_the_next_client(void **state) {
        const char *argv[] = { httpd_path(), "--port=0", "--threads=2", "--sleep=10000000", NULL };
        char requests[1024] = "", byte;
        struct response response;
        struct client slow, next;
        struct server server;

        (void)state;
        for (int i = 0; i < 10; ++i)
                strcat(requests, GET("/plain"));
        assert_true(server_start_program(&server, argv, 0));
        assert_int_equal(kill(server.process.pid, SIGSTOP), 0);
        assert_int_equal(waitpid(server.process.pid, NULL, WUNTRACED), server.process.pid);
        assert_true(client_open(&slow, &server));
        assert_true(client_say(&slow, requests));
        assert_true(client_flush(&slow));
        assert_true(client_open(&next, &server));
        assert_int_equal(kill(server.process.pid, SIGCONT), 0);
        assert_int_equal(client_ask(&next, "nonsense\r\n\r\n", &response), 400);
        assert_true(recv(slow.fd, &byte, 1, MSG_DONTWAIT) < 0);
        assert_int_equal(server_stop(&server, SIGKILL), -1);
        client_close(&slow);
        client_close(&next);
}

/* ---------------------------------------------------------------- many */

#define LOAD_THREADS 8

struct load {
        pthread_t thread;
        const struct server *server;
        unsigned seed;
        unsigned requests; /* how many are to be answered; 0: until refused */
        unsigned answered;
        unsigned ended;       /* met the end or a reset where a response would have begun */
        unsigned wrong;       /* half a response, or not the right one */
        atomic_uint *started; /* threads that had a response */
};

/* Sends a few requests at once, and receives what comes. False if the connection is at its end. */
static bool burst(struct load *load, struct client *client) {
        static const char *const requests[] = { GET("/plain"), GET("/missing"), GET("/") };
        static const int statuses[] = { 200, 404, 200 };
        unsigned count = 1 + (unsigned)rand_r(&load->seed) % 4, first = (unsigned)rand_r(&load->seed);

        for (unsigned i = 0; i < count; ++i)
                if (!client_say(client, requests[(first + i) % 3])) {
                        ++load->ended;
                        return false;
                }
        for (unsigned i = 0; i < count; ++i) {
                struct response response;
                enum received received = client_receive(client, &response, false);

                if (received == RECEIVED_END || received == RECEIVED_RESET) {
                        ++load->ended;
                        return false;
                }
                if (received != RECEIVED_RESPONSE || response.status != statuses[(first + i) % 3]) {
                        ++load->wrong;
                        return false;
                }
                if (load->answered++ == 0)
                        atomic_fetch_add(load->started, 1);
        }
        return true;
}

static void *load_run(void *argument) {
        struct load *load = argument;
        struct client client, idle;

        while (!load->requests || load->answered < load->requests) {
                if (!client_open(&client, load->server)) {
                        load->wrong += load->requests > 0;
                        break;
                }
                /* An idle one beside it, whose time will be over. */
                if (!client_open(&idle, load->server))
                        idle.fd = -1;
                for (unsigned i = (unsigned)rand_r(&load->seed) % 50; i && burst(load, &client); --i)
                        ;
                if (rand_r(&load->seed) % 4)
                        client_close(&client);
                else
                        client_reset(&client);
                if (idle.fd >= 0)
                        client_close(&idle);
        }
        return NULL;
}

static void load_start(struct load *loads, const struct server *server, unsigned requests, atomic_uint *started) {
        for (unsigned i = 0; i < LOAD_THREADS; ++i) {
                loads[i] = (struct load){ .server = server, .seed = i, .requests = requests, .started = started };
                assert_int_equal(pthread_create(&loads[i].thread, NULL, load_run, &loads[i]), 0);
        }
}

static void many_clients_beside_idle_ones(void **state) {
        struct load loads[LOAD_THREADS];
        atomic_uint started = 0;
        struct client sleepers[100];
        struct server server;

        (void)state;
        assert_true(server_start(&server, "0.05", 0));
        for (size_t i = 0; i < ARRAY_LEN(sleepers); ++i)
                assert_true(client_open(&sleepers[i], &server));
        load_start(loads, &server, 2000, &started);
        for (unsigned i = 0; i < LOAD_THREADS; ++i)
                pthread_join(loads[i].thread, NULL);
        for (unsigned i = 0; i < LOAD_THREADS; ++i)
                assert_int_equal(loads[i].wrong, 0);
        for (size_t i = 0; i < ARRAY_LEN(sleepers); ++i) {
                assert_true(client_meets_end(&sleepers[i]));
                client_close(&sleepers[i]);
        }
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* ---------------------------------------------------------------- no descriptors */

#define FILES 30

/* More clients than descriptors: those whose time is over make room by and by, all are answered, and meanwhile nothing spins. */
static void all_get_their_turn_without_descriptors(void **state) {
        struct client clients[3 * FILES];
        struct response response;
        struct server server;
        long waits;

        (void)state;
        assert_true(server_start(&server, "0.5", FILES));
        for (size_t i = 0; i < ARRAY_LEN(clients); ++i) {
                assert_true(client_open(&clients[i], &server));
                assert_true(client_say(&clients[i], GET("/plain")));
        }
        for (size_t i = 0; i < ARRAY_LEN(clients); ++i) {
                assert_int_equal(client_receive(&clients[i], &response, false), RECEIVED_RESPONSE);
                assert_int_equal(response.status, 200);
        }
        waits = stat_of(&server, "waits");
        assert_in_range(waits, 1, 5000);
        for (size_t i = 0; i < ARRAY_LEN(clients); ++i)
                client_close(&clients[i]);
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* Clients that leave make room at once: nothing waits for an idle limit. */
static void leaving_clients_make_room(void **state) {
        struct client first[FILES], then[FILES];
        struct response response;
        struct server server;

        (void)state;
        assert_true(server_start(&server, "60", FILES));
        for (size_t i = 0; i < FILES; ++i)
                assert_true(client_open(&first[i], &server));
        for (size_t i = 0; i < FILES; ++i) {
                assert_true(client_open(&then[i], &server));
                assert_true(client_say(&then[i], GET("/plain")));
        }
        for (size_t i = 0; i < FILES; ++i)
                client_close(&first[i]);
        for (size_t i = 0; i < FILES; ++i) {
                assert_int_equal(client_receive(&then[i], &response, false), RECEIVED_RESPONSE);
                client_close(&then[i]);
        }
        assert_int_equal(ask_once(&server, GET("/plain"), &response), 200);
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* ---------------------------------------------------------------- signals */

static void idle_connections_do_not_hold_up_the_end(void **state) {
        static const int signals[] = { SIGTERM, SIGINT };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(signals); ++i) {
                struct client fresh, used;
                struct response response;
                struct server server;

                assert_true(server_start(&server, "60", 0));
                assert_true(client_open(&fresh, &server));
                assert_true(client_open(&used, &server));
                assert_int_equal(client_ask(&used, GET("/plain"), &response), 200);
                assert_int_equal(server_stop(&server, signals[i]), 0);
                assert_true(client_meets_end(&used));
                client_close(&fresh);
                client_close(&used);
        }
}

/* Requests that have arrived are answered, all of them; one that has begun may come to its end. */
static void what_is_in_flight_is_finished(void **state) {
        struct client arrived, begun, idle;
        struct response response;
        struct server server;
        char requests[8192] = "";

        (void)state;
        assert_true(server_start(&server, "60", 0));
        assert_true(client_open(&idle, &server));
        assert_int_equal(client_ask(&idle, GET("/plain"), &response), 200);
        assert_true(client_open(&begun, &server));
        assert_int_equal(client_ask(&begun, GET("/plain"), &response), 200);
        assert_true(client_say(&begun, "GET /missing HTTP/1.1\r\n"));
        assert_true(client_open(&arrived, &server));
        assert_int_equal(client_ask(&arrived, GET("/plain"), &response), 200);
        for (int i = 0; i < 100; ++i)
                strcat(requests, GET("/plain"));
        assert_true(client_say(&arrived, requests));
        assert_true(client_flush(&begun));
        assert_true(client_flush(&arrived));

        kill(server.process.pid, SIGTERM);
        assert_true(client_meets_end(&idle));
        while (ask_once(&server, GET("/plain"), &response) >= 0) /* a round of accepting may be under way */
                ;
        for (int i = 0; i < 100; ++i) {
                assert_int_equal(client_receive(&arrived, &response, false), RECEIVED_RESPONSE);
                assert_int_equal(response.status, 200);
        }
        assert_true(client_meets_end(&arrived));
        assert_true(client_say(&begun, "Host: test\r\n\r\n"));
        assert_int_equal(client_receive(&begun, &response, false), RECEIVED_RESPONSE);
        assert_int_equal(response.status, 404);
        assert_true(response.close);
        assert_true(client_meets_end(&begun));
        assert_int_equal(server_stop(&server, 0), 0);
        client_close(&idle);
        client_close(&begun);
        client_close(&arrived);
}

/* A request that never comes to its end does not keep the server: it is answered 408 like any other. */
static void slow_request_does_not_hold_up_the_end(void **state) {
        struct response response;
        struct client client;
        struct server server;

        (void)state;
        assert_true(server_start(&server, "0.4", 0));
        assert_true(client_open(&client, &server));
        /* An answer shows that the connection has been accepted: one that has not is not the server's to answer. */
        assert_true(client_say(&client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_true(client_flush(&client));
        assert_int_equal(client_receive(&client, &response, false), RECEIVED_RESPONSE);
        assert_true(client_say(&client, "GET / HTTP/1.1\r\n"));
        assert_true(client_flush(&client));
        assert_int_equal(server_stop(&server, SIGTERM), 0);
        assert_int_equal(client_receive(&client, &response, false), RECEIVED_RESPONSE);
        assert_int_equal(response.status, 408);
        client_close(&client);
}

/* With a long timeout, too, it has its end: the grace, after which what is left is closed. */
static void grace_has_an_end(void **state) {
        struct client client;
        struct server server;

        (void)state;
        assert_true(server_start(&server, "60", 0));
        assert_true(client_open(&client, &server));
        assert_true(client_say(&client, "GET / HTTP/1.1\r\n"));
        assert_true(client_flush(&client));
        assert_int_equal(server_stop(&server, SIGTERM), 0);
        client_close(&client);
}

/* Under load: exit code 0, and nobody gets half a response. */
static void signal_under_load(void **state) {
        (void)state;
        for (int round = 0; round < 5; ++round) {
                struct load loads[LOAD_THREADS];
                atomic_uint started = 0;
                struct server server;

                assert_true(server_start(&server, "0.1", 0));
                load_start(loads, &server, 0, &started);
                while (atomic_load(&started) < LOAD_THREADS)
                        sched_yield();
                assert_int_equal(server_stop(&server, round % 2 ? SIGINT : SIGTERM), 0);
                for (unsigned i = 0; i < LOAD_THREADS; ++i)
                        pthread_join(loads[i].thread, NULL);
                for (unsigned i = 0; i < LOAD_THREADS; ++i)
                        assert_int_equal(loads[i].wrong, 0);
        }
}

/* ---------------------------------------------------------------- programs */

/* Runs curl with some arguments, and compares the end of what it prints. */
static void expect_curl(const char *const *argv, const char *end) {
        struct process process;
        char output[8192];
        size_t length;

        assert_true(process_start(&process, argv, 0, false));
        assert_true(process_read(&process, NULL, output, sizeof output));
        assert_int_equal(process_wait(&process), 0);
        length = strlen(output);
        assert_true(length >= strlen(end));
        assert_string_equal(output + length - strlen(end), end);
}

static void curl(void **state) {
        char page[128], stats[128], plain[128];
        struct server server;

        (void)state;
        assert_true(server_start(&server, "60", 0));
        snprintf(page, sizeof page, "%s", server.address);
        snprintf(stats, sizeof stats, "%sstats", server.address);
        snprintf(plain, sizeof plain, "%splain", server.address);
#define CURL(...) ((const char *const[]){ "curl", "-q", "--noproxy", "*", "-sS", "-m", "20", __VA_ARGS__, NULL })
        expect_curl(CURL(page), "</html>\n");
        expect_curl(CURL(stats), "}\n");
        expect_curl(CURL("-w", "%{num_connects}%{http_code}\n", plain, plain, plain),
                    "Hello, weir\n1200\nHello, weir\n0200\nHello, weir\n0200\n");
        expect_curl(CURL("-0", plain), "Hello, weir\n");
        expect_curl(CURL("-I", "-o", "/dev/null", "-w", "%{http_code} %{content_type}\n", page), "200 text/html\n");
        expect_curl(CURL("-d", "x=1", "-w", " %{http_code}\n", page), "405 Method Not Allowed 405\n");
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

static void status_line_on_a_terminal(void **state) {
        const char *argv[] = { httpd_path(), "--port=0", NULL };
        struct process process;
        char output[4096];

        (void)state;
        assert_true(process_start(&process, argv, 0, true));
        assert_true(process_read(&process, "wakes", output, sizeof output));
        assert_non_null(strstr(output, "listening on http://127.0.0.1:"));
        assert_non_null(strstr(output, "0 connections, 0 requests/s, 0 stale events dropped, 0 wakes"));
        kill(process.pid, SIGINT);
        assert_int_equal(process_wait(&process), 0);
}

static void options(void **state) {
        static const struct {
                const char *option;
                int code;
        } cases[] = {
                { "--help", 0 },           { "--port=65536", 2 }, { "--port=x", 2 },
                { "--threads=0", 2 },      { "--threads=-1", 2 }, { "--idle-timeout=0", 2 },
                { "--idle-timeout=x", 2 }, { "--unknown", 2 },    { "one-too-many", 2 },
        };
        struct server server;
        char port[32];

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(cases); ++i)
                assert_int_equal(program_run(httpd_path(), cases[i].option), cases[i].code);
        /* A port that is taken. */
        assert_true(server_start(&server, "never", 0));
        snprintf(port, sizeof port, "--port=%u", server.port);
        assert_int_equal(program_run(httpd_path(), port), 1);
        assert_int_equal(server_stop(&server, SIGTERM), 0);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(slow_requests_get_408),
                cmocka_unit_test(trickling_request_gets_408),
                cmocka_unit_test(idle_connections_are_closed),
                cmocka_unit_test(long_answer_does_not_hold_up_the_next_client),
                cmocka_unit_test(many_clients_beside_idle_ones),
                cmocka_unit_test(all_get_their_turn_without_descriptors),
                cmocka_unit_test(leaving_clients_make_room),
                cmocka_unit_test(idle_connections_do_not_hold_up_the_end),
                cmocka_unit_test(what_is_in_flight_is_finished),
                cmocka_unit_test(slow_request_does_not_hold_up_the_end),
                cmocka_unit_test(grace_has_an_end),
                cmocka_unit_test(signal_under_load),
                cmocka_unit_test(curl),
                cmocka_unit_test(status_line_on_a_terminal),
                cmocka_unit_test(options),
        };

        if (argc > 1)
                setenv("WEIR_HTTPD", argv[1], 1);
        return cmocka_run_group_tests_name("httpd_life", tests, NULL, NULL);
}
