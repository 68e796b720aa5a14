/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_SERVER_SCENE_H
#define WEIR_TESTS_SERVER_SCENE_H

/*
 * What the cases of a server share: a server whose turns are counted, the threads that run it, and the other ends of its
 * connections, which the main thread holds. Functions of the server run on its threads: they note what is wrong with BROKEN(),
 * and the main thread asserts in scene_join() that nothing was.
 */
#include "support.h"

#include <weir/net.h>
#include <weir/server.h>

#define MS   INT64_C(1000000)
#define HOUR (3600 * 1000 * MS)

struct scene {
        struct weir_server *server;
        struct worker runner;
        unsigned threads;
        atomic_int opened, turns, expired, stopping, closed; /* calls; turns: those of readable() */
        atomic_int bytes;                                    /* read by the program */
        atomic_int reason;                                   /* of the last closed() */
        atomic_int broken; /* the first line that was wrong on a thread of the server */
        struct latch go, there;
        _Atomic(struct weir_connection *) connection; /* opened last; no reference */
        _Atomic(weir_time) moment;
};

/* On a thread of the server: remembers the line where something is not as it must be. */
#define BROKEN(scene, expr) ((expr) ? scene_broken((scene), __LINE__) : (void)0)
void scene_broken(struct scene *scene, int line);

/* The scene of a connection's server. */
struct scene *scene_of(struct weir_connection *connection);

/* What a scene's server does where the configuration says nothing: each counts. */
int scene_opened(struct weir_connection *connection);
void scene_echo(struct weir_connection *connection);
void scene_stopping(struct weir_connection *connection); /* lets it go on */
void scene_expired(struct weir_connection *connection);  /* so, too */
void scene_closed(struct weir_connection *connection, int reason);

/*
 * Makes the server. Of config, data is the scene; opened(), readable() and closed() are those above, and the linger limit is an
 * hour, where nothing else is said. NULL: all of that.
 */
void scene_make(struct scene *scene, const struct weir_server_config *config);

/* Runs it on a thread of its own, and on as many more as are missing. */
void scene_start(struct scene *scene, unsigned threads);

/* Asserts that the run returned 0, that nothing was broken, and that what was opened is closed. */
void scene_join(struct scene *scene);

/* Stops, joins and destroys: the other ends are closed before. */
void scene_end(struct scene *scene);

/* Adds one end of a pair, and returns the other. */
int scene_add(struct scene *scene);
int scene_add_tcp(struct scene *scene);

/* The main thread asserts: all is written; exactly this comes; nothing but the end comes. */
void say(int fd, const void *bytes, size_t size);
void say_text(int fd, const char *text);
void hear_text(int fd, const char *text);
void hear_end(int fd);

/* Reads until there are so many bytes, the end, or an error. Returns how many, or a negative errno. */
ssize_t hear(int fd, void *buffer, size_t size);

/* Whether the number is of no open descriptor. */
bool is_closed(int fd);

#endif
