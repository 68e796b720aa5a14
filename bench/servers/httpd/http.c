/* SPDX-License-Identifier: MIT */

/*
 * The parser looks at a text from its beginning every time and keeps no state, so a request that arrives byte by byte
 * and one that arrives at once cannot be understood differently. It is strict wherever two readers of the same bytes
 * might disagree on where a request ends: lines end in CRLF, names touch their colons, there are no folded lines, and
 * a body is told apart (the server takes none, and closes). Read http_parse() first.
 */

#include "http.h"

#include <string.h>
#include <strings.h>

/* A part of the text. */
struct span {
        const char *begin, *end;
};

static bool is_token(struct span span) {
        if (span.begin == span.end)
                return false;
        for (const char *p = span.begin; p < span.end; ++p)
                if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                      (*p && strchr("!#$%&'*+-.^_`|~", *p))))
                        return false;
        return true;
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool is_control(char c) {
        return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

static bool equals(struct span span, const char *word) {
        size_t length = strlen(word);

        return (size_t)(span.end - span.begin) == length && memcmp(span.begin, word, length) == 0;
}

static bool equals_any_case(struct span span, const char *word) {
        size_t length = strlen(word);

        return (size_t)(span.end - span.begin) == length && strncasecmp(span.begin, word, length) == 0;
}

/* Takes what stands before the separator; all of it if there is none. */
static struct span cut(struct span *rest, char separator) {
        struct span part = { rest->begin, rest->begin };

        while (part.end < rest->end && *part.end != separator)
                ++part.end;
        rest->begin = part.end < rest->end ? part.end + 1 : rest->end;
        return part;
}

static struct span trim(struct span span) {
        while (span.begin < span.end && is_blank(span.begin[0]))
                ++span.begin;
        while (span.begin < span.end && is_blank(span.end[-1]))
                --span.end;
        return span;
}

/* Takes a line. 1, 0 if its end has not come yet, or -400. */
static int take_line(struct span *rest, struct span *ret_line) {
        const char *end = memchr(rest->begin, '\n', (size_t)(rest->end - rest->begin));

        if (!end)
                return 0;
        if (end == rest->begin || end[-1] != '\r')
                return -400;
        *ret_line = (struct span){ rest->begin, end - 1 };
        rest->begin = end + 1;
        return 1;
}

/* "/path?query", or "http://host/path?query" */
static bool parse_target(struct span target, struct http_request *request) {
        struct span path;

        if (target.begin == target.end)
                return false;
        for (const char *p = target.begin; p < target.end; ++p)
                if (is_control(*p))
                        return false;
        if (target.end - target.begin > 7 && strncasecmp(target.begin, "http://", 7) == 0) {
                target.begin += 7;
                while (target.begin < target.end && *target.begin != '/' && *target.begin != '?')
                        ++target.begin;
        }
        path = cut(&target, '?');
        request->path = path.begin < path.end ? path.begin : "/";
        request->path_length = path.begin < path.end ? (size_t)(path.end - path.begin) : 1;
        return request->path[0] == '/' || request->method == HTTP_OTHER; /* OPTIONS has "*", CONNECT "host:port" */
}

static int parse_request_line(struct span line, struct http_request *request) {
        struct span method = cut(&line, ' '), target = cut(&line, ' '), version = line;

        request->method = equals(method, "GET") ? HTTP_GET : equals(method, "HEAD") ? HTTP_HEAD : HTTP_OTHER;
        if (!is_token(method) || !parse_target(target, request))
                return -400;
        if (version.end - version.begin != 8 || memcmp(version.begin, "HTTP/", 5) != 0 || !is_digit(version.begin[5]) ||
            version.begin[6] != '.' || !is_digit(version.begin[7]))
                return -400;
        if (version.begin[5] != '1')
                return -505;
        request->minor = version.begin[7] != '0';
        return 0;
}

/* What of the header fields matters. */
struct fields {
        unsigned hosts;
        bool close, keep_alive;
};

static int parse_field(struct span line, struct http_request *request, struct fields *fields) {
        struct span name = cut(&line, ':'), value = trim(line);

        if (!is_token(name) || name.end == line.end)
                return -400;
        for (const char *p = value.begin; p < value.end; ++p)
                if (is_control(*p) && *p != '\t')
                        return -400;

        if (equals_any_case(name, "Host"))
                ++fields->hosts;
        else if (equals_any_case(name, "Transfer-Encoding"))
                request->has_body = true;
        else if (equals_any_case(name, "Content-Length")) {
                if (value.begin == value.end)
                        return -400;
                for (const char *p = value.begin; p < value.end; ++p) {
                        if (!is_digit(*p))
                                return -400;
                        request->has_body |= *p != '0';
                }
        } else if (equals_any_case(name, "Connection"))
                while (value.begin < value.end) {
                        struct span option = trim(cut(&value, ','));

                        fields->close |= equals_any_case(option, "close");
                        fields->keep_alive |= equals_any_case(option, "keep-alive");
                }
        return 0;
}

static int parse(struct span *rest, struct http_request *request) {
        struct fields fields = { .hosts = 0 };
        struct span line;
        int r;

        /* An empty line too many after the request before is forgiven. */
        do {
                r = take_line(rest, &line);
                if (r <= 0)
                        return r;
        } while (line.begin == line.end);
        r = parse_request_line(line, request);
        if (r < 0)
                return r;
        for (;;) {
                r = take_line(rest, &line);
                if (r <= 0)
                        return r;
                if (line.begin == line.end)
                        break;
                r = parse_field(line, request, &fields);
                if (r < 0)
                        return r;
        }
        if (fields.hosts > 1 || (request->minor > 0 && fields.hosts == 0))
                return -400;
        request->keep_alive = !fields.close && (request->minor > 0 || fields.keep_alive);
        return 1;
}

int http_parse(const char *text, size_t size, struct http_request *ret_request) {
        struct span rest = { text, text + (size < HTTP_HEAD_MAX ? size : HTTP_HEAD_MAX) };
        struct http_request request = { .minor = 0 };
        int r;

        r = parse(&rest, &request);
        if (r < 0)
                return r;
        if (r == 0)
                return size < HTTP_HEAD_MAX ? 0 : -431;
        *ret_request = request;
        return (int)(rest.begin - text);
}

/* ---------------------------------------------------------------- responses */

static const char *reason(unsigned status) {
        switch (status) {
        case 200:
                return "200 OK";
        case 400:
                return "400 Bad Request";
        case 404:
                return "404 Not Found";
        case 405:
                return "405 Method Not Allowed";
        case 408:
                return "408 Request Timeout";
        case 431:
                return "431 Request Header Fields Too Large";
        default:
                return "505 HTTP Version Not Supported";
        }
}

struct http_response http_page(const char *type, const char *text) {
        return (struct http_response){ .status = 200, .type = type, .body = text, .length = strlen(text) };
}

struct http_response http_plain_status(unsigned status) {
        struct http_response response = http_page("text/plain", reason(status));

        response.status = status;
        return response;
}

static char *append(char *to, const char *from, size_t size) {
        memcpy(to, from, size);
        return to + size;
}

static char *append_text(char *to, const char *text) {
        return append(to, text, strlen(text));
}

static char *append_number(char *to, size_t number) {
        char digits[20];
        size_t i = sizeof digits;

        do
                digits[--i] = (char)('0' + number % 10);
        while (number /= 10);
        return append(to, digits + i, sizeof digits - i);
}

size_t http_format(const struct http_response *response, char *buffer) {
        char *to = append_text(buffer, "HTTP/1.1 ");

        to = append_text(to, reason(response->status));
        to = append_text(to, "\r\nContent-Type: ");
        to = append_text(to, response->type);
        to = append_text(to, "\r\nContent-Length: ");
        to = append_number(to, response->length);
        if (response->status == 405)
                to = append_text(to, "\r\nAllow: GET, HEAD");
        if (response->close)
                to = append_text(to, "\r\nConnection: close");
        else if (response->keep_alive)
                to = append_text(to, "\r\nConnection: keep-alive");
        to = append_text(to, "\r\n\r\n");
        if (!response->without_body)
                to = append(to, response->body, response->length);
        return (size_t)(to - buffer);
}
