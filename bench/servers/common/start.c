/* SPDX-License-Identifier: MIT */

/* Options, sockets and signals, by plain system calls: see start.h. */

#include "start.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPTIONS_MAX 8

bool parse_number(const char *text, unsigned long max, unsigned long *ret_number) {
        unsigned long number;
        char *end;

        errno = 0;
        number = strtoul(text, &end, 10);
        if (*text < '0' || *text > '9' || *end || errno || number > max)
                return false;
        *ret_number = number;
        return true;
}

int parse_number_options(int argc, char **argv, const char *usage, const struct number_option *options) {
        struct option names[OPTIONS_MAX + 2] = { { "help", no_argument, NULL, 0 } };
        int found;

        for (int i = 0; i < OPTIONS_MAX && options[i].name; ++i)
                names[i + 1] = (struct option){ options[i].name, required_argument, NULL, i + 1 };
        while ((found = getopt_long(argc, argv, "", names, NULL)) >= 0) {
                const struct number_option *option;

                if (found == 0) {
                        fputs(usage, stdout);
                        return 1;
                }
                if (found == '?') {
                        fputs(usage, stderr);
                        return 3;
                }
                option = &options[found - 1];
                if (!parse_number(optarg, option->max, option->number) || *option->number < option->min) {
                        fprintf(stderr, "%s: not a possible value: %s\n", argv[0], optarg);
                        return 3;
                }
        }
        if (optind < argc) {
                fputs(usage, stderr);
                return 3;
        }
        return 0;
}

int listen_on_loopback(uint16_t *port) {
        struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                .sin_port = htons(*port),
        };
        socklen_t length = sizeof address;
        int fd, one = 1, r;

        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, SOMAXCONN) < 0 ||
            getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        *port = ntohs(address.sin_port);
        return fd;
}

int open_signals(void) {
        sigset_t signals;
        int fd;

        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &signals, NULL);
        fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
        return fd < 0 ? -errno : fd;
}
