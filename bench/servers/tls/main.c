/* SPDX-License-Identifier: MIT */

/*
 * tls: sends back what it is sent, over TLS by OpenSSL. All that a server does beside reading is done by <weir/server.h>; this is
 * what TLS needs of a transport: tls_read(), tls_write() and tls_end(), and the SSL object of each connection. They can be taken
 * over as they are. Read these first, then readable().
 *
 *   - An SSL object is for one thread at a time, and so is the turn of a connection. Other threads send by
 *     weir_connection_send(), which does not touch it.
 *   - The handshake is done by the first reads and writes. It counts as idle until something is read.
 *   - What OpenSSL wants names the direction, whichever call it was. A write that wants something is made again with the same
 *     bytes, as OpenSSL demands.
 */

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/server.h>

#include "common/start.h"

static const char usage[] =
        "Usage: tls [OPTION]...\n"
        "Send back what is sent over TLS to a port of the loopback address, until SIGINT or SIGTERM.\n"
        "Its certificate and key are cert.pem and key.pem of the current directory.\n"
        "\n"
        "  --port=N           listen on port N (default 8443; 0 picks a free one)\n"
        "  --workers=N        threads that read and write (default 4)\n"
        "  --idle-timeout=S   close connections over which nothing comes for S seconds (default 300)\n"
        "  --help             print this\n";

#define NS_PER_S INT64_C(1000000000)

/* The program's own, of each connection. */
struct client {
        SSL *ssl;
};

static SSL *ssl_of(struct weir_connection *connection) {
        struct client *client = weir_connection_data(connection);

        return client->ssl;
}

/* ---------------------------------------------------------------- the transport */

/* What a call of OpenSSL came to that did not do its work: 0, the peer has ended, or a negative errno. */
static int awaited(SSL *ssl, int result, weir_interest *ret_wanted) {
        switch (SSL_get_error(ssl, result)) {
        case SSL_ERROR_WANT_READ:
                *ret_wanted = WEIR_READABLE;
                return -EAGAIN;
        case SSL_ERROR_WANT_WRITE:
                *ret_wanted = WEIR_WRITABLE;
                return -EAGAIN;
        case SSL_ERROR_ZERO_RETURN:
                return 0;
        default: /* after these two OpenSSL forbids SSL_shutdown(), but the connection ends without it */
                return -EPROTO;
        }
}

static ssize_t tls_read(struct weir_connection *connection, void *buffer, size_t size, weir_interest *ret_wanted) {
        SSL *ssl = ssl_of(connection);
        int n;

        ERR_clear_error(); /* of another connection on this thread */
        n = SSL_read(ssl, buffer, size < INT_MAX ? (int)size : INT_MAX);
        return n > 0 ? n : awaited(ssl, n, ret_wanted);
}

static ssize_t tls_write(struct weir_connection *connection, const void *bytes, size_t size,
                         weir_interest *ret_wanted) {
        SSL *ssl = ssl_of(connection);
        int n;

        ERR_clear_error();
        n = SSL_write(ssl, bytes, size < INT_MAX ? (int)size : INT_MAX);
        if (n > 0)
                return n;
        n = awaited(ssl, n, ret_wanted);
        return n < 0 ? n : -EPIPE;
}

/* Says that no more comes. The peer's own end is awaited below, as that of the socket. */
static int tls_end(struct weir_connection *connection, weir_interest *ret_wanted) {
        SSL *ssl = ssl_of(connection);
        int n;

        if (!SSL_is_init_finished(ssl))
                return 0; /* in the handshake there is nothing to end */
        ERR_clear_error();
        n = SSL_shutdown(ssl);
        return n >= 0 ? 0 : awaited(ssl, n, ret_wanted);
}

static const struct weir_transport transport = { .read = tls_read, .write = tls_write, .end = tls_end };

/* ---------------------------------------------------------------- the server */

static int opened(struct weir_connection *connection) {
        struct client *client = weir_connection_data(connection);
        SSL_CTX *context = weir_server_data(weir_connection_server(connection));

        client->ssl = SSL_new(context);
        if (!client->ssl || !SSL_set_fd(client->ssl, weir_connection_fd(connection))) {
                SSL_free(client->ssl);
                return -ENOMEM;
        }
        SSL_set_accept_state(client->ssl);
        return 0;
}

/* What a peer does not take is not read from it either: half of the output limit has room for what is read meanwhile. */
static void readable(struct weir_connection *connection) {
        char bytes[4096]; /* less than a record, so that OpenSSL keeps the rest of one */
        ssize_t n;

        while ((n = weir_connection_read(connection, bytes, sizeof bytes)) > 0)
                if (weir_connection_send(connection, bytes, (size_t)n) == -ENOMEM)
                        weir_connection_cut(connection, -ENOMEM);
}

/* In the handshake nothing can be said, and who does not go on with it is not waited for. */
static void expired(struct weir_connection *connection) {
        if (SSL_is_init_finished(ssl_of(connection)))
                weir_connection_finish(connection, NULL, 0);
        else
                weir_connection_cut(connection, -ETIMEDOUT);
}

static void closed(struct weir_connection *connection, int reason) {
        (void)reason;
        SSL_free(ssl_of(connection));
}

static SSL_CTX *context_open(void) {
        SSL_CTX *context = SSL_CTX_new(TLS_server_method());

        if (!context || SSL_CTX_use_certificate_chain_file(context, "cert.pem") <= 0 ||
            SSL_CTX_use_PrivateKey_file(context, "key.pem", SSL_FILETYPE_PEM) <= 0) {
                ERR_print_errors_fp(stderr);
                exit(1);
        }
        return context;
}

int main(int argc, char **argv) {
        unsigned long number = 8443, workers = 4, idle_timeout = 300;
        const struct number_option options[] = {
                { "port", 0, UINT16_MAX, &number },
                { "workers", 1, 256, &workers },
                { "idle-timeout", 1, 1000000000, &idle_timeout },
                { .name = NULL },
        };
        struct weir_server_config config = {
                .connection_size = sizeof(struct client),
                .transport = &transport,
                .opened = opened,
                .readable = readable,
                .expired = expired,
                .closed = closed,
        };
        struct weir_server *server = NULL;
        uint16_t port;
        int r;

        r = parse_number_options(argc, argv, usage, options);
        if (r > 0)
                return r - 1;
        port = (uint16_t)number;
        config.idle_limit = (weir_time)idle_timeout * NS_PER_S;
        config.data = context_open();
        r = weir_server_create(&config, &server);
        if (r == 0)
                r = weir_server_stop_on(server, NULL, 0);
        if (r == 0)
                r = weir_server_listen(server, listen_on_loopback(&port));
        if (r == 0) {
                signal(SIGPIPE, SIG_IGN); /* OpenSSL writes by write(2) */
                printf("listening on 127.0.0.1:%u\n", port);
                fflush(stdout);
                r = weir_server_run(server, (unsigned)workers);
        }
        if (r < 0)
                fprintf(stderr, "tls: cannot serve port %lu: %s\n", number, strerror(-r));
        weir_server_destroy(server);
        SSL_CTX_free(config.data);
        return r < 0 ? 1 : 0;
}
