/* SPDX-License-Identifier: MIT */

/* The seam, lib/reactor/sys.h, over the kernel of kernel.h: each call is one step. Read weir_sys_epoll_wait() first. */

#include "tell.h"
#include "world.h"

#include <errno.h>
#include <string.h>

#include "sys.h"

/* ---------------------------------------------------------------- epoll sets */

int weir_sys_epoll_create(void) {
        int number;

        explore_point();
        number = kernel_create_set();
        if (number >= 0)
                history_note_set();
        TELL("  epoll_create() = %d", number);
        return number;
}

int weir_sys_replace(int from, int to) {
        explore_point();
        if (!kernel_is_open(from) || !kernel_is_open(to))
                return -EBADF;
        if (to < KERNEL_OWN)
                world_break("the library replaces what is the user's");
        kernel_dup(from, to);
        TELL("  dup3(%d, %d)", from, to);
        return 0;
}

int weir_sys_epoll_entries(int number, void (*fn)(void *userdata, const struct weir_sys_entry *entry), void *userdata) {
        struct kernel_item items[KERNEL_ITEMS];

        explore_point();
        if (kernel_copy_items(number, items) < 0)
                return -EBADF;
        TELL("  reads the entries of %d", number);
        for (unsigned i = 0; i < KERNEL_ITEMS; i++) {
                struct weir_sys_entry entry = { items[i].data, items[i].file, items[i].number };

                if (items[i].file)
                        fn(userdata, &entry);
        }
        return 0;
}

int weir_sys_epoll_ctl(int number, int op, int fd, uint32_t events, uint64_t data) {
        static const char *const ops[] = { "", "ADD", "DEL", "MOD" };
        int r;

        explore_point();
        r = kernel_control(number, op, fd, events, data);
        TELL("  epoll_ctl(%d, %s, %d, %x, %llx) = %d", number, ops[op], fd, (unsigned)events, (unsigned long long)data,
             r);
        return r;
}

/* Nobody else needs to know how long it was. */
static void sleep_for(int64_t timeout, const void *object) {
        if (world.schedule.inside)
                schedule_block(THREAD_NAPS, object);
        world.kernel.now += timeout;
}

/* A sleep counts from when its thread read the clock: between the two, no hour passes. */
int weir_sys_epoll_wait(int number, struct epoll_event *events, unsigned capacity, int64_t timeout, bool *coarse) {
        int64_t end;

        (void)coarse;
        explore_point();
        if (timeout != 0 && timeout != WEIR_FOREVER)
                end = world.schedule.threads[world.schedule.self].clock + timeout;
        else
                end = timeout;
        for (;;) {
                int count = kernel_collect(number, events, capacity);

                TELL("  epoll_wait(%d, %u, %lld): %d", number, capacity, (long long)timeout, count);
                for (int i = 0; i < count; i++)
                        TELL("    %x of %llx", (unsigned)events[i].events, (unsigned long long)events[i].data.u64);
                if (count || world.kernel.now >= end)
                        return count;
                schedule_sleep((const void *)(intptr_t)number, end);
        }
}

int weir_sys_nap(int64_t timeout) {
        explore_point();
        sleep_for(timeout, NULL);
        return 0;
}

int weir_sys_eventfd(void) {
        explore_point();
        return kernel_create_eventfd();
}

void weir_sys_eventfd_signal(int fd) {
        explore_point();
        TELL("  writes to the eventfd");
        kernel_ready(fd, EPOLLIN);
}

int weir_sys_timer_create(void) {
        explore_point();
        return kernel_create_eventfd();
}

void weir_sys_timer_set(int fd, int64_t moment) {
        explore_point();
        TELL("  sets a timer, %.1f h", (double)moment / KERNEL_HOUR);
        if (fd < KERNEL_OWN || !kernel_is_open(fd))
                world_break("the library sets a timer that is not open");
        else
                kernel_set_timer(fd, moment);
}

void weir_sys_close(int fd) {
        explore_point();
        if (!kernel_is_open(fd))
                world_break("the library closes what is not open");
        else if (fd < KERNEL_OWN)
                world_break("the library closes what is the user's");
        kernel_close(fd);
}

bool weir_sys_is_open(int fd) {
        explore_point();
        return kernel_is_open(fd);
}

int64_t weir_sys_now(void) {
        explore_point();
        TELL("  the clock reads %.1f h", (double)world.kernel.now / KERNEL_HOUR);
        world.schedule.threads[world.schedule.self].clock = world.kernel.now;
        return world.kernel.now;
}

int weir_sys_getpid(void) {
        return 1;
}

/* ---------------------------------------------------------------- memory and futexes */

void *weir_sys_alloc(size_t size) {
        return world_alloc(size);
}

/* Of what is as large as this, only the beginning is ever used: the heap of the deadlines. */
#define LARGE ARENA
#define USED  256

static size_t used(size_t size) {
        return size < LARGE ? size : USED;
}

void *weir_sys_grow(void *memory, size_t size, size_t wanted) {
        if (memory || size)
                world_break("the heap of the deadlines grows");
        return world_alloc(used(wanted));
}

void weir_sys_free(void *memory, size_t size) {
        if (memory)
                world_free(memory, used(size));
}

struct weir_life *weir_sys_life_create(int *ret_pid) {
        *ret_pid = 0;
        return world_alloc(sizeof(struct weir_life));
}

void weir_sys_life_free(struct weir_life *life) {
        if (life)
                world_free(life, sizeof(*life));
}

int weir_sys_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout) {
        explore_point();
        TELL("  futex_wait, %s", *(volatile uint32_t *)word != expected ? "changed meanwhile" : "sleeps");
        if (*(volatile uint32_t *)word != expected)
                return 0;
        if (timeout == WEIR_FOREVER)
                schedule_block(THREAD_FUTEX, (const void *)word);
        else
                sleep_for(timeout, (const void *)word);
        return 0;
}

void weir_sys_futex_wake_all(_Atomic(uint32_t) *word) {
        explore_point();
        TELL("  futex_wake");
        schedule_wake(THREAD_FUTEX, (const void *)word);
        schedule_wake(THREAD_NAPS, (const void *)word);
}

int weir_sys_forbid_cancel(void) {
        return 0;
}

void weir_sys_restore_cancel(int state) {
        (void)state;
}
