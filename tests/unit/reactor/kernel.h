/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_UNIT_REACTOR_KERNEL_H
#define WEIR_TESTS_UNIT_REACTOR_KERNEL_H

/* What the slot of a descriptor says, and what the kernel's set says. */

#include "fault.h"
#include "support.h"

#include <inttypes.h>

#include "core.h"
#include "words.h"

#define OTHER (~TOKEN)

static inline struct weir_slot *slot_at(struct fixture *fx, int fd) {
        struct weir_slot *slot = weir_table_find(&fx->registry->fds, (uint32_t)fd);

        assert_non_null(slot);
        return slot;
}

/* How many entries a set has for a descriptor, in a generation or, without a mask, in any, and what the last of them asks for. */
static inline unsigned entries_of(int set, int fd, uint64_t mask, uint64_t generation, uint32_t *ret_events,
                                  uint64_t *ret_data) {
        char path[64], line[256];
        unsigned count = 0;
        uint32_t events;
        uint64_t data;
        FILE *file;
        int number;

        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", set);
        file = fopen(path, "re");
        assert_non_null(file);
        while (fgets(line, sizeof line, file))
                if (sscanf(line, "tfd: %d events: %" SCNx32 " data: %" SCNx64, &number, &events, &data) == 3 &&
                    number == fd && (data & mask) == (generation & mask)) {
                        *ret_events = events & ~(uint32_t)(EPOLLERR | EPOLLHUP);
                        *ret_data = data;
                        ++count;
                }
        fclose(file);
        return count;
}

static inline unsigned entries_in(int set, int fd, uint32_t *ret_events, uint64_t *ret_data) {
        return entries_of(set, fd, 0, 0, ret_events, ret_data);
}

static inline void assert_in_kernel(struct fixture *fx, int fd, uint32_t events, uint64_t data) {
        uint32_t real_events = 0;
        uint64_t real_data = 0;

        assert_int_equal(entries_in(fx->registry->set, fd, &real_events, &real_data), 1);
        assert_int_equal(real_events, events);
        assert_int_equal(real_data, data);
}

static inline void assert_not_in_kernel(struct fixture *fx, int fd) {
        uint32_t events;
        uint64_t data;

        assert_int_equal(entries_in(fx->registry->set, fd, &events, &data), 0);
}

#endif
