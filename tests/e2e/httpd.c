/* SPDX-License-Identifier: MIT */

/*
 * httpd as its clients see it: requests in all shapes, the good answered, the bad refused. One server for all cases;
 * it must end with exit code 0, which under a sanitizer also says that nothing was reported. How long things take,
 * and how the server ends, is in httpd_life.c.
 */

#include "client.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct server server;

static int start(void **state) {
        (void)state;
        return server_start(&server, "60", 0) ? 0 : -1;
}

static int stop(void **state) {
        (void)state;
        return server_stop(&server, SIGTERM);
}

/* A connection of this case, and whether it still answers: what a case did must not have disturbed others. */
struct guest {
        struct client client;
        struct client neighbour;
        struct response response;
};

static int enter(void **state) {
        struct guest *guest = calloc(1, sizeof *guest);

        *state = guest;
        if (!guest || !client_open(&guest->client, &server) || !client_open(&guest->neighbour, &server))
                return -1;
        return client_ask(&guest->neighbour, GET("/plain"), &guest->response) == 200 ? 0 : -1;
}

static int leave(void **state) {
        struct guest *guest = *state;
        int r = client_ask(&guest->neighbour, GET("/plain"), &guest->response) == 200 ? 0 : -1;

        client_close(&guest->neighbour);
        if (guest->client.fd >= 0)
                client_close(&guest->client);
        free(guest);
        return r;
}

static void expect_response(struct guest *guest, int status) {
        assert_int_equal(client_receive(&guest->client, &guest->response, false), RECEIVED_RESPONSE);
        assert_int_equal(guest->response.status, status);
}

/* ---------------------------------------------------------------- pages */

static void the_page_is_html(void **state) {
        struct guest *guest = *state;

        assert_int_equal(client_ask(&guest->client, GET("/"), &guest->response), 200);
        assert_non_null(strstr(guest->response.head, "Content-Type: text/html"));
        assert_non_null(strstr(guest->response.body, "<h1>Hello from weir</h1>"));
        assert_false(guest->response.close);
}

/* {"name":number,...} and nothing else. Returns how many there are, or -1. */
static int count_numbers(const char *json) {
        int count = 0, length;
        char name[32];
        unsigned long long value;

        do {
                length = 0;
                sscanf(json, count ? ",\"%31[a-z_]\":%llu%n" : "{\"%31[a-z_]\":%llu%n", name, &value, &length);
                json += length;
                count += length > 0;
        } while (length > 0);
        return strcmp(json, "}\n") == 0 ? count : -1;
}

static void stats_are_json(void **state) {
        struct guest *guest = *state;

        assert_int_equal(client_ask(&guest->client, GET("/stats"), &guest->response), 200);
        assert_non_null(strstr(guest->response.head, "Content-Type: application/json\r\n"));
        assert_non_null(strstr(guest->response.body, "\"registered\":"));
        assert_non_null(strstr(guest->response.body, "\"stale\":"));
        assert_int_equal(count_numbers(guest->response.body), 11);
}

static void targets_are_understood(void **state) {
        static const struct {
                const char *request;
                int status;
        } cases[] = {
                { GET("/plain?a=b&c=/"), 200 },
                { GET("http://somewhere/plain"), 200 },
                { GET("HTTP://somewhere?query"), 200 },
                { GET("/missing"), 404 },
                { GET("/plain/"), 404 },
                { GET("//plain"), 404 },
                { GET("/favicon.ico"), 404 },
                { "\r\n\r\n" GET("/plain"), 200 },
                { "GET /plain HTTP/1.1\r\nhOST:test\r\nEmpty:\r\nX: \t a b\tc \xe4 \r\n\r\n", 200 },
                { "GET /plain HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n", 200 },
        };
        struct guest *guest = *state;

        for (size_t i = 0; i < ARRAY_LEN(cases); ++i)
                assert_int_equal(client_ask(&guest->client, cases[i].request, &guest->response), cases[i].status);
}

static void head_has_no_body(void **state) {
        struct guest *guest = *state;
        size_t length;

        assert_int_equal(client_ask(&guest->client, GET("/"), &guest->response), 200);
        length = guest->response.length;
        assert_int_equal(client_ask(&guest->client, "HEAD / HTTP/1.1\r\nHost: test\r\n\r\n", &guest->response), 200);
        assert_int_equal(guest->response.length, length);
        assert_int_equal(client_ask(&guest->client, "HEAD /missing HTTP/1.1\r\nHost: test\r\n\r\n", &guest->response),
                         404);
        assert_int_equal(client_ask(&guest->client, GET("/plain"), &guest->response), 200);
}

