/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SERVER_H
#define WEIR_SERVER_H

/*
 * A server of connections, for those who would write one on <weir/crew.h> and need nothing special: it accepts, keeps the set of
 * connections, reads and writes, queues what any thread sends, keeps limits of time, and ends each connection so that its last
 * words arrive. The program is a function that reads:
 *
 *         static void readable(struct weir_connection *connection) {
 *                 char bytes[4096];
 *                 ssize_t n;
 *
 *                 while ((n = weir_connection_read(connection, bytes, sizeof bytes)) > 0)
 *                         weir_connection_send(connection, bytes, (size_t)n);
 *         }
 *
 *         weir_server_create(&(struct weir_server_config){ .readable = readable, .idle_limit = 60 * NS_PER_S }, &server);
 *         weir_server_listen(server, weir_stream_listen(&address, 0));
 *         weir_server_run(server, 0);
 *
 * The conventions are those of <weir/weir.h>. What a server promises:
 *   Turns     One thread at a time has the turn of a connection, and calls the program's functions for it, without a lock of
 *             the library. They come in this order: opened once; writable, readable, expired and stopping; closed once. A
 *             function may block: other threads go on with other connections. It returns, as that of a crew does.
 *   Reading   is the turn's alone. It ends with -EAGAIN, also where one connection has read so much that others have their turn,
 *             and where more than half of its output limit waits to be sent: then it goes on by itself when there is room. So
 *             for each read there is room to answer with up to half the limit in all: who may have several questions in one
 *             read, and long answers, keeps the rest at -ENOBUFS, and goes on in writable(). A peer that takes nothing meets
 *             its idle limit. What was not read comes again, after others had their turn: who does not want it yet calls
 *             weir_connection_pause().
 *   Sending   is for any thread, under any lock of the program's, and never blocks: bytes are queued whole, or not at all. The
 *             turn sends them in the order in which they were queued.
 *   End       It comes by weir_connection_finish(), when the peer has ended, or when its idle limit has passed: what is queued is
 *             sent, then the end; then what the peer still sends is read and thrown away, so that close(2) does not reset the
 *             connection while the last words are on their way, until the peer ends, too, or the linger limit has passed.
 *             weir_connection_cut() ends it without all that.
 *   Memory    of a connection is there until closed() returned, and as long as somebody holds a reference.
 *   Fork      A forked child makes no call with its parent's server and connections but weir_server_destroy(), which calls nothing
 *             of the program's there.
 *   Tools     ThreadSanitizer understands who has the turn of a connection, also where the library was not built with it.
 */

#include <sys/types.h>

#include <weir/crew.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_server;
struct weir_connection;

/*
 * How bytes go over a connection: a layer such as TLS. Each function is called in the turn. It returns a count, 0 of read when
 * the peer has ended, or a negative errno: -EAGAIN, with what it waits for in *ret_wanted, or any other, by which the connection
 * ends. It waits only for a direction in which the socket itself has just said -EAGAIN. read() comes first in a turn, and
 * takes what comes for the others, too. Before the call *ret_wanted is WEIR_READABLE of read, and WEIR_WRITABLE of the others.
 */
struct weir_transport {
        /* reads at most size bytes, at least 1 */
        ssize_t (*read)(struct weir_connection *connection, void *buffer, size_t size, weir_interest *ret_wanted);
        /* writes some of the bytes, at least 1; after -EAGAIN it is called with the same ones again */
        ssize_t (*write)(struct weir_connection *connection, const void *bytes, size_t size, weir_interest *ret_wanted);
        /* says that no more will come; 0 when that is done. NULL: nothing to say. shutdown(2) follows it */
        int (*end)(struct weir_connection *connection, weir_interest *ret_wanted);
};

