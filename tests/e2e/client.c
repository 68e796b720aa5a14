/* SPDX-License-Identifier: MIT */

/* Processes and raw clients: see client.h. Read client_receive() first. */

#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool await(int fd, short events) {
        struct pollfd pollfd = { .fd = fd, .events = events };
        int r;

        do
                r = poll(&pollfd, 1, DEADLINE_MS);
        while (r < 0 && errno == EINTR);
        return r > 0;
}

/* ---------------------------------------------------------------- processes */

static bool open_output(bool terminal, int ends[2]) {
        if (!terminal)
                return pipe2(ends, O_CLOEXEC) >= 0;
        ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (ends[0] < 0 || grantpt(ends[0]) < 0 || unlockpt(ends[0]) < 0)
                return false;
        ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
        return ends[1] >= 0;
}

bool process_start(struct process *process, const char *const *argv, unsigned files, bool terminal) {
        pid_t parent = getpid();
        int ends[2], input[2];

        if (!open_output(terminal, ends) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input) < 0)
                return false;
        process->input = input[0];
        process->output = ends[0];
        process->pid = fork();
        if (process->pid == 0) {
                struct rlimit limit = { .rlim_cur = files, .rlim_max = files };

                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() != parent || dup2(input[1], STDIN_FILENO) < 0 || dup2(ends[1], STDOUT_FILENO) < 0 ||
                    (files && setrlimit(RLIMIT_NOFILE, &limit) < 0))
                        _exit(126);
                execvp(argv[0], (char *const *)argv);
                _exit(127);
        }
        close(input[1]);
        close(ends[1]);
        return process->pid > 0;
}