static void other_methods_get_405(void **state) {
        static const char *const requests[] = {
                "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n",
                "DELETE /plain HTTP/1.1\r\nHost: test\r\n\r\n",
                "OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n",
                "CONNECT test:80 HTTP/1.1\r\nHost: test\r\n\r\n",
                "get / HTTP/1.1\r\nHost: test\r\n\r\n",
        };
        struct guest *guest = *state;

        for (size_t i = 0; i < ARRAY_LEN(requests); ++i) {
                assert_int_equal(client_ask(&guest->client, requests[i], &guest->response), 405);
                assert_non_null(strstr(guest->response.head, "\r\nAllow: GET, HEAD\r\n"));
                assert_false(guest->response.close);
        }
}

/* ---------------------------------------------------------------- how requests arrive */

static void byte_by_byte(void **state) {
        const char *request = GET("/plain");
        struct guest *guest = *state;

        for (const char *p = request; *p; ++p) {
                assert_true(client_send(&guest->client, p, 1));
                assert_true(client_flush(&guest->client));
        }
        expect_response(guest, 200);
        assert_string_equal(guest->response.body, "Hello, weir\n");
}

static void split_anywhere(void **state) {
        const char *requests = GET("/plain") GET("/missing");
        struct guest *guest = *state;

        for (size_t i = 1; i < strlen(requests); ++i) {
                assert_true(client_send(&guest->client, requests, i));
                assert_true(client_flush(&guest->client));
                assert_true(client_say(&guest->client, requests + i));
                expect_response(guest, 200);
                expect_response(guest, 404);
        }
}

/* The server reads as far as the urgent byte, and must know that there is more. */
static void urgent_byte_anywhere(void **state) {
        const char *requests = GET("/plain") GET("/missing");
        struct guest *guest = *state;

        assert_int_equal(client_ask(&guest->client, GET("/plain"), &guest->response), 200);
        for (size_t i = 0; i < strlen(requests); ++i) {
                assert_true(client_say_with_urgent(&guest->client, &server, requests, i));
                expect_response(guest, 200);
                expect_response(guest, 404);
        }
}

/* Of two that come together the first is like any other, so they stand where a byte more does no harm. */
static void urgent_bytes_at_any_time(void **state) {
        struct guest *guest = *state;

        for (int round = 0; round < 200; ++round) {
                assert_true(client_say(&guest->client, "GET /plain HTTP/1.1\r\nHost: test\r\nUrgent: "));
                for (int i = 0; i < 20; ++i) {
                        assert_true(client_send_urgent(&guest->client, 'u'));
                        assert_true(i % 3 == round % 3 || client_say(&guest->client, "x"));
                }
                assert_true(client_say(&guest->client, "\r\n\r\n"));
                expect_response(guest, 200);
        }
}

static void pipelined(void **state) {
        struct guest *guest = *state;
        char requests[8192] = "";

        for (int i = 0; i < 50; ++i)
                strcat(requests, GET("/plain") GET("/missing"));
        assert_true(client_say(&guest->client, requests));
        for (int i = 0; i < 50; ++i) {
                expect_response(guest, 200);
                expect_response(guest, 404);
        }
}

/*
 * A client that sends and does not read: the server stops reading from it, serves others, and goes on when it reads
 * at last. That the server stops is seen by the client's own socket, which takes no more.
 */
static void client_that_does_not_read(void **state) {
        static const char request[] = GET("/");
        struct guest *guest = *state;
        size_t sent = 0, answered = 0;

        for (;;) {
                struct pollfd pollfd = { .fd = guest->client.fd, .events = POLLOUT };
                size_t offset = sent % (sizeof request - 1);
                ssize_t n = send(guest->client.fd, request + offset, sizeof request - 1 - offset, MSG_DONTWAIT);

                if (n > 0)
                        sent += (size_t)n;
                else if (poll(&pollfd, 1, 300) == 0)
                        break;
                assert_true(sent < (size_t)64 << 20);
        }
        for (int i = 0; i < 100; ++i)
                assert_int_equal(client_ask(&guest->neighbour, GET("/plain"), &guest->response), 200);

        for (; answered < sent / (sizeof request - 1); ++answered)
                expect_response(guest, 200);
        if (sent % (sizeof request - 1)) {
                assert_true(client_say(&guest->client, request + sent % (sizeof request - 1)));
                expect_response(guest, 200);
        }
        assert_int_equal(client_ask(&guest->client, GET("/missing"), &guest->response), 404);
}

