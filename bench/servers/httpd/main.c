/* SPDX-License-Identifier: MIT */

/*
 * httpd: a small HTTP/1.1 server, to show how weir is used. Here are its options; what it does begins in server.c.
 */

#include <getopt.h>
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
        "  --idle-timeout=S     close connections that are idle for S seconds (default 30; or never)\n" LOAD_USAGE
        "  --quiet              print the address alone, no status line\n"
        "  --help               print this\n";

struct options {
        unsigned long port, threads;
        int64_t idle_timeout; /* nanoseconds, above 0, or WEIR_NEVER */
        struct load load;
        bool quiet;
};

static bool parse_seconds(const char *text, int64_t *ret_ns) {
        double seconds;
        char *end;

        if (!strcmp(text, "never")) {
                *ret_ns = WEIR_NEVER;
                return true;
        }
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
        int option;

        while ((option = getopt_long(argc, argv, "", names, NULL)) >= 0) {
                bool valid = true;

                switch (option) {
                case 'p':
                        valid = parse_number(optarg, UINT16_MAX, &options->port);
                        break;
                case 't':
                        valid = parse_number(optarg, 1024, &options->threads) && options->threads > 0;
                        break;
                case 'i':
                        valid = parse_seconds(optarg, &options->idle_timeout);
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

int main(int argc, char **argv) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        struct options options = {
                .port = 8080,
                .threads = processors > 0 ? (unsigned)processors : 1,
                .idle_timeout = INT64_C(30000000000),
        };
        static struct server server;
        uint16_t port;
        int r;

        r = parse_options(argc, argv, &options);
        if (r > 0)
                return r - 1;
        load_set(&options.load);
        port = (uint16_t)options.port;
        r = server_open(&server, &port, options.idle_timeout);
        if (r < 0) {
                fprintf(stderr, "httpd: cannot listen on port %lu: %s\n", options.port, strerror(-r));
        } else {
                printf("listening on http://127.0.0.1:%u/\n", port);
                fflush(stdout);
                r = server_run(&server, (unsigned)options.threads, !options.quiet && isatty(STDOUT_FILENO));
                if (r < 0)
                        fprintf(stderr, "httpd: cannot serve: %s\n", strerror(-r));
        }
        server_close(&server);
        return r < 0 ? 1 : 0;
}
