/* SPDX-License-Identifier: MIT */

/*
 * httpd: a small HTTP/1.1 server, to show how weir is used. Here are its options, signals and the status line; what it
 * does begins in server.c. Read main() first.
 */

#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/load.h"
#include "common/start.h"
#include "server.h"

static const char usage[] =
        "Usage: httpd [OPTION]...\n"
        "Serve a page on the loopback address until SIGINT or SIGTERM.\n"
        "\n"
        "  --port=N             listen on port N (default 8080; 0 picks a free one)\n"
        "  --threads=N          threads that serve (default: the number of processors)\n"
        "  --idle-timeout=S     close connections that are idle for S seconds (default 30)\n" LOAD_USAGE
        "  --quiet              print the address alone, no status line\n"
        "  --help               print this\n";

struct options {
        struct server_options server;
        struct load load;
        bool quiet;
};

/* What the signal handler wakes. Written before the handler is installed. */
static struct weir_waker *stopper;

static void on_signal(int number) {
        (void)number;
        weir_waker_wake(stopper);
}

static void set_handler(void (*handler)(int)) {
        struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

        sigemptyset(&action.sa_mask);
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
}

static bool parse_seconds(const char *text, int64_t *ret_ns) {
        double seconds;
        char *end;

        seconds = strtod(text, &end);
        if (end == text || *end || !(seconds >= 0.001 && seconds <= 1e9))
                return false;
        *ret_ns = (int64_t)(seconds * 1e9);
        return true;
}

/* 0, or the exit code plus one. */
static int parse_options(int argc, char **argv, struct options *options) {
        static const struct option names[] = {
                { "port", required_argument, NULL, 'p' },
                { "threads", required_argument, NULL, 't' },
                { "idle-timeout", required_argument, NULL, 'i' },
                { "work", required_argument, NULL, 'w' },
                { "sleep", required_argument, NULL, 's' },
                { "rare", required_argument, NULL, 'r' },
                { "quiet", no_argument, NULL, 'q' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        unsigned long number;
        int option;

        while ((option = getopt_long(argc, argv, "", names, NULL)) >= 0) {
                bool valid = true;

                switch (option) {
                case 'p':
                        valid = parse_number(optarg, UINT16_MAX, &number);
                        if (valid)
                                options->server.port = (uint16_t)number;
                        break;
                case 't':
                        valid = parse_number(optarg, 1024, &number) && number > 0;
                        if (valid)
                                options->server.threads = (unsigned)number;
                        break;
                case 'i':
                        valid = parse_seconds(optarg, &options->server.idle_timeout);
                        break;
                case 'w':
                        valid = parse_number(optarg, LOAD_MAX, &options->load.work);
                        break;
                case 's':
                        valid = parse_number(optarg, LOAD_MAX, &options->load.sleep);
                        break;
                case 'r':
                        valid = parse_number(optarg, LOAD_MAX, &options->load.rare);
                        break;
                case 'q':
                        options->quiet = true;
                        break;
                case 'h':
                        fputs(usage, stdout);
                        return 1;
                default:
                        fputs(usage, stderr);
                        return 3;
                }
                if (!valid) {
                        fprintf(stderr, "httpd: not a possible value: %s\n", optarg);
                        return 3;
                }
        }
        if (optind < argc) {
                fputs(usage, stderr);
                return 3;
        }
        return 0;
}

/* Returns when the server has come to its end. */
static void watch(struct server *server, bool show) {
        struct server_figures figures;
        uint64_t before = 0;

        while (!server_sleep(server, show ? 1 : 3600)) {
                if (!show)
                        continue;
                server_get_figures(server, &figures);
                printf("\r%" PRIu64 " connections, %" PRIu64 " requests/s, %" PRIu64 " stale events dropped, %" PRIu64
                       " wakes\033[K",
                       figures.connections, figures.requests - before, figures.stale, figures.wakes);
                fflush(stdout);
                before = figures.requests;
        }
        if (show)
                printf("\n");
}

/* Starts the threads with the signals blocked, so that they come to this thread alone. */
static int start(struct server *server) {
        sigset_t signals, former;
        int r;

        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &signals, &former);
        r = server_start(server);
        pthread_sigmask(SIG_SETMASK, &former, NULL);
        return r;
}

int main(int argc, char **argv) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        struct options options = {
                .server = {
                        .port = 8080,
                        .threads = processors > 0 ? (unsigned)processors : 1,
                        .idle_timeout = INT64_C(30000000000),
                },
        };
        struct server *server;
        int r;

        r = parse_options(argc, argv, &options);
        if (r > 0)
                return r - 1;
        load_set(&options.load);
        r = server_create(&options.server, &server);
        if (r < 0) {
                fprintf(stderr, "httpd: cannot listen on port %u: %s\n", options.server.port, strerror(-r));
                return 1;
        }
        stopper = server_stopper(server);
        set_handler(on_signal);
        r = start(server);
        if (r < 0)
                fprintf(stderr, "httpd: cannot start its threads: %s\n", strerror(-r));
        else {
                printf("listening on http://127.0.0.1:%u/\n", server_port(server));
                fflush(stdout);
                watch(server, !options.quiet && isatty(STDOUT_FILENO));
        }
        set_handler(SIG_IGN); /* the waker is about to go */
        server_destroy(server);
        return r < 0 ? 1 : 0;
}
