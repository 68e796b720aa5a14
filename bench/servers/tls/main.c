/* SPDX-License-Identifier: MIT */

/*
 * tls: sends back what is sent to it, over TLS by OpenSSL. Read serve() first, then serve_and_await(). It is echo with these
 * differences:
 *
 *   - OpenSSL reads and writes the socket by itself, and any of its calls may want either: a read may have to write first, in
 *     the handshake and later. SSL_ERROR_WANT_READ says that reading the socket has met -EAGAIN, SSL_ERROR_WANT_WRITE that
 *     writing has. So it names the direction for weir_rearm(), which is drained. (That leans on SSL_MODE_AUTO_RETRY, which is on
 *     unless a program takes it away: without it WANT_READ may come with more in the socket.)
 *   - What was received may lie in the SSL object, of which the kernel knows nothing: no event will tell it, and neither
 *     weir_reregister() nor poll(2) sees it. Who stops in the middle, to be fair to others, triggers himself.
 *   - Errors are kept by OpenSSL in a queue for each thread, and threads go from one connection to another. So the queue is
 *     emptied before each call, or SSL_get_error() would tell the error of somebody else's connection.
 *   - OpenSSL writes by write(2), so SIGPIPE is ignored. (In the threads that a crew makes it is blocked, in main() it is not.)
 *
 * One SSL object is for one thread at a time, and so is a one-shot: no lock is needed. The deadline of the registration limits the
 * handshake, too, for it moves only when something was echoed.
 */

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/crew.h>
#include <weir/net.h>

#include "common/start.h"

static const char usage[] =
        "Usage: tls [OPTION]...\n"
        "Send back what is sent over TLS to a port of the loopback address, until SIGINT or SIGTERM.\n"
        "Its certificate and key are cert.pem and key.pem of the current directory.\n"
        "\n"
        "  --port=N           listen on port N (default 8443; 0 picks a free one)\n"
        "  --workers=N        threads that read and write (default 4)\n"
        "  --idle-timeout=S   close connections over which nothing goes for S seconds (default 300)\n"
        "  --help             print this\n";

#define NS_PER_S INT64_C(1000000000)
#define REST     (NS_PER_S / 20) /* of the listener, when there are no descriptors */
#define ROUNDS   10              /* buffers that one connection echoes before the others get their turn */

#define TOKEN_LISTENER 0 /* no connection is there */

/* The owner's. */
struct connection {
        SSL *ssl;
        int fd;
        bool moved;        /* something was echoed in the last turn */
        size_t begin, end; /* what is read and not yet written */
        char buffer[4096]; /* less than a record, so that OpenSSL keeps the rest of one */
};

struct server {
        struct weir_registry *registry;
        SSL_CTX *context;
        int listener;
        weir_time idle_limit;
};

static struct weir_crew *crew; /* for the handler of signals */

/* ---------------------------------------------------------------- one connection */

/* What serve() found: the connection waits for a direction, or has more to do at once, or is at its end. */
#define HAS_MORE (WEIR_READABLE | WEIR_WRITABLE)
#define AT_END   0

static weir_interest awaited(struct connection *connection, int result) {
        switch (SSL_get_error(connection->ssl, result)) {
        case SSL_ERROR_WANT_READ:
                return WEIR_READABLE;
        case SSL_ERROR_WANT_WRITE:
                return WEIR_WRITABLE;
        case SSL_ERROR_ZERO_RETURN: /* the peer said good-bye, and all has been echoed */
                SSL_shutdown(connection->ssl);
                return AT_END;
        default:
                return AT_END;
        }
}

/* Echoes what can be echoed without waiting; the handshake is done by the first reads. */
static weir_interest serve(struct connection *connection) {
        int n;

        connection->moved = false;
        for (unsigned round = 0; round < ROUNDS;) {
                ERR_clear_error();
                if (connection->begin < connection->end) {
                        n = SSL_write(connection->ssl, connection->buffer + connection->begin,
                                      (int)(connection->end - connection->begin));
                        if (n <= 0)
                                return awaited(connection, n);
                        connection->begin += (size_t)n;
                        connection->moved = true;
                } else {
                        n = SSL_read(connection->ssl, connection->buffer, sizeof connection->buffer);
                        if (n <= 0)
                                return awaited(connection, n);
                        connection->begin = 0;
                        connection->end = (size_t)n;
                        ++round;
                }
        }
        return HAS_MORE;
}

/* Only for the owner. */
static void end(struct server *server, struct connection *connection) {
        weir_deregister(server->registry, connection->fd);
        SSL_free(connection->ssl);
        close(connection->fd);
        free(connection);
}

