/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_E2E_CLIENT_H
#define WEIR_TESTS_E2E_CLIENT_H

/*
 * A server as a process, and clients of it on raw sockets. Nothing here asserts, so threads may use it. Whatever
 * waits gives up after DEADLINE_MS, which no case depends on.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/types.h>

#define DEADLINE_MS 20000

#define GET(path) "GET " path " HTTP/1.1\r\nHost: test\r\n\r\n"

/* ---------------------------------------------------------------- processes */

struct process {
        pid_t pid;
        int input;
        int output;
};

/*
 * Runs a program with its standard input on a socket and its standard output on a pipe, or a terminal. files limits its
 * descriptors, if not 0.
 */
bool process_start(struct process *process, const char *const *argv, unsigned files, bool terminal);

/* Writes to its input. */
bool process_say(struct process *process, const char *text);

/* Waits for the end of the process and closes its input and output. Returns its exit code, or -1 if it did not exit by itself. */
int process_wait(struct process *process);

/* Reads the output until it contains a text, or to its end if the text is NULL. */
bool process_read(struct process *process, const char *text, char *buffer, size_t size);

/* Runs a program with one option, to its end. Returns its exit code as process_wait() does, -1 also if it did not end. */
int program_run(const char *path, const char *option);

struct server {
        struct process process;
        uint16_t port;
        char address[64];
};

/* The program under test. */
const char *httpd_path(void);

/* Starts a server that prints where it is listening. files: its limit of descriptors, or 0. */
bool server_start_program(struct server *server, const char *const *argv, unsigned files);

/* Starts httpd on a free port. timeout: what --idle-timeout gets; files: its limit of descriptors, or 0. */
bool server_start(struct server *server, const char *timeout, unsigned files);

/* Sends a signal if it is not 0, and waits. Returns the exit code as process_wait() does. */
int server_stop(struct server *server, int number);

/* ---------------------------------------------------------------- clients */

struct client {
        int fd;
        size_t begin, end; /* what was received and not looked at */
        char buffer[16384];
};

struct response {
        int status;
        bool close;      /* it says so */
        bool keep_alive; /* it says so */
        size_t length;
        char head[1024];
        char body[4096];
};

bool client_open(struct client *client, const struct server *server);

/* A client whose socket takes no more than a few kilobytes until they are read. */
bool client_open_narrow(struct client *client, const struct server *server);
void client_close(struct client *client);

/* Closes so that the other side gets a reset. */
void client_reset(struct client *client);

bool client_send(struct client *client, const void *bytes, size_t size);
bool client_say(struct client *client, const char *text);

/* Sends one urgent byte. The other side reads what is before it by one call and what is after it by another. */
bool client_send_urgent(struct client *client, char byte);

/*
 * Sends a text with an urgent byte in front of its byte `at`, in such a way that the server finds all of it at once: it is
 * stopped meanwhile.
 */
bool client_say_with_urgent(struct client *client, const struct server *server, const char *text, size_t at);

/* Waits until all that was sent has reached the other side's socket. */
bool client_flush(struct client *client);

enum received {
        RECEIVED_RESPONSE,
        RECEIVED_END,   /* the end of the stream instead of a response */
        RECEIVED_RESET, /* a reset instead of a response */
        RECEIVED_BROKEN /* half a response, none, or nonsense */
};

/* Receives so many bytes. */
bool client_receive_bytes(struct client *client, void *buffer, size_t size);

/* Receives one line; it is written without its end. */
enum received client_receive_line(struct client *client, char *buffer, size_t size);

/* Receives one response; without_body: it answers HEAD. */
enum received client_receive(struct client *client, struct response *ret_response, bool without_body);

/* Sends a request and returns the status of its response, or -1. */
int client_ask(struct client *client, const char *request, struct response *ret_response);

/* Whether the stream is at its end, with nothing before it. */
bool client_meets_end(struct client *client);

/* A connection of its own, one request, one status, or -1. */
int ask_once(const struct server *server, const char *request, struct response *ret_response);

#endif
