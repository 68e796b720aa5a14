/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a server and its connections know of each other: server.c makes them and keeps their set, connection.c has their turns,
 * output.c what they send.
 */

#include <weir/server.h>

#include <pthread.h>

/* What has events begins with one of these, and its token is a pointer to it. */
struct server_item {
        void (*on_event)(struct server_item *item, const struct weir_event *event);
        struct weir_server *server;
};

struct server_bytes {
        char *at;
        size_t begin, end, capacity;
};

/* Who sees to what is sent. */
enum server_turn {
        TURN_NONE, /* nobody: a trigger makes a turn */
        TURN_DUE,  /* an event will come: a trigger was made, or room to write is waited for */
        TURN_ON,   /* a thread that looks once more before it lets go */
};

/* How far a connection is. Only its turn moves it on. */
enum server_phase {
        PHASE_OPEN,
        PHASE_LEAVING, /* it was finished: what is queued is sent, then the transport's end */
        PHASE_LEFT,    /* all that is sent; the peer's end is waited for */
        PHASE_OVER,    /* that has come */
};

struct weir_connection {
        struct server_item item;
        uint64_t id;
        int fd;

        /* Under the lock of the server. */
        struct weir_connection *previous, *next;
        unsigned refs;
        bool over; /* closed() was called, or never will be */

        pthread_mutex_t lock; /* held for a few steps, and a trigger; guards what follows */
        enum server_turn turn;
        bool finished; /* no send is taken any more */
        bool cut;
        int reason;     /* of the cut */
        bool paused;    /* nothing is to be read */
        size_t refused; /* most that waited when a send met the limit since the program was told of room; 0: none did */
        bool stirred;   /* it was paused or resumed since the last turn: that is no idleness */
        struct server_bytes queue; /* what is to be sent, behind `sending` */
        size_t unsent;             /* bytes of `sending` */

        /* Who has the turn alone. */
        struct server_bytes sending;
        enum server_phase phase;
        weir_interest reads, writes; /* what a read waits for, and a write; 0: it does not wait */
        bool more;                   /* the last read did not say that there is no more */
        weir_time idle_limit;        /* 0: none */
        bool heard;                  /* in this turn something was read */
        bool ended;                  /* the peer has */
        bool told;                   /* that the server stops */
        int error;                   /* which a read has met */
        unsigned rounds;             /* reads that are left in this turn */
        _Alignas(max_align_t) unsigned char data[];
};

/* Of the server, in server.c. */
const struct weir_server_config *weir_server_settings(const struct weir_server *server);
bool weir_server_stops(struct weir_server *server);

/* Of a connection that is over. It is the turn's last step: the memory may be gone afterwards. */
void weir_server_part(struct weir_connection *connection);

/* Of connections, in connection.c. */

/* A connection of a descriptor; the caller has its turn, and the one reference. NULL: out of memory. */
struct weir_connection *weir_connection_create(struct weir_server *server, int fd);
void weir_connection_free(struct weir_connection *connection);

/* Frees it in a forked child, and closes the child's descriptor. */
void weir_connection_abandon(struct weir_connection *connection);

/* Registers it, and holds it. 0 or a negative errno. */
int weir_connection_register(struct weir_connection *connection);

/* Ends a turn: sends, goes on with the end, and rearms. It may end the connection. */
void weir_connection_conclude(struct weir_connection *connection);

/* Ends the descriptor, and the connection's part in the server. The caller has its turn, and has called weir_output_close(). */
void weir_connection_close(struct weir_connection *connection);

/* Ends the connection. The caller has its turn. */
void weir_connection_end(struct weir_connection *connection, int reason);

/* Of what is sent, in output.c. */

/* Under the lock: whether so much waits that nothing more is to be read. */
bool weir_output_is_full(const struct weir_connection *connection);

/* Under the lock: whether a send was refused, and less waits now than then, and not too much. */
bool weir_output_has_room_again(const struct weir_connection *connection);

/* Under the lock: sees to it that there is a turn. */
void weir_output_make_turn(struct weir_connection *connection);

/* Sends with the turn. 0: nothing is left; -EAGAIN: it waits; 1: it has sent for long, and there is more; or a negative errno. */
int weir_output_flush(struct weir_connection *connection);

/* Frees what is queued, and takes nothing more. */
void weir_output_close(struct weir_connection *connection);
