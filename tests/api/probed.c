/* SPDX-License-Identifier: MIT */

/*
 * Passes every probe point, on one thread, and prints what each must show: its name, and its arguments as signed numbers.
 * probes_fire.sh compares that with what a debugger sees.
 */

#include <weir/weir.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FAR   (WEIR_NEVER - 1)
#define COUNT 3 /* the first event of a batch goes another way than the second; the third goes stale */

static struct weir_poll *poll;
static struct weir_registry *registry;
static struct weir_events *events;

static void require(bool holds) {
        if (!holds)
                abort();
}

static void wait_for(const struct timespec *timeout, int64_t ns, int expected) {
        printf("wait_begin %jd %jd\n", (intmax_t)(intptr_t)registry, (intmax_t)ns);
        printf("wait_return %jd %d\n", (intmax_t)(intptr_t)registry, expected);
        require(weir_poll_wait(poll, events, timeout) == expected);
}

static weir_token take(int fd) {
        struct weir_event event;

        require(weir_events_next(events, &event));
        printf("event %jd %d %ju %u\n", (intmax_t)(intptr_t)registry, fd >= 0 ? fd : (int)event.token,
               (uintmax_t)event.token, event.readiness);
        return event.token;
}

static void describe(const char *name, int fd, weir_token token, weir_interest interest, int result) {
        printf("%s %jd %d %ju %u %d\n", name, (intmax_t)(intptr_t)registry, fd, (uintmax_t)token, interest, result);
}

static void deregister(int fd) {
        printf("deregister %jd %d\n", (intmax_t)(intptr_t)registry, fd);
        require(weir_deregister(registry, fd) == 0);
}

static void pass_event_and_stale(void) {
        struct weir_event event;
        int fds[COUNT], left = 0;

        for (int i = 0; i < COUNT; ++i) {
                fds[i] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
                require(fds[i] >= 0);
                describe("register", fds[i], (weir_token)fds[i], WEIR_READABLE, 0);
                require(weir_register(registry, fds[i], (weir_token)fds[i], WEIR_READABLE) == 0);
                left += fds[i];
        }
        wait_for(NULL, INT64_MAX, COUNT);
        for (int i = 0; i < COUNT - 1; ++i)
                left -= (int)take(-1);
        deregister(left);
        printf("stale %jd %d %u\n", (intmax_t)(intptr_t)registry, left, WEIR_READABLE);
        require(!weir_events_next(events, &event));
        for (int i = 0; i < COUNT; ++i) {
                if (fds[i] != left)
                        deregister(fds[i]);
                close(fds[i]);
        }
}

static void pass_the_other_calls(void) {
        int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

        describe("register", fd, 1, WEIR_READABLE | WEIR_ONESHOT, 0);
        require(weir_register(registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT) == 0);
        describe("register", fd, 2, WEIR_READABLE, -EEXIST);
        require(weir_register(registry, fd, 2, WEIR_READABLE) == -EEXIST);
        printf("retoken %jd %d 3\n", (intmax_t)(intptr_t)registry, fd);
        require(weir_retoken(registry, fd, 3) == 0);
        wait_for(&(struct timespec){ 0, 1000 }, 1000, 1);
        require(take(fd) == 3);
        printf("rearm %jd %d %u 0\n", (intmax_t)(intptr_t)registry, fd, WEIR_READABLE);
        require(weir_rearm(registry, fd, WEIR_READABLE) == 0);
        printf("rearm %jd %d %u 0\n", (intmax_t)(intptr_t)registry, fd, WEIR_WRITABLE);
        require(weir_rearm(registry, fd, WEIR_WRITABLE) == 0);
        printf("disarm %jd %d\n", (intmax_t)(intptr_t)registry, fd);
        require(weir_disarm(registry, fd) == 1);
        printf("set_deadline %jd %d %jd\n", (intmax_t)(intptr_t)registry, fd, (intmax_t)FAR);
        require(weir_set_deadline(registry, fd, FAR) == 0);
        printf("trigger %jd %d\n", (intmax_t)(intptr_t)registry, fd);
        require(weir_trigger(registry, fd) == 0);
        describe("reregister", fd, 4, WEIR_PRIORITY, 0);
        require(weir_reregister(registry, fd, 4, WEIR_PRIORITY) == 0);
        deregister(fd);
        close(fd);
}

static void pass_wake(void) {
        struct weir_waker *waker;

        require(weir_waker_create(registry, UINT64_MAX, &waker) == 0);
        printf("wake %jd -1\n", (intmax_t)(intptr_t)registry);
        require(weir_waker_wake(waker) == 0);
        wait_for(&(struct timespec){ 0, 0 }, 0, 1);
        printf("event %jd %d -1 %u\n", (intmax_t)(intptr_t)registry, 1 << 27, WEIR_READABLE);
        require(weir_events_next(events, &(struct weir_event){ 0 }));
        weir_waker_destroy(waker);
}

int main(void) {
        require(weir_poll_create(&poll) == 0 && weir_events_create(8, &events) == 0);
        registry = weir_poll_registry(poll);
        pass_event_and_stale();
        pass_the_other_calls();
        pass_wake();
        weir_events_destroy(events);
        weir_poll_destroy(poll);
        return 0;
}