static void half_close_after_requests(void **state) {
        struct guest *guest = *state;

        assert_true(client_say(&guest->client, GET("/plain") GET("/missing") GET("/")));
        shutdown(guest->client.fd, SHUT_WR);
        expect_response(guest, 200);
        expect_response(guest, 404);
        expect_response(guest, 200);
        assert_true(client_meets_end(&guest->client));
}

static void half_close_within_a_request(void **state) {
        struct guest *guest = *state;

        assert_true(client_say(&guest->client, GET("/plain") "GET / HT"));
        shutdown(guest->client.fd, SHUT_WR);
        expect_response(guest, 200);
        assert_true(client_meets_end(&guest->client));
}

static void resets(void **state) {
        struct guest *guest = *state;

        for (int i = 0; i < 50; ++i) {
                client_reset(&guest->client);
                assert_true(client_open(&guest->client, &server));
                if (i % 3)
                        assert_true(client_say(&guest->client, i % 3 == 1 ? "GET / HT" : GET("/") GET("/stats")));
        }
}

/* ---------------------------------------------------------------- how connections end */

static void persistence(void **state) {
        static const struct {
                const char *request;
                bool stays, says_close, says_keep_alive;
        } cases[] = {
                { GET("/plain"), true, false, false },
                { "GET /plain HTTP/1.1\r\nHost: test\r\nConnection: keep-alive\r\n\r\n", true, false, false },
                { "GET /plain HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", false, true, false },
                { "GET /plain HTTP/1.1\r\nHost: test\r\nConnection: x , CLOSE\r\n\r\n", false, true, false },
                { "GET /plain HTTP/1.1\r\nHost: test\r\nConnection: keep-alive, close\r\n\r\n", false, true, false },
                { "GET /plain HTTP/1.0\r\n\r\n", false, true, false },
                { "GET /plain HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false, true },
        };

        for (size_t i = 0; i < ARRAY_LEN(cases); ++i) {
                struct response response;
                struct client client;

                assert_true(client_open(&client, &server));
                assert_int_equal(client_ask(&client, cases[i].request, &response), 200);
                assert_int_equal(response.close, cases[i].says_close);
                assert_int_equal(response.keep_alive, cases[i].says_keep_alive);
                if (cases[i].stays)
                        assert_int_equal(client_ask(&client, GET("/missing"), &response), 404);
                else
                        assert_true(client_meets_end(&client));
                client_close(&client);
        }
        (void)state;
}

/* What comes behind the last request is not answered, and does not reset the connection under the response. */
static void nothing_after_close(void **state) {
        struct guest *guest = *state;

        assert_true(client_say(&guest->client, "GET /plain HTTP/1.0\r\n\r\n" GET("/")));
        expect_response(guest, 200);
        assert_true(client_meets_end(&guest->client));
        client_say(&guest->client, GET("/"));
}

/* ---------------------------------------------------------------- bad requests */

/* Each gets one response, and then the end, whatever follows it. */
static void malformed(void **state) {
#define AS_BYTES(text, status) \
        { (text), sizeof(text) - 1, (status) }
        static const struct {
                const char *bytes;
                size_t size;
                int status;
        } cases[] = {
                AS_BYTES("GARBAGE\r\n\r\n", 400),
                AS_BYTES("GARBAGE\r\n", 400),
                AS_BYTES("\x16\x03\x01\x02\x00\x01\xfc\x03\x03\n", 400),
                AS_BYTES("GET /\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\n\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost: test\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost : test\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost: test\r\n: x\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost: test\r\nno colon\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost: test\r\nX: a\r\n folded\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost: te\0st\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost: test\r\nX: a\rb\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost: test\r\nX\0Y: a\r\n\r\n", 400),
                AS_BYTES("GET  / HTTP/1.1\r\nHost: test\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1 \r\nHost: test\r\n\r\n", 400),
                AS_BYTES(" GET / HTTP/1.1\r\nHost: test\r\n\r\n", 400),
                AS_BYTES("G@T / HTTP/1.1\r\nHost: test\r\n\r\n", 400),
                AS_BYTES("GET /\x01 HTTP/1.1\r\nHost: test\r\n\r\n", 400),
                AS_BYTES("GET plain HTTP/1.1\r\nHost: test\r\n\r\n", 400),
                AS_BYTES("GET / http/1.1\r\nHost: test\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/x.1\r\nHost: test\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/2.0\r\nHost: test\r\n\r\n", 505),
                AS_BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
                AS_BYTES("GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost: test\r\nContent-Length: x\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost: test\r\nContent-Length: -1\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost: test\r\nContent-Length:\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\nContent-Length: 31\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
                AS_BYTES("GET / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
                AS_BYTES("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello", 405),
                AS_BYTES("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 405),
        };
        struct guest *guest = *state;

        for (size_t i = 0; i < ARRAY_LEN(cases); ++i) {
                assert_true(client_say(&guest->client, GET("/plain")));
                assert_true(client_send(&guest->client, cases[i].bytes, cases[i].size));
                assert_true(client_say(&guest->client, GET("/smuggled")));
                expect_response(guest, 200);
                expect_response(guest, cases[i].status);
                assert_true(guest->response.close);
                assert_true(client_meets_end(&guest->client));
                client_close(&guest->client);
                assert_true(client_open(&guest->client, &server));
        }
}

/* A request whose head has this size, all of it in one field. Returns what must be freed. */
static char *request_of(size_t size) {
        static const char begin[] = "GET /plain HTTP/1.1\r\nHost: test\r\nX: ", end[] = "\r\n\r\n";
        char *request = malloc(size + 1);

        assert_non_null(request);
        memset(request, 'x', size);
        memcpy(request, begin, sizeof begin - 1);
        memcpy(request + size - (sizeof end - 1), end, sizeof end);
        return request;
}

static void oversized(void **state) {
        static const struct {
                size_t size;
                int status;
        } cases[] = { { 8191, 200 }, { 8192, 200 }, { 8193, 431 }, { 20000, 431 } };
        struct guest *guest = *state;

        for (size_t i = 0; i < ARRAY_LEN(cases); ++i) {
                char *request = request_of(cases[i].size);

                /* Behind another one, so that it is not at the beginning of the server's buffer. */
                assert_true(client_say(&guest->client, GET("/missing")));
                assert_true(client_say(&guest->client, request));
                expect_response(guest, 404);
                expect_response(guest, cases[i].status);
                free(request);
                if (cases[i].status == 200)
                        continue;
                assert_true(client_meets_end(&guest->client));
                client_close(&guest->client);
                assert_true(client_open(&guest->client, &server));
        }
}

/* The client goes on sending for long; it gets the response nevertheless, and not a reset. */
static void endless_request_line(void **state) {
        struct guest *guest = *state;
        char *bytes = malloc(1 << 20);

        assert_non_null(bytes);
        memset(bytes, 'A', 1 << 20);
        assert_true(client_send(&guest->client, bytes, 1 << 20));
        expect_response(guest, 431);
        assert_true(client_meets_end(&guest->client));
        free(bytes);
}

int main(int argc, char **argv) {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, enter, leave)
        const struct CMUnitTest tests[] = {
                CASE(the_page_is_html),
                CASE(stats_are_json),
                CASE(targets_are_understood),
                CASE(head_has_no_body),
                CASE(other_methods_get_405),
                CASE(byte_by_byte),
                CASE(split_anywhere),
                CASE(urgent_byte_anywhere),
                CASE(urgent_bytes_at_any_time),
                CASE(pipelined),
                CASE(client_that_does_not_read),
                CASE(half_close_after_requests),
                CASE(half_close_within_a_request),
                CASE(resets),
                CASE(persistence),
                CASE(nothing_after_close),
                CASE(malformed),
                CASE(oversized),
                CASE(endless_request_line),
        };

        if (argc > 1)
                setenv("WEIR_HTTPD", argv[1], 1);
        return cmocka_run_group_tests_name("httpd", tests, start, stop);
}