/* What a server is. All that is 0 or NULL has a meaning. */
struct weir_server_config {
        void *data;             /* the program's, see weir_server_data() */
        size_t connection_size; /* bytes of the program's own in each connection, see weir_connection_data() */
        size_t output_limit;    /* bytes that may wait to be sent on one connection; 0: 65,536 */
        weir_time idle_limit;   /* ns in which something must be read, see weir_connection_set_idle_limit(); 0: none */
        weir_time linger_limit; /* ns that the peer has to take the last words and end, too; 0: 3 seconds */
        weir_time stop_limit;   /* ns after weir_server_stop() until what is still open is cut; 0: none */
        const struct weir_transport *transport; /* used as long as the server is there; NULL: recv(2) and send(2) */

        /*
         * A connection came: on the thread that accepted it, which accepts no other until it returns, or in weir_server_add().
         * It may be sent to, and finished, but there is nothing to read yet. getsockname(2) tells the listener. Negative: it is
         * not wanted, and closed() does not follow. NULL: all are wanted.
         */
        int (*opened)(struct weir_connection *connection);
        /* There is something to read: it calls weir_connection_read() until that returns no more. Not NULL. */
        void (*readable)(struct weir_connection *connection);
        /*
         * There is room again, for half of the output limit at least, after weir_connection_send() has said -ENOBUFS: something
         * was sent since, and what did not fit may fit now. What is larger than the limit never does. May be NULL.
         */
        void (*writable)(struct weir_connection *connection);
        /* Nothing was read for the idle limit, which begins anew afterwards. NULL: it is finished. */
        void (*expired)(struct weir_connection *connection);
        /* The server stops: finish the connection now, or soon. NULL: it is finished, also while it is paused. */
        void (*stopping)(struct weir_connection *connection);
        /*
         * The connection is over; the descriptor is still open, for the last time. NULL: nothing to do.
         *   reason  0: it ended by the rules, for the peer, the program or the idle limit; -ETIMEDOUT: the linger limit has
         *           passed; -ECANCELED: the server has ended; that of weir_connection_cut(); or the error that it met
         */
        void (*closed)(struct weir_connection *connection, int reason);
};

/* ---------------------------------------------------------------- the server */

/*
 * Makes a server, with a poll and a crew of its own, that listens nowhere yet.
 *   config  copied
 * Ownership: the caller destroys *ret_server. Errors: -EINVAL also without readable(), for a limit below 0, and for a transport
 * without read() or write(); -ENOMEM; those of weir_poll_create(), weir_crew_create(), weir_waker_create() and
 * weir_waker_set_deadline().
 */
WEIR_PUBLIC int weir_server_create(const struct weir_server_config *config, struct weir_server **ret_server);

/*
 * Accepts connections on a socket that listens: on as many as there are. Where descriptors run out it goes on as soon as there
 * are some. Sockets of TCP get TCP_NODELAY: what one turn sends goes out at once.
 *   fd  from weir_stream_listen(); if that was an error, it is returned. The server closes it, also when this call fails
 * Errors: -EINVAL also for what is not a stream socket that listens; that of fd; -ESHUTDOWN the server stops already; those of
 * weir_register() and weir_set_deadline().
 */
WEIR_PUBLIC int weir_server_listen(struct weir_server *server, int fd);

/*
 * Makes a connection of a socket that is connected, or on its way: opened() is called before the return. A connect that fails is
 * told by closed(), with its error.
 *   fd  non-blocking; the server closes it, also when this call fails
 * Errors: -EINVAL also for an fd below 0; -ESHUTDOWN the server stops already; -ENOMEM; what opened() returned; those of
 * weir_register() and weir_set_deadline().
 */
WEIR_PUBLIC int weir_server_add(struct weir_server *server, int fd);

/*
 * Watches a descriptor of the program's own: standard input, a timer, a socket of datagrams. fn() is called when it is ready, on
 * any thread, one call at a time; what it does not read comes again.
 *   fd        borrowed, until fn() has returned false, or the server is destroyed. One that blocks is read once for each call
 *   interest  directions alone
 *   fn        returns whether to go on. If it does not, nothing more comes of the descriptor, and it may have closed it
 *   data      passed to fn
 * Errors: those of weir_register().
 */
