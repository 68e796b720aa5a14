/* SPDX-License-Identifier: MIT */

/*
 * The move to a new set against the end of a registration. Whether that is moved before or not, it ends in both sets, and what
 * the number is registered for next is told.
 * Threads: one moves all registrations; one deregisters.
 */

#define MODEL_SETS 2

#include "library.h"

static void set_up(void) {
        open_poll();
        model_ready(0, EPOLLIN);
        assert(weir_register(registry, 0, 1, WEIR_READABLE) == 0);
}

static void *moves(void *unused) {
        (void)unused;
        assert(weir_sets_rebuild(registry, WEIR_FOREVER));
        return NULL;
}

static void *deregisters(void *unused) {
        (void)unused;
        assert(weir_deregister(registry, 0) == 0);
        return NULL;
}

static void count_entry(void *count, const struct weir_sys_entry *entry) {
        (void)entry;
        ++*(unsigned *)count;
}

static void tear_down(void) {
        unsigned count = 0;

        assert(weir_sys_epoll_entries(registry->set, count_entry, &count) == 0);
        assert(count == 0);
        assert(take_rest(0) == 0);
        assert(weir_register(registry, 0, 2, WEIR_READABLE) == 0);
        assert(take_rest(2) == 1);
        close_poll();
}

MODEL_MAIN(set_up, tear_down, moves, deregisters)
