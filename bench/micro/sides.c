/* SPDX-License-Identifier: MIT */

/*
 * What raw epoll and weir do with all descriptors of a case at once: the same loops, call for call. Some cases time them,
 * others only prepare with them.
 */

#include "bench.h"

#include <string.h>

void raw_add_all(const struct bench_raw *raw, const struct bench_descriptors *on, uint32_t events) {
        for (size_t i = 0; i < on->n; ++i) {
                struct epoll_event event = { .events = events, .data.u64 = (uint64_t)on->fds[i] };

                require(epoll_ctl(raw->set, EPOLL_CTL_ADD, on->fds[i], &event) == 0, "EPOLL_CTL_ADD");
        }
}

void raw_modify_all(const struct bench_raw *raw, const struct bench_descriptors *on, uint32_t events) {
        for (size_t i = 0; i < on->n; ++i) {
                struct epoll_event event = { .events = events, .data.u64 = (uint64_t)on->mixed[i] };

                require(epoll_ctl(raw->set, EPOLL_CTL_MOD, on->mixed[i], &event) == 0, "EPOLL_CTL_MOD");
        }
}

void raw_remove_all(const struct bench_raw *raw, const struct bench_descriptors *on) {
        for (size_t i = 0; i < on->n; ++i)
                require(epoll_ctl(raw->set, EPOLL_CTL_DEL, on->mixed[i], NULL) == 0, "EPOLL_CTL_DEL");
}

size_t raw_take_all(const struct bench_raw *raw, const struct bench_descriptors *on, bool level) {
        size_t seen = 0;
        uint64_t sum = 0;

        while (seen < on->n) {
                int count = epoll_wait(raw->set, raw->events, BENCH_BATCH, 0);

                require(count > 0, "epoll_wait");
                for (int i = 0; i < count; ++i) {
                        bench_use(raw->events[i].data.u64, raw->events[i].events);
                        sum += raw->events[i].data.u64;
                        ++seen;
                }
        }
        require((level && seen > on->n) || (seen == on->n && sum == on->sum), "epoll_wait: one event each");
        return seen;
}

void weir_add_all(const struct bench_weir *weir, const struct bench_descriptors *on, weir_interest interest) {
        for (size_t i = 0; i < on->n; ++i)
                require(weir_register(weir->registry, on->fds[i], (weir_token)on->fds[i], interest) == 0,
                        "weir_register");
}

void weir_modify_all(const struct bench_weir *weir, const struct bench_descriptors *on, weir_interest interest) {
        for (size_t i = 0; i < on->n; ++i)
                require(weir_reregister(weir->registry, on->mixed[i], (weir_token)on->mixed[i], interest) == 0,
                        "weir_reregister");
}

void weir_remove_all(const struct bench_weir *weir, const struct bench_descriptors *on) {
        for (size_t i = 0; i < on->n; ++i)
                require(weir_deregister(weir->registry, on->mixed[i]) == 0, "weir_deregister");
}

size_t weir_take_all(const struct bench_weir *weir, const struct bench_descriptors *on, bool level) {
        static const struct timespec at_once;
        struct weir_event event;
        size_t seen = 0;
        uint64_t sum = 0;

        while (seen < on->n) {
                require(weir_poll_wait(weir->poll, weir->events, &at_once) > 0, "weir_poll_wait");
                while (weir_events_next(weir->events, &event)) {
                        bench_use(event.token, event.readiness);
                        sum += event.token;
                        ++seen;
                }
        }
        require((level && seen > on->n) || (seen == on->n && sum == on->sum), "weir_events_next: one event each");
        return seen;
}
