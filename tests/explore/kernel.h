/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_EXPLORE_KERNEL_H
#define WEIR_TESTS_EXPLORE_KERNEL_H

/*
 * A kernel that is small enough to be copied at every step, behind lib/reactor/sys.h: files, the numbers they are open at,
 * and epoll sets that do what epoll(7) does, ghosts, one-shots and sets in sets included. Each call is one step.
 */

#include <stdbool.h>
#include <stdint.h>

#define KERNEL_NUMBERS 16
#define KERNEL_FILES   16 /* 0 is none */
#define KERNEL_SETS    4
#define KERNEL_ITEMS   8 /* of a set */
#define KERNEL_OWN     8 /* numbers from here on are the library's */

enum file_kind {
        FILE_NONE,
        FILE_USER,
        FILE_EVENTFD,
        FILE_SET,
};

struct kernel_file {
        uint8_t kind;    /* enum file_kind */
        uint8_t numbers; /* at which it is open */
        uint8_t set;
        uint32_t ready; /* of a user's file, an eventfd or a timer; epoll(7) bits */
        int64_t rings;  /* of a timer: when; 0 is never */
};

/* What a set knows of a file under a number. */
struct kernel_item {
        uint8_t file, number; /* no file: it is free */
        bool listed;
        uint32_t events;
        uint64_t data;
};

struct kernel_set {
        uint8_t file;
        uint8_t count;                /* of the list */
        uint8_t listed[KERNEL_ITEMS]; /* items that may be ready, in this order */
        struct kernel_item items[KERNEL_ITEMS];
};

struct kernel {
        uint8_t numbers[KERNEL_NUMBERS]; /* the file at each */
        uint8_t sets_made;
        int64_t now; /* whole hours, and what naps took */
        struct kernel_file files[KERNEL_FILES];
        struct kernel_set sets[KERNEL_SETS];
};

/*
 * The clock stands still, but for naps, of which nobody needs to know how long they were: all together they are shorter than an
 * hour. It begins with an hour; each time it is made to pass, the next whole one comes, which is returned.
 */
#define KERNEL_HOUR INT64_C(3600000000000)
int64_t kernel_pass_time(void);

/* What the user and the world do. Numbers below KERNEL_OWN. */
void kernel_open(int number, uint32_t ready);
void kernel_dup(int from, int to);
void kernel_close(int number);
/* New readiness, an edge even if it was so before. */
void kernel_ready(int number, uint32_t events);
/* Ready for nothing of this any more. */
void kernel_drain(int number, uint32_t events);

/* What the library does, seam.c: an epoll set or eventfd at a number of its own, epoll_ctl(2), epoll_wait(2), all of a set. */
struct epoll_event;
int kernel_create_set(void);
int kernel_create_eventfd(void);
void kernel_set_timer(int number, int64_t moment);
int kernel_control(int number, int op, int fd, uint32_t events, uint64_t data);
int kernel_collect(int number, struct epoll_event *events, unsigned capacity);
int kernel_copy_items(int number, struct kernel_item items[KERNEL_ITEMS]);
bool kernel_is_open(int number);

/* Whether the set at a number, in which there may be sets, is readable. */
bool kernel_is_readable(int number);

/* Whether a set has something that may be ready. */
bool kernel_has_something(int set);

/* Whether any number but the user's is open. */
bool kernel_is_clean(void);

#endif
