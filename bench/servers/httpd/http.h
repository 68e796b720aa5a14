/* SPDX-License-Identifier: MIT */
#pragma once

/* HTTP/1.x as text: requests are parsed and responses written by functions that know nothing of sockets. */

#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEAD_MAX     8192 /* request line and header fields, in bytes */
#define HTTP_RESPONSE_MAX 2048 /* what a response may need, with its body */

enum http_method {
        HTTP_GET,
        HTTP_HEAD,
        HTTP_OTHER,
};

struct http_request {
        enum http_method method;
        const char *path; /* points into the text; without the query */
        size_t path_length;
        unsigned minor;  /* HTTP/1.minor */
        bool keep_alive; /* the client wants the connection to stay */
        bool has_body;   /* something follows the head, and it is not a request */
};

struct http_response {
        unsigned status;
        const char *type;
        const char *body;
        size_t length;     /* of the body */
        bool without_body; /* the answer to HEAD */
        bool close;        /* no other response follows */
        bool keep_alive;   /* say so: an HTTP/1.0 client expects it */
};

/*
 * Parses one request at the beginning of a text. Returns the size of its head; 0 if the text is the beginning of a
 * head, so far without fault; or a negative status: what is there will never be a request that this server takes.
 */
int http_parse(const char *text, size_t size, struct http_request *ret_request);

/* A response with 200 and a text. */
struct http_response http_page(const char *type, const char *text);

/* A response that has no page: its status in words. */
struct http_response http_plain_status(unsigned status);

/* Writes a response into a buffer of at least HTTP_RESPONSE_MAX bytes, and returns its size. */
size_t http_format(const struct http_response *response, char *buffer);