/* For an event of the connection, which may be that its deadline has passed. */
static void serve_and_await(struct server *server, struct connection *connection, bool late) {
        weir_interest interest = serve(connection);
        int r = 0;

        if (interest == AT_END || (late && !connection->moved)) {
                end(server, connection);
                return;
        }
        if (connection->moved)
                r = weir_set_deadline(server->registry, connection->fd,
                                      weir_registry_moment(server->registry) + server->idle_limit);
        if (r == 0 && interest == HAS_MORE) {
                interest = 0; /* nothing is drained; the trigger comes in turn with the events of others */
                r = weir_trigger(server->registry, connection->fd);
        }
        if (r == 0)
                r = weir_rearm(server->registry, connection->fd, interest);
        if (r < 0)
                end(server, connection);
}

/* ---------------------------------------------------------------- who comes */

static void admit_one(struct server *server, int fd) {
        struct connection *connection = calloc(1, sizeof *connection);
        SSL *ssl = SSL_new(server->context);

        if (!connection || !ssl || !SSL_set_fd(ssl, fd)) {
                SSL_free(ssl);
                free(connection);
                close(fd);
                return;
        }
        SSL_set_accept_state(ssl);
        connection->ssl = ssl;
        connection->fd = fd;
        if (weir_register(server->registry, fd, weir_ptr_token(connection), WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD) <
                    0 ||
            weir_set_deadline(server->registry, fd, weir_registry_moment(server->registry) + server->idle_limit) < 0 ||
            weir_rearm(server->registry, fd, WEIR_READABLE) < 0)
                end(server, connection);
}

static void admit(struct server *server) {
        int fd;

        while ((fd = weir_stream_accept(server->listener, NULL)) >= 0 || fd == -ECONNABORTED)
                if (fd >= 0)
                        admit_one(server, fd);
        if (fd != -EAGAIN)
                weir_set_deadline(server->registry, server->listener, weir_now() + REST);
}

static void on_event(struct weir_crew *of, const struct weir_event *event, void *data) {
        (void)of;
        if (event->token == TOKEN_LISTENER)
                admit(data);
        else
                serve_and_await(data, weir_token_ptr(event->token), weir_event_is_timeout(event));
}

/* ---------------------------------------------------------------- begin and end */

static SSL_CTX *context_open(void) {
        SSL_CTX *context = SSL_CTX_new(TLS_server_method());

        if (!context || SSL_CTX_use_certificate_chain_file(context, "cert.pem") <= 0 ||
            SSL_CTX_use_PrivateKey_file(context, "key.pem", SSL_FILETYPE_PEM) <= 0) {
                ERR_print_errors_fp(stderr);
                exit(1);
        }
        /* A write may be taken up again from what is left of the buffer. */
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        return context;
}

static void on_signal(int number) {
        (void)number;
        weir_crew_stop(crew);
}

/* Until a signal; what is open then ends with the process. */
static int run(struct server *server, uint16_t port, unsigned workers) {
        struct weir_poll *poll;
        int r;

        server->listener = listen_on_loopback(&port);
        if (server->listener < 0)
                return server->listener;
        r = weir_poll_create(&poll);
        if (r < 0)
                return r;
        r = weir_crew_create(poll, on_event, server, &crew);
        if (r < 0)
                return r;
        server->registry = weir_crew_registry(crew);
        r = weir_register(server->registry, server->listener, TOKEN_LISTENER, WEIR_READABLE);
        if (r == 0) /* a first deadline needs memory: this one is had now, so that admit() can rely on it later */
                r = weir_set_deadline(server->registry, server->listener, weir_now());
        if (r < 0)
                return r;
        signal(SIGPIPE, SIG_IGN);
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
        printf("listening on 127.0.0.1:%u\n", port);
        fflush(stdout);
        return weir_crew_run(crew, workers);
}

int main(int argc, char **argv) {
        unsigned long number = 8443, workers = 4, idle_timeout = 300;
        const struct number_option options[] = {
                { "port", 0, UINT16_MAX, &number },
                { "workers", 1, 256, &workers },
                { "idle-timeout", 1, 1000000000, &idle_timeout },
                { .name = NULL },
        };
        struct server server;
        int r;

        r = parse_number_options(argc, argv, usage, options);
        if (r > 0)
                return r - 1;
        server.idle_limit = (weir_time)idle_timeout * NS_PER_S;
        server.context = context_open();
        r = run(&server, (uint16_t)number, (unsigned)workers);
        if (r < 0)
                fprintf(stderr, "tls: cannot serve port %lu: %s\n", number, strerror(-r));
        return r < 0 ? 1 : 0;
}
