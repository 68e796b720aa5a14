/* SPDX-License-Identifier: MIT */
/*
 * Level-triggered ghosts that cannot be got rid of for want of descriptors, a batch of one event, and a wait of no time: what is
 * ready beside them is handed out all the same, each time.
 */
#include "../support.h"

#define GHOSTS 3

static void beside(struct fixture *fx, unsigned ghosts, unsigned capacity, weir_interest mode) {
        int fds[GHOSTS], copies[GHOSTS], ready;
        struct rlimit limit;
        struct weir_events *events = NULL;
        struct weir_event event;
        unsigned missed = 0;

        for (unsigned i = 0; i < ghosts; i++) {
                fds[i] = make_eventfd(1);
                copies[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
                assert_true(copies[i] >= 0);
                assert_int_equal(weir_register(fx->registry, fds[i], 99, WEIR_READABLE | WEIR_LEVEL), 0);
        }
        for (unsigned i = 0; i < ghosts; i++) {
                close(fds[i]);
                assert_int_equal(weir_deregister(fx->registry, fds[i]), 0);
        }
        ready = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, ready, 1, WEIR_READABLE | mode), 0);
        assert_int_equal(weir_events_create(capacity, &events), 0);

        leave_room(0, &limit);
        for (unsigned i = 0; i < 20; i++) {
                if (wait_ms(fx->poll, events, 0) < 1 || !weir_events_next(events, &event) || event.token != 1)
                        missed++;
                weir_events_clear(events);
                if (mode == WEIR_ONESHOT) {
                        drain(ready);
                        (void)weir_rearm(fx->registry, ready, WEIR_READABLE);
                }
                ring(ready);
        }
        restore_room(&limit);

        if (missed)
                print_error("mode %#x, %u ghosts, capacity %u: %u of 20 waits brought nothing\n", mode, ghosts,
                            capacity, missed);
        weir_events_destroy(events);
        assert_int_equal(weir_deregister(fx->registry, ready), 0);
        close(ready);
        for (unsigned i = 0; i < ghosts; i++)
                close(copies[i]);
        assert_int_equal(missed, 0);
}

static void g5_incurable_ghost_does_not_hide_what_is_ready(void **state) {
        const weir_interest modes[] = { WEIR_LEVEL, 0, WEIR_ONESHOT };

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++)
                for (unsigned ghosts = 1; ghosts <= GHOSTS; ghosts++)
                        for (unsigned capacity = 1; capacity <= 2; capacity++)
                                beside(*state, ghosts, capacity, modes[m]);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g5_incurable_ghost_does_not_hide_what_is_ready),
        };

        return cmocka_run_group_tests_name("no_time_beside_a_ghost", cases, NULL, NULL);
}
