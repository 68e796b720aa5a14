/* SPDX-License-Identifier: MIT */

/* What the rivals share: the program around them, and what is said on a connection. Read session_serve() first. */

#include "rival.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/load.h"
#include "common/start.h"
#include "httpd/http.h"

static_assert(SESSION_INPUT == HTTP_HEAD_MAX, "a head that does not fit is refused, so there is always room to read");

static const char usage[] =
        "Usage: rival-NAME [OPTION]...\n"
        "Serve a page on the loopback address until SIGINT or SIGTERM, as httpd does.\n"
        "\n"
        "  --port=N             listen on port N (default 8080; 0 picks a free one)\n"
        "  --threads=N          threads that serve (default 2)\n"
        "  --idle-timeout=S     close connections that are idle for S seconds (default 30)\n" LOAD_USAGE
        "  --help               print this\n";

unsigned long rival_idle_limit = 30;

void rival_fail(const char *what) {
        fprintf(stderr, "%s: failed: %s%s%s\n", rival_name(), what, errno ? ", perhaps: " : "",
                errno ? strerror(errno) : "");
        exit(1);
}

void rival_thread(void *(*work)(void *), void *argument) {
        pthread_t thread;

        errno = pthread_create(&thread, NULL, work, argument);
        if (errno)
                rival_fail("starting a thread");
        pthread_detach(thread);
}

/* ---------------------------------------------------------------- sessions */

void session_init(struct session *session, int fd) {
        session->fd = fd;
        session->ending = false;
        session->input_end = session->output_begin = session->output_end = 0;
}

static struct http_response respond(const struct http_request *request) {
        struct http_response response;

        load_bear();
        if (request->method == HTTP_OTHER)
                response = http_plain_status(405);
        else if (request->has_body)
                response = http_plain_status(400);
        else if (request->path_length == 6 && memcmp(request->path, "/plain", 6) == 0)
                response = http_page("text/plain", "Hello, weir\n");
        else
                response = http_plain_status(404);
        response.without_body = request->method == HTTP_HEAD;
        response.close = !request->keep_alive || request->has_body;
        response.keep_alive = request->minor == 0;
        return response;
}

void session_answer(struct session *session) {
        unsigned begin = 0;

        while (!session->ending && begin < session->input_end &&
               SESSION_OUTPUT - session->output_end >= HTTP_RESPONSE_MAX) {
                struct http_response response;
                struct http_request request;
                int r = http_parse(session->input + begin, session->input_end - begin, &request);

                if (r == 0)
                        break;
                if (r > 0) {
                        begin += (unsigned)r;
                        response = respond(&request);
                } else {
                        response = http_plain_status((unsigned)-r);
                        response.close = true;
                }
                session->output_end += (unsigned)http_format(&response, session->output + session->output_end);
                session->ending = response.close;
        }
        session->input_end -= begin;
        memmove(session->input, session->input + begin, session->input_end);
}

void session_sent(struct session *session, unsigned size) {
        session->output_begin += size;
        if (session->output_begin < session->output_end)
                return;
        session->output_begin = session->output_end = 0;
        session_answer(session);
}

static bool is_passing(int error) {
        return error == EAGAIN || error == EINTR;
}

enum need session_serve(struct session *session) {
        ssize_t n;

        if (session->output_end == 0) {
                n = recv(session->fd, session->input + session->input_end, SESSION_INPUT - session->input_end, 0);
                if (n <= 0)
                        return n < 0 && is_passing(errno) ? NEED_INPUT : NEED_NOTHING;
                session->input_end += (unsigned)n;
                session_answer(session);
        }
        while (session->output_end > 0) {
                n = send(session->fd, session->output + session->output_begin,
                         session->output_end - session->output_begin, MSG_NOSIGNAL);
                if (n < 0)
                        return is_passing(errno) ? NEED_ROOM : NEED_NOTHING;
                session_sent(session, (unsigned)n);
        }
        return session->ending ? NEED_NOTHING : NEED_INPUT;
}

/* ---------------------------------------------------------------- the program */

int main(int argc, char **argv) {
        unsigned long number = 8080, threads = 2;
        struct load load = { .work = 0 };
        const struct number_option options[] = {
                { "port", 0, UINT16_MAX, &number },
                { "threads", 1, 1024, &threads },
                { "work", 0, LOAD_MAX, &load.work },
                { "sleep", 0, LOAD_MAX, &load.sleep },
                { "rare", 0, LOAD_MAX, &load.rare },
                { "idle-timeout", 1, 1000000, &rival_idle_limit },
                { NULL, 0, 0, NULL },
        };
        struct pollfd signals = { .events = POLLIN };
        uint16_t port;
        int listener, r;

        r = parse_number_options(argc, argv, usage, options);
        if (r > 0)
                return r - 1;
        signals.fd = open_signals(); /* before there are threads */
        if (signals.fd < 0)
                rival_fail("signalfd");
        port = (uint16_t)number;
        listener = listen_on_loopback(&port);
        if (listener < 0) {
                fprintf(stderr, "%s: cannot listen on port %lu: %s\n", argv[0], number, strerror(-listener));
                return 1;
        }
        load_set(&load);
        rival_start(listener, (unsigned)threads);
        printf("listening on http://127.0.0.1:%u/ with %s\n", port, rival_name());
        fflush(stdout);
        while (poll(&signals, 1, -1) < 0)
                ;
        _exit(0); /* its threads still serve */
}
