/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_STRESS_SERVER_H
#define WEIR_TESTS_STRESS_SERVER_H

/* What both ends of the stress of a server know: the frames, and the book of what became of each connection. */
#include "../support.h"

#include <weir/net.h>

#define MAX_CONNECTIONS 200000
#define SENDERS         2
#define QUIT            255 /* the byte by which a client asks for the end; the others count up to 250 */
#define COUNTING        251

/* From the server to a client. */
enum { WORDS = 'w', BYE = 'b' };
struct frame {
        uint32_t kind;   /* WORDS or BYE, after which nothing comes */
        uint32_t sender; /* below SENDERS */
        uint32_t number; /* grows, with gaps, for each sender */
};

/* Of one connection. */
struct page {
        /* the server's */
        atomic_uint queued; /* frames for which weir_connection_send() or _finish() returned 0 */
        atomic_uint read;   /* bytes */
        atomic_uint closed;
        atomic_int reason;
        /* the client's */
        unsigned received, sent;
        bool to_the_end; /* it read until there was no more */
};

struct stress {
        struct weir_address addresses[2];
        unsigned connections;
        struct page *pages; /* by the number that the client says; 0: it did not come so far */
        atomic_uint next;
        atomic_uint clients_left;
        atomic_bool stopping;
        atomic_uint wrong; /* frames and bytes out of order */
};

/* The life of one client after the other. */
int run_clients(void *arg);

unsigned draw(unsigned below);
void seed_thread(uint64_t number);

#endif
