/* SPDX-License-Identifier: MIT */
/*
 * While a wait gets rid of a ghost, a stranger that sits on a registered number which was closed is duplicated, and the number
 * closed once more, right before or after any one of the epoll_ctl calls about it. No event of the stranger comes under the
 * token of the closed registration.
 */
#include "../calls.h"

#define STALE 1
#define GHOST 2

static int number, copy, countdown;

static void slip_away(bool after, int op, int fd, long result) {
        (void)after;
        (void)op;
        (void)result;
        if (fd != number || --countdown != 0)
                return;
        copy = fcntl(number, F_DUPFD_CLOEXEC, 0);
        close(number);
}

/* The stranger leaves at this moment. Returns how many events came, or -1 when the cure had no such moment. */
static int cure_beside(struct fixture *fx, int moment, weir_interest mode) {
        int stale[2], stranger[2], ghost[2], ghost_copy, events = 0, n;
        struct weir_event got[BATCH];
        bool slipped;

        make_pipe(stale);
        make_pipe(stranger);
        make_pipe(ghost);
        number = stale[0];
        assert_int_equal(weir_register(fx->registry, number, STALE, WEIR_READABLE | mode), 0);
        move_descriptor(stranger[0], number);
        assert_int_equal(weir_register(fx->registry, ghost[0], GHOST, WEIR_READABLE | WEIR_LEVEL), 0);
        ghost_copy = fcntl(ghost[0], F_DUPFD_CLOEXEC, 0);
        assert_true(ghost_copy >= 0);
        close(ghost[0]);
        assert_int_equal(weir_deregister(fx->registry, ghost[0]), 0);
        /* A wait may open a descriptor, which must not be the number that slip_away() closes; keep the hole filled. */
        assert_true(open("/dev/null", O_RDONLY | O_CLOEXEC) == ghost[0]);

        copy = -1;
        countdown = moment;
        atomic_store(&calls_ctl_hook, slip_away);
        put(ghost[1]);
        for (unsigned i = 0; i < 5; i++)
                assert_true(collect(fx->poll, fx->events, 2, got, BATCH) >= 0);
        atomic_store(&calls_ctl_hook, NULL);
        slipped = copy >= 0;

        put(stranger[1]);
        for (unsigned i = 0; i < 5; i++) {
                n = collect(fx->poll, fx->events, 2, got, BATCH);
                assert_true(n >= 0);
                events += n;
        }
        (void)weir_deregister(fx->registry, number);
        if (slipped)
                close(copy);
        else
                close(number);
        close(stale[1]);
        close(stranger[1]);
        close_pair(ghost);
        close(ghost_copy);
        return slipped ? events : events ? events : -1;
}

static void g5_stranger_that_leaves_during_a_cure_is_not_adopted(void **state) {
        const weir_interest modes[] = { WEIR_LEVEL, 0, WEIR_ONESHOT };
        struct fixture *fx = *state;
        unsigned wrong = 0;
        int events;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                for (int moment = 1; moment < 100; moment++) {
                        events = cure_beside(fx, moment, modes[m]);
                        if (events < 0)
                                break;
                        if (events > 0 && wrong++ == 0)
                                print_error("mode %#x, moment %d: %d events\n", modes[m], moment, events);
                }
        }
        assert_int_equal(wrong, 0);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g5_stranger_that_leaves_during_a_cure_is_not_adopted),
        };

        return cmocka_run_group_tests_name("stranger_closed_during_a_cure", cases, NULL, NULL);
}
