/* SPDX-License-Identifier: MIT */

/*
 * A server of lines, on <weir/server.h>: lines ADDRESS. Each line that a client sends comes back to it. What is said on standard
 * input goes to all. Who does not read what is sent is cut off, and counted; who says nothing for a minute is sent away. SIGINT and
 * SIGTERM end it, with a good-bye; a second one does not wait for those who stay.
 *
 * weir(7) has this program, from here on. Read readable() first.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <weir/net.h>
#include <weir/server.h>

/* The program's own, of each connection; at first it is all 0. */
struct client {
        char text[512]; /* the beginning of a line */
        size_t size;
};

static atomic_uint slow; /* clients that did not read */

/* Sends back the lines that are whole. */
static void readable(struct weir_connection *connection) {
        struct client *client = weir_connection_data(connection);
        char *text = client->text, *end;
        ssize_t n;

        while ((n = weir_connection_read(connection, text + client->size, sizeof client->text - client->size)) > 0) {
                client->size += (size_t)n;
                end = memrchr(text, '\n', client->size);
                if (end) {
                        size_t whole = (size_t)(end + 1 - text);

                        weir_connection_send(connection, text, whole);
                        client->size -= whole;
                        memmove(text, end + 1, client->size);
                } else if (client->size == sizeof client->text) {
                        weir_connection_finish(connection, "too long\n", 9);
                        return;
                }
        }
}

static void expired(struct weir_connection *connection) {
        weir_connection_finish(connection, "nothing said\n", 13);
}

static void stopping(struct weir_connection *connection) {
        weir_connection_finish(connection, "bye\n", 4);
}

static void closed(struct weir_connection *connection, int reason) {
        (void)connection;
        if (reason == -ENOBUFS)
                ++slow;
}

/* Called for each connection, beside its turn. */
static void tell(struct weir_connection *connection, void *data) {
        const struct iovec *word = data;
        int r = weir_connection_send(connection, word->iov_base, word->iov_len);

        if (r == -ENOBUFS || r == -ENOMEM) /* not -ESHUTDOWN: that would take its last words away */
                weir_connection_cut(connection, r);
}

/* Standard input blocks: so it is read once for each call. */
static bool on_input(struct weir_server *server, int fd, void *data) {
        char text[512];
        ssize_t n = read(fd, text, sizeof text);

        (void)data;
        if (n > 0)
                weir_server_for_each(server, tell, &(struct iovec){ text, (size_t)n });
        return n > 0; /* at its end nothing more comes */
}

int main(int argc, char **argv) {
        const struct weir_server_config config = {
                .connection_size = sizeof(struct client),
                .idle_limit = 60 * INT64_C(1000000000),
                .readable = readable,
                .expired = expired,
                .stopping = stopping,
                .closed = closed,
        };
        struct weir_server *server = NULL;
        struct weir_address address;
        int r;

        if (argc != 2 || weir_address_parse(argv[1], &address) < 0)
                return 2;
        r = weir_server_create(&config, &server);
        if (r == 0)
                r = weir_server_stop_on(server, NULL, 0);
        if (r == 0)
                r = weir_server_listen(server, weir_stream_listen(&address, 0));
        if (r == 0) {
                weir_server_watch(server, STDIN_FILENO, WEIR_READABLE, on_input, NULL); /* fails for a file */
                r = weir_server_run(server, 0); /* a thread for each processor */
        }
        weir_server_destroy(server);
        if (r < 0)
                fprintf(stderr, "lines: %s\n", strerror(-r));
        printf("cut off: %u\n", slow);
        return r < 0;
}