WEIR_PUBLIC int weir_server_watch(struct weir_server *server, int fd, weir_interest interest,
                                  bool (*fn)(struct weir_server *server, int fd, void *data), void *data);

/*
 * Lets signals stop the server, each as weir_server_stop() does. They are blocked for the calling thread and those that it makes
 * from now on, and stay so: call it before there are others.
 *   signals  numbers of those that stop it; NULL: SIGINT and SIGTERM
 *   count    of signals; 0 with NULL
 * Errors: -EINVAL also for what is no signal; -EEXIST it was called before; those of weir_signals_init() and weir_server_watch().
 */
WEIR_PUBLIC int weir_server_stop_on(struct weir_server *server, const int *signals, unsigned count);

/*
 * Works with the calling thread and threads - 1 others, as weir_crew_run() does, and returns when the server has ended: it was
 * stopped, and the last connection is closed, or was cut. By then closed() was called for each. Returns 0 then, and also later.
 *   threads  1 or more; 0: one for each processor that the calling thread may run on
 * Errors: -EBUSY a thread runs it already; those of weir_crew_run(): what is open stays so, until weir_server_destroy().
 * Blocking: yes.
 */
WEIR_PUBLIC int weir_server_run(struct weir_server *server, unsigned threads);

/*
 * Stops: the listeners are closed, stopping() is called for each connection, in its turn, and weir_server_run() returns when the
 * last one is closed, or the stop limit has passed. Called again after that has begun, it cuts what is open at once. It begins in
 * the next turn of the server: until then, and before weir_server_run(), connections are taken, and meet their end there.
 * Async-signal-safe; keeps errno. A handler that calls it is taken away before weir_server_destroy(), and ThreadSanitizer may put
 * it off for ever: rather weir_server_stop_on().
 */
WEIR_PUBLIC void weir_server_stop(struct weir_server *server);

/*
 * Calls a function for each connection that was neither finished nor cut: to send to all, to find one, to make a list. The order
 * is none. One that comes or goes meanwhile may be met or not; one whose opened() has not returned is not. It is called without a
 * lock, on this thread, beside the turn of the connection and its closed(), and may call what other threads may.
 *   fn    called for each
 *   data  passed to fn
 */
WEIR_PUBLIC void weir_server_for_each(struct weir_server *server,
                                      void (*fn)(struct weir_connection *connection, void *data), void *data);

/*
 * Finds a connection by its number, among those that weir_server_for_each() meets. Takes time in proportion to how many there are.
 * Returns a reference, for weir_connection_unref(), or NULL.
 *   id  as weir_connection_id() tells it
 */
WEIR_PUBLIC struct weir_connection *weir_server_find(struct weir_server *server, uint64_t id);

/* The program's own, of struct weir_server_config. NULL for NULL. */
WEIR_PUBLIC void *weir_server_data(struct weir_server *server);

/*
 * The registry of the server's poll. What the server has registered there, connections above all, is the server's alone.
 * Ownership: borrowed, valid until weir_server_destroy(). NULL for NULL.
 */
WEIR_PUBLIC struct weir_registry *weir_server_registry(struct weir_server *server);

/*
 * Frees the server, and closes what it still has to close. No thread is in weir_server_run() then, no call begins with the
 * pointer afterwards, and no reference to a connection is left.
 */
WEIR_PUBLIC void weir_server_destroy(struct weir_server *server);

/* ---------------------------------------------------------------- connections */

/*
 * Reads what has come.
 *   buffer  where it goes
 *   size    of the buffer, in bytes; at least 1
 * Returns how many bytes; 0 when the peer has ended: then the connection is finished after the turn. What is sent until then still
 * goes out, and nothing later; so a server that goes on after a half-close, as a proxy, is one for <weir/crew.h>.
 * Errors: -EINVAL; -EAGAIN no more now; -ESHUTDOWN it was finished or cut; or that of the socket or the transport, by which the
 * connection ends after the turn. Threads: the turn's alone.
 */
