/* SPDX-License-Identifier: MIT */

/*
 * What the threads do on raw epoll and on weir. Raw epoll makes its calls by syscall(2), as weir does: so both are counted,
 * and at the same price.
 */

#include "calls.h"
#include "owned.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* ---------------------------------------------------------------- raw */

struct raw {
        int set, stop; /* an eventfd */
};

static int raw_wait(void *loop) {
        struct raw *raw = loop;
        struct epoll_event event;

        require(calls_epoll_wait(raw->set, &event, 1) == 1, "epoll_wait");
        return event.data.fd;
}

static void raw_ctl(const struct raw *raw, int op, int fd, int data, uint32_t events) {
        struct epoll_event event = { .events = events, .data.fd = data };

        require(calls_epoll_ctl(raw->set, op, fd, &event) == 0, "epoll_ctl");
}

static void raw_rearm(void *loop, int fd) {
        raw_ctl(loop, EPOLL_CTL_MOD, fd, fd, EPOLLIN | EPOLLONESHOT);
}

static void raw_stop(void *loop) {
        static const uint64_t one = 1;
        const struct raw *raw = loop;

        require(write(raw->stop, &one, sizeof one) == sizeof one, "write to the eventfd");
}

static void lap_raw(const struct plan *plan, double *ret_figures) {
        struct raw raw = { .set = epoll_create1(EPOLL_CLOEXEC), .stop = eventfd(0, EFD_CLOEXEC) };

        require(raw.set >= 0 && raw.stop >= 0, "epoll_create1");
        raw_ctl(&raw, EPOLL_CTL_ADD, raw.stop, -1, EPOLLIN);
        raw_ctl(&raw, EPOLL_CTL_ADD, plan->pair[0], plan->pair[0], EPOLLIN | EPOLLONESHOT);
        owned_run(plan, &(struct side){ .loop = &raw, .wait = raw_wait, .rearm = raw_rearm, .stop = raw_stop },
                  ret_figures);
        close(raw.stop);
        close(raw.set);
}

/* ---------------------------------------------------------------- weir */

#define TOKEN_STOP UINT64_MAX

struct weir {
        struct weir_poll *poll;
        struct weir_registry *registry;
        struct weir_events *events;
        struct weir_waker *stop;
};

static int weir_wait(void *loop) {
        struct weir *weir = loop;
        struct weir_event event;

        do
                require(weir_poll_wait(weir->poll, weir->events, NULL) >= 0, "weir_poll_wait");
        while (!weir_events_next(weir->events, &event));
        return event.token == TOKEN_STOP ? -1 : (int)event.token;
}

static void weir_arm(void *loop, int fd) {
        struct weir *weir = loop;

        require(weir_rearm(weir->registry, fd, WEIR_READABLE) == 0, "weir_rearm");
}

static void weir_stop(void *loop) {
        struct weir *weir = loop;

        require(weir_waker_wake(weir->stop) == 0, "weir_waker_wake");
}

static void lap_weir(const struct plan *plan, double *ret_figures) {
        struct weir weir;
        int fd = plan->pair[0];

        require(weir_poll_create(&weir.poll) == 0 && weir_events_create(1, &weir.events) == 0, "weir_poll_create");
        weir.registry = weir_poll_registry(weir.poll);
        require(weir_waker_create(weir.registry, TOKEN_STOP, &weir.stop) == 0, "weir_waker_create");
        require(weir_register(weir.registry, fd, (weir_token)fd, WEIR_READABLE | WEIR_ONESHOT) == 0, "weir_register");
        owned_run(plan, &(struct side){ .loop = &weir, .wait = weir_wait, .rearm = weir_arm, .stop = weir_stop },
                  ret_figures);
        require(weir_deregister(weir.registry, fd) == 0, "weir_deregister");
        weir_waker_destroy(weir.stop);
        weir_events_destroy(weir.events);
        weir_poll_destroy(weir.poll);
}

void owned_lap(size_t side, const struct plan *plan, double *ret_figures) {
        (side == RAW ? lap_raw : lap_weir)(plan, ret_figures);
}
