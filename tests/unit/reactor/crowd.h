/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_UNIT_REACTOR_CROWD_H
#define WEIR_TESTS_UNIT_REACTOR_CROWD_H

/* Registrations in every mode, and ghosts. */

#include "kernel.h"

#define MEMBERS 4

/* Sockets that are writable, in every mode, and one level ghost to be got rid of. */
struct crowd {
        int pairs[MEMBERS][2];
        int duplicate;
        unsigned counts[MEMBERS + 1];
};

static const weir_interest crowd_modes[MEMBERS] = { 0, WEIR_LEVEL, WEIR_ONESHOT, WEIR_LEVEL };

/* A registration that the kernel still holds and no call can remove; returns the descriptor that keeps it alive. */
static inline int make_ghost(struct fixture *fx, weir_interest interest) {
        int pair[2], duplicate;

        make_socketpair(pair);
        duplicate = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
        assert_true(duplicate >= 0);
        assert_int_equal(weir_register(fx->registry, pair[0], MEMBERS, interest), 0);
        close(pair[0]);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close(pair[1]);
        return duplicate;
}

static inline void crowd_make(struct fixture *fx, struct crowd *crowd) {
        *crowd = (struct crowd){ .duplicate = make_ghost(fx, WEIR_READABLE | WEIR_LEVEL) };
        for (unsigned i = 0; i < MEMBERS; ++i) {
                make_socketpair(crowd->pairs[i]);
                assert_int_equal(weir_register(fx->registry, crowd->pairs[i][0], i, WEIR_READABLE | crowd_modes[i]), 0);
        }
}

/* Each member gets a byte and each must tell. */
static inline void crowd_speaks(struct fixture *fx, struct crowd *crowd) {
        memset(crowd->counts, 0, sizeof crowd->counts);
        for (unsigned i = 0; i < MEMBERS; ++i)
                put(crowd->pairs[i][1]);
        for (int waits = 0; waits < 4 * MEMBERS; ++waits)
                assert_true(tally(fx->poll, fx->events, 0, crowd->counts, MEMBERS + 1) >= 0);
        for (unsigned i = 0; i < MEMBERS; ++i) {
                assert_true(crowd->counts[i] > 0);
                assert_int_equal(drain(crowd->pairs[i][0]), 1);
        }
        assert_int_equal(crowd->counts[MEMBERS], 0);
        assert_int_equal(weir_rearm(fx->registry, crowd->pairs[2][0], WEIR_READABLE), 0);
}

static inline void crowd_end(struct crowd *crowd) {
        for (unsigned i = 0; i < MEMBERS; ++i)
                close_pair(crowd->pairs[i]);
        close(crowd->duplicate);
}

/* How many entries one set reports, marks left out. */
static inline int reported(int set) {
        struct epoll_event entries[BATCH];
        bool coarse = false;
        int n = weir_sys_epoll_wait(set, entries, BATCH, 0, &coarse), count = 0;

        for (int i = 0; i < n; ++i)
                count += entries[i].data.u64 != DATA_EVENTFD;
        return count;
}

static inline uint64_t word_at(struct fixture *fx, int fd) {
        return atomic_load(&slot_at(fx, fd)->word);
}

/* That the set on the number has each member once, in its generation and turn; there may be a ghost of its number. */
static inline void crowd_is_in(struct fixture *fx, struct crowd *crowd, int set) {
        uint32_t events;
        uint64_t data;

        for (unsigned i = 0; i < MEMBERS; ++i)
                assert_int_equal(entries_of(set, crowd->pairs[i][0], ~BELOW_TURN, word_at(fx, crowd->pairs[i][0]),
                                            &events, &data),
                                 1);
}

#endif