WEIR_PUBLIC ssize_t weir_connection_read(struct weir_connection *connection, void *buffer, size_t size);

/*
 * Queues bytes, which the turn sends: the one that goes on now, or else one that is made. All of them or, when this fails, none.
 *   bytes  copied
 *   size   of them
 * Errors: -EINVAL; -ENOBUFS the output limit would be passed: the peer does not read as fast as others write; -ENOMEM; -ESHUTDOWN
 * it was finished, cut or is closed, which is no reason to cut it: that would take its last words away.
 */
WEIR_PUBLIC int weir_connection_send(struct weir_connection *connection, const void *bytes, size_t size);

/*
 * Sets how long the peer may say nothing: any byte that is read begins the time anew. Sending does not: a peer that only
 * listens needs 0, or a way to show that it lives. In the handshake of TLS nothing is read. The time begins now, and may be set
 * again at any time: another one before a login than after it, say.
 *   limit  in ns; 0: none
 * Errors: -EINVAL also for a limit below 0. Threads: the turn's alone.
 */
WEIR_PUBLIC int weir_connection_set_idle_limit(struct weir_connection *connection, weir_time limit);

/*
 * Nothing more is read until weir_connection_resume(): readable() is not called, the idle limit does not count, what the peer
 * sends waits in the kernel, and its end or a reset is not noticed either. For who waits for an answer of somebody else before it
 * takes the next question.
 */
WEIR_PUBLIC void weir_connection_pause(struct weir_connection *connection);

/* Reading goes on, and the idle limit begins anew. */
WEIR_PUBLIC void weir_connection_resume(struct weir_connection *connection);

/*
 * Finishes the connection: see End, above. Nothing more is read by the program, and nothing more can be sent.
 *   bytes  last words, copied, for which the output limit does not count; NULL if size is 0
 *   size   of them
 * Errors: -EINVAL; -ESHUTDOWN it was finished or cut before, or is closed; -ENOMEM: it is finished without the words.
 */
WEIR_PUBLIC int weir_connection_finish(struct weir_connection *connection, const void *bytes, size_t size);

/*
 * Ends the connection as soon as it has a turn, or at the end of the one that goes on. Nothing more is sent, also where it was
 * finished before.
 *   reason  a negative errno that closed() is told, unless there was one before; others count as -ECANCELED
 */
WEIR_PUBLIC void weir_connection_cut(struct weir_connection *connection, int reason);

/*
 * Whether the connection was neither finished nor cut, nor has ended. Of others than the turn it may be no longer true when it is
 * told; once false it stays so.
 */
WEIR_PUBLIC bool weir_connection_is_open(struct weir_connection *connection);

/* The program's own memory: connection_size bytes, aligned for all of C's types, at first 0. NULL for NULL. */
WEIR_PUBLIC void *weir_connection_data(struct weir_connection *connection);

/* The descriptor. Errors: -EINVAL. Threads: in the turn, where it is open. */
WEIR_PUBLIC int weir_connection_fd(struct weir_connection *connection);

/* A number that no other connection of the server has or had: 1 of the first one. 0 for NULL. */
WEIR_PUBLIC uint64_t weir_connection_id(struct weir_connection *connection);

/* The server whose connection it is. NULL for NULL. */
WEIR_PUBLIC struct weir_server *weir_connection_server(struct weir_connection *connection);

/*
 * Takes a reference: the memory is kept, though the connection may end. For who names it outside its turn, such as a table of the
 * program's. Another way is to take it out of the table in closed(), under the lock under which others find it there.
 * Returns the connection.
 */
WEIR_PUBLIC struct weir_connection *weir_connection_ref(struct weir_connection *connection);

/* Gives one reference back. */
WEIR_PUBLIC void weir_connection_unref(struct weir_connection *connection);

#ifdef __cplusplus
}
#endif

#endif
