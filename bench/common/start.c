/* SPDX-License-Identifier: MIT */

/* Options and sockets, by plain POSIX calls: see start.h. */

#include "start.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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