bool process_say(struct process *process, const char *text) {
        return send(process->input, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

int process_wait(struct process *process) {
        int64_t deadline = now_ms() + DEADLINE_MS;
        int status;
        pid_t pid;

        close(process->input);
        close(process->output);
        while ((pid = waitpid(process->pid, &status, WNOHANG)) == 0 && now_ms() < deadline)
                poll(NULL, 0, 5);
        if (pid == 0) {
                kill(process->pid, SIGKILL);
                waitpid(process->pid, &status, 0);
        }
        return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool process_read(struct process *process, const char *text, char *buffer, size_t size) {
        size_t used = 0;

        buffer[0] = '\0';
        while (used + 1 < size && await(process->output, POLLIN)) {
                ssize_t n = read(process->output, buffer + used, size - used - 1);

                if (n <= 0)
                        return !text;
                used += (size_t)n;
                buffer[used] = '\0';
                if (text && strstr(buffer, text))
                        return true;
        }
        return false;
}

int program_run(const char *path, const char *option) {
        const char *argv[] = { path, option, NULL };
        struct process process;
        char output[4096];
        bool ended;
        int code;

        if (!process_start(&process, argv, 0, false))
                return -1;
        ended = process_read(&process, NULL, output, sizeof output);
        code = process_wait(&process);
        return ended ? code : -1;
}

const char *httpd_path(void) {
        const char *path = getenv("WEIR_HTTPD");

        return path ? path : "./httpd";
}

bool server_start_program(struct server *server, const char *const *argv, unsigned files) {
        char line[256];
        const char *port;

        if (!process_start(&server->process, argv, files, false))
                return false;
        if (!process_read(&server->process, "\n", line, sizeof line) ||
            sscanf(line, "listening on %63s", server->address) != 1)
                return false;
        port = strrchr(server->address, ':');
        server->port = port ? (uint16_t)atoi(port + 1) : 0;
        return server->port > 0;
}

bool server_start(struct server *server, const char *timeout, unsigned files) {
        const char *argv[] = { httpd_path(), "--port=0", "--threads=3", "--idle-timeout", timeout, NULL };

        return server_start_program(server, argv, files);
}

int server_stop(struct server *server, int number) {
        if (number)
                kill(server->process.pid, number);
        return process_wait(&server->process);
}

/* ---------------------------------------------------------------- clients */

static bool open_client(struct client *client, const struct server *server, int receive_buffer) {
        struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                .sin_port = htons(server->port),
        };
        int one = 1;

        client->begin = client->end = 0;
        client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (client->fd < 0)
                return false;
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (receive_buffer)
                setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        if (connect(client->fd, (struct sockaddr *)&address, sizeof address) < 0) {
                client_close(client);
                return false;
        }
        return true;
}

bool client_open(struct client *client, const struct server *server) {
        return open_client(client, server, 0);
}

bool client_open_narrow(struct client *client, const struct server *server) {
        return open_client(client, server, 4096);
}

void client_close(struct client *client) {
        close(client->fd);
        client->fd = -1;
}

void client_reset(struct client *client) {
        struct linger linger = { .l_onoff = 1 };

        setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        client_close(client);
}

bool client_send(struct client *client, const void *bytes, size_t size) {
        const char *from = bytes;

        while (size > 0) {
                ssize_t n;

                if (!await(client->fd, POLLOUT))
                        return false;
                n = send(client->fd, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n < 0 && errno != EAGAIN)
                        return false;
                if (n > 0) {
                        from += n;
                        size -= (size_t)n;
                }
        }
        return true;
}

bool client_say(struct client *client, const char *text) {
        return client_send(client, text, strlen(text));
}

bool client_send_urgent(struct client *client, char byte) {
        return await(client->fd, POLLOUT) && send(client->fd, &byte, 1, MSG_OOB | MSG_NOSIGNAL) == 1;
}

bool client_say_with_urgent(struct client *client, const struct server *server, const char *text, size_t at) {
        pid_t pid = server->process.pid;
        bool said;

        if (kill(pid, SIGSTOP) < 0 || waitpid(pid, NULL, WUNTRACED) != pid)
                return false;
        said = client_send(client, text, at) && client_send_urgent(client, '!') && client_say(client, text + at) &&
               client_flush(client);
        return kill(pid, SIGCONT) == 0 && said;
}

bool client_flush(struct client *client) {
        int64_t deadline = now_ms() + DEADLINE_MS;
        int unacknowledged;

        while (ioctl(client->fd, SIOCOUTQ, &unacknowledged) == 0 && now_ms() < deadline) {
                if (unacknowledged == 0)
                        return true;
                sched_yield();
        }
        return false;
}

/* Receives more. 1, 0 at the end of the stream, or a negative errno. */
static int receive_more(struct client *client) {
        ssize_t n;

        memmove(client->buffer, client->buffer + client->begin, client->end - client->begin);
        client->end -= client->begin;
        client->begin = 0;
        if (client->end == sizeof client->buffer)
                return -EMSGSIZE;
        if (!await(client->fd, POLLIN))
                return -ETIMEDOUT;
        n = recv(client->fd, client->buffer + client->end, sizeof client->buffer - client->end, 0);
        if (n <= 0)
                return n < 0 ? -errno : 0;
        client->end += (size_t)n;
        return 1;
}

bool client_receive_bytes(struct client *client, void *buffer, size_t size) {
        char *to = buffer;

        while (size > 0) {
                size_t n = client->end - client->begin;

                if (n == 0 && receive_more(client) <= 0)
                        return false;
                n = client->end - client->begin < size ? client->end - client->begin : size;
                memcpy(to, client->buffer + client->begin, n);
                client->begin += n;
                to += n;
                size -= n;
        }
        return true;
}

enum received client_receive_line(struct client *client, char *buffer, size_t size) {
        const char *end;
        size_t length;
        int r;

        while (!(end = memchr(client->buffer + client->begin, '\n', client->end - client->begin))) {
                r = receive_more(client);
                if (r == 0 && client->begin == client->end)
                        return RECEIVED_END;
                if (r == -ECONNRESET)
                        return RECEIVED_RESET;
                if (r <= 0)
                        return RECEIVED_BROKEN;
        }
        length = (size_t)(end - (client->buffer + client->begin));
        if (length >= size)
                return RECEIVED_BROKEN;
        memcpy(buffer, client->buffer + client->begin, length);
        buffer[length] = '\0';
        client->begin += length + 1;
        return RECEIVED_RESPONSE;
}

static bool parse_head(const char *text, size_t size, struct response *response) {
        const char *length;

        if (size >= sizeof response->head)
                return false;
        memcpy(response->head, text, size);
        response->head[size] = '\0';
        length = strstr(response->head, "\r\nContent-Length: ");
        if (!length || !strstr(response->head, "\r\nContent-Type: ") ||
            sscanf(response->head, "HTTP/1.1 %d ", &response->status) != 1 ||
            sscanf(length, "\r\nContent-Length: %zu\r\n", &response->length) != 1)
                return false;
        response->close = strstr(response->head, "\r\nConnection: close\r\n");
        response->keep_alive = strstr(response->head, "\r\nConnection: keep-alive\r\n");
        return response->length < sizeof response->body;
}

enum received client_receive(struct client *client, struct response *ret_response, bool without_body) {
        const char *end;
        size_t head, body;
        int r;

        while (!(end = memmem(client->buffer + client->begin, client->end - client->begin, "\r\n\r\n", 4))) {
                r = receive_more(client);
                if (r == 0 && client->begin == client->end)
                        return RECEIVED_END;
                if (r == -ECONNRESET && client->begin == client->end)
                        return RECEIVED_RESET;
                if (r <= 0)
                        return RECEIVED_BROKEN;
        }
        head = (size_t)(end + 4 - (client->buffer + client->begin));
        if (!parse_head(client->buffer + client->begin, head, ret_response))
                return RECEIVED_BROKEN;
        body = without_body ? 0 : ret_response->length;
        while (client->end - client->begin < head + body)
                if (receive_more(client) <= 0)
                        return RECEIVED_BROKEN;
        memcpy(ret_response->body, client->buffer + client->begin + head, body);
        ret_response->body[body] = '\0';
        client->begin += head + body;
        return RECEIVED_RESPONSE;
}

int client_ask(struct client *client, const char *request, struct response *ret_response) {
        bool without_body = strncmp(request, "HEAD ", 5) == 0;

        if (!client_say(client, request) || client_receive(client, ret_response, without_body) != RECEIVED_RESPONSE)
                return -1;
        return ret_response->status;
}

bool client_meets_end(struct client *client) {
        return client->begin == client->end && receive_more(client) == 0;
}

int ask_once(const struct server *server, const char *request, struct response *ret_response) {
        struct client client;
        int status = -1;

        if (client_open(&client, server)) {
                status = client_ask(&client, request, ret_response);
                client_close(&client);
        }
        return status;
}
