/* SPDX-License-Identifier: MIT */
/*
 * Whole waits on a kernel without epoll_pwait2(2), and under a filter that forbids it: a forked child lets seccomp
 * refuse the call with ENOSYS or EPERM and then makes a poll of its own. The same waits are made without a filter
 * first. A poll asks once: when it has, a second filter lets the call fail in a way that no wait would hide.
 */
#include "support.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

#define NO_FILTER 200
#define MS        1000000L

/* Of two filters that refuse, the later one's error is told. */
static int refuse_pwait2(int error) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { ARRAY_LEN(code), code };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
                return NO_FILTER;
        /* It bites: with a descriptor that is no set, the call itself would say EBADF. */
        REQUIRE(syscall(SYS_epoll_pwait2, -1, NULL, 0, NULL, NULL, (size_t)8) < 0 && errno == error);
        return 0;
}

struct woken {
        struct weir_waker *waker;
        atomic_int waits;
};

static void *wake_later(void *arg) {
        struct woken *woken = arg;

        while (!atomic_load(&woken->waits))
                sched_yield();
        return weir_waker_wake(woken->waker) < 0 ? arg : NULL;
}

static void wake_in_handler(int signal) {
        (void)signal;
}

static int waits(void) {
        static const struct timespec lengths[] = {
                { 0, 1 }, { 0, MS - 1 }, { 0, MS }, { 0, MS + 1 }, { 0, 2 * MS + 500 }
        };
        static const struct timespec absurd[] = { { 0, MS / 2 }, { 1000000, 1 }, { TIME_MAX, 999999999 } };
        struct weir_registry *registry;
        struct weir_events *events;
        struct weir_event event;
        struct weir_poll *poll;
        struct woken woken = { 0 };
        int fd, r;

        REQUIRE(weir_poll_create(&poll) == 0 && weir_events_create(4, &events) == 0);
        registry = weir_poll_registry(poll);
        REQUIRE(weir_waker_create(registry, 7, &woken.waker) == 0);
        for (unsigned i = 0; i < ARRAY_LEN(lengths); i++) {
                uint64_t began = now_ns();

                REQUIRE(weir_poll_wait(poll, events, &lengths[i]) == 0);
                REQUIRE(now_ns() - began >= (uint64_t)lengths[i].tv_nsec);
        }
        /* What is ready ends a wait of any length, also one of more milliseconds than the older call can count. */
        fd = make_eventfd(1);
        for (unsigned i = 0; i < ARRAY_LEN(absurd); i++) {
                REQUIRE(weir_register(registry, fd, i, WEIR_READABLE) == 0);
                REQUIRE(weir_poll_wait(poll, events, &absurd[i]) == 1);
                REQUIRE(weir_events_next(events, &event) && event.token == i && weir_event_is_readable(&event));
                REQUIRE(weir_deregister(registry, fd) == 0);
        }
        close(fd);
        /* So does a wake, before the wait or in it. */
        for (unsigned i = 1; i < ARRAY_LEN(absurd); i++) {
                pthread_t thread;
                void *failed;

                atomic_store(&woken.waits, 0);
                REQUIRE(pthread_create(&thread, NULL, wake_later, &woken) == 0);
                atomic_store(&woken.waits, 1);
                REQUIRE(weir_poll_wait(poll, events, &absurd[i]) == 1);
                REQUIRE(weir_events_next(events, &event) && event.token == 7);
                REQUIRE(pthread_join(thread, &failed) == 0 && !failed);
        }
        /* And a signal. It may come before the wait, but then it comes again. */
        struct sigaction action = { .sa_handler = wake_in_handler };
        struct itimerspec every = { { 0, MS }, { 0, MS } };
        struct sigevent by = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
        timer_t timer;

        REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0 && timer_create(CLOCK_MONOTONIC, &by, &timer) == 0);
        REQUIRE(timer_settime(timer, 0, &every, NULL) == 0);
        r = weir_poll_wait(poll, events, &absurd[1]);
        timer_delete(timer);
        REQUIRE(r == -EINTR && !weir_events_next(events, &event));
        weir_events_destroy(events);
        weir_waker_destroy(woken.waker);
        weir_poll_destroy(poll);
        return 0;
}

static int child(void *arg) {
        int *error = arg, r = *error ? refuse_pwait2(*error) : 0;
        unsigned before = count_descriptors();

        if (r)
                return r;
        r = waits();
        REQUIRE(r || count_descriptors() == before);
        return r;
}

/* What one poll was refused, it alone knows. */
static int asks_once(void *arg) {
        const struct timespec part = { 0, MS / 2 };
        struct weir_events *events;
        struct weir_poll *poll, *other;
        int *error = arg, r = refuse_pwait2(*error);

        if (r)
                return r;
        REQUIRE(weir_poll_create(&poll) == 0 && weir_poll_create(&other) == 0 && weir_events_create(4, &events) == 0);
        REQUIRE(weir_poll_wait(poll, events, &part) == 0);
        REQUIRE(refuse_pwait2(EBADMSG) == 0);
        for (unsigned i = 0; i < 3; i++)
                REQUIRE(weir_poll_wait(poll, events, &part) == 0 &&
                        weir_poll_wait_until(poll, events, weir_now() + MS / 2) == 0);
        REQUIRE(weir_poll_wait(other, events, &part) == -EBADMSG);
        weir_events_destroy(events);
        weir_poll_destroy(other);
        weir_poll_destroy(poll);
        return 0;
}

static void a_refused_call_is_not_asked_again(void **state) {
        int errors[] = { ENOSYS, EPERM };

        (void)state;
        for (unsigned i = 0; i < ARRAY_LEN(errors); i++) {
                int r = run_child(asks_once, &errors[i]);

                if (r == NO_FILTER)
                        skip();
                assert_int_equal(r, 0);
        }
}

static void g12_waits_are_the_same_with_and_without_pwait2(void **state) {
        int errors[] = { 0, ENOSYS, EPERM };

        (void)state;
        for (unsigned i = 0; i < ARRAY_LEN(errors); i++) {
                int r = run_child(child, &errors[i]);

                if (r == NO_FILTER)
                        skip();
                assert_int_equal(r, 0);
        }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g12_waits_are_the_same_with_and_without_pwait2),
                CASE(a_refused_call_is_not_asked_again),
        };

        return cmocka_run_group_tests_name("pwait2", cases, NULL, NULL);
}
