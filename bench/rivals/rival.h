/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The rivals: the same tiny server as httpd, on something else than weir. Each gives rival_name() and rival_start(); they share
 * the rest, down to the parser of httpd, so that a comparison shows what lies below: who waits, and what that costs. Each bounds
 * the idle time of a connection, which every request moves, in its library's own way. They have no statistics and no orderly end,
 * which spares them a little work that httpd does.
 */

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Room for a whole head, and for a few responses; as httpd has it. */
#define SESSION_INPUT  8192
#define SESSION_OUTPUT 8192

/* What is said on one connection. One thread at a time uses it. */
struct session {
        int fd;
        bool ending; /* the last response is written or on its way */
        unsigned input_end;
        unsigned output_begin, output_end;
        char input[SESSION_INPUT];
        char output[SESSION_OUTPUT];
};

void session_init(struct session *session, int fd);

/* Answers the requests that are complete and for whose responses there is room. */
void session_answer(struct session *session);

/* To be called when so much of the output is sent. When all of it is, the next requests are answered. */
void session_sent(struct session *session, unsigned size);

/* What a session waits for. */
enum need {
        NEED_INPUT,
        NEED_ROOM,
        NEED_NOTHING, /* it is at its end */
};

/*
 * Reads once, answers, writes. There may be more to read when it needs input: the server must be told of that again, as it is
 * by a level-triggered event, or by a one-shot that is armed anew.
 */
enum need session_serve(struct session *session);

/* How long a connection may be idle, in seconds. Written before there are threads. */
extern unsigned long rival_idle_limit;

/* Ends the program: without this it cannot go on. */
void rival_fail(const char *what) __attribute__((noreturn));

/* Starts a thread, which goes on until the program ends. */
void rival_thread(void *(*work)(void *), void *argument);

/* ---------------------------------------------------------------- what each gives */

/* On what it runs, with the version. */
const char *rival_name(void);

/* Starts so many threads that serve who comes to the listener, which does not block. */
void rival_start(int listener, unsigned threads);

#ifdef __cplusplus
}
#endif
