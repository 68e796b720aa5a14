/* SPDX-License-Identifier: MIT */
/*
 * G5 seen from outside and from beside: an outer epoll set that watches weir_poll_fd() still hears after a ghost was
 * cured, and a registration that another thread makes during the cure is not lost.
 */
#include "../support.h"

static int outer_make(struct fixture *fx, uint32_t mode) {
        struct epoll_event event = { .events = EPOLLIN | mode };
        int outer, fd;

        outer = epoll_create1(EPOLL_CLOEXEC);
        assert_true(outer >= 0);
        fd = weir_poll_fd(fx->poll);
        assert_true(fd >= 0);
        assert_int_equal(epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event), 0);
        return outer;
}

static bool outer_hears(int outer, int timeout_ms) {
        struct epoll_event event;

        return epoll_wait(outer, &event, 1, timeout_ms) == 1;
}

/* Makes a level-triggered ghost that is ready; the caller closes both descriptors that are left. */
static void haunt(struct weir_registry *registry, int ret_left[2]) {
        int fds[2], copy;

        make_pipe(fds);
        assert_int_equal(weir_register(registry, fds[0], 99, WEIR_READABLE | WEIR_LEVEL), 0);
        copy = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
        assert_true(copy >= 0);
        close(fds[0]);
        assert_int_equal(weir_deregister(registry, fds[0]), 0);
        put(fds[1]);
        ret_left[0] = copy;
        ret_left[1] = fds[1];
}

/* What an outer loop does: waits without blocking until there is nothing more. */
static void exhaust(struct fixture *fx, unsigned *counts, unsigned n_counts) {
        for (unsigned idle = 0; idle < 10;)
                idle = tally(fx->poll, fx->events, 0, counts, n_counts) > 0 ? 0 : idle + 1;
}

static void hear_after_cure(struct fixture *fx, uint32_t mode) {
        struct weir_waker *waker = NULL;
        unsigned counts[4] = { 0 };
        int fds[2], left[2], outer, poll_fd;

        poll_fd = weir_poll_fd(fx->poll);
        outer = outer_make(fx, mode);
        make_pipe(fds);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE), 0);
        assert_int_equal(weir_waker_create(fx->registry, 2, &waker), 0);
        for (unsigned round = 0; round < 3; round++) {
                haunt(fx->registry, left);
                for (unsigned i = 0; i < 20; i++) {
                        while (outer_hears(outer, 0) && tally(fx->poll, fx->events, 0, counts, 4) > 0)
                                continue;
                        assert_int_equal(tally(fx->poll, fx->events, 2, counts, 4), 0);
                }
                exhaust(fx, counts, 4);
                while (mode && outer_hears(outer, 0))
                        continue;
                assert_int_equal(counts[1] + counts[2], 2 * round);

                put(fds[1]);
                assert_true(outer_hears(outer, DEADLINE_MS));
                exhaust(fx, counts, 4);
                assert_int_equal(counts[1], round + 1);
                drain(fds[0]);
                assert_int_equal(weir_waker_wake(waker), 0);
                assert_true(outer_hears(outer, DEADLINE_MS));
                exhaust(fx, counts, 4);
                assert_int_equal(counts[2], round + 1);
                close_pair(left);
        }
        assert_int_equal(weir_poll_fd(fx->poll), poll_fd);
        assert_int_equal(weir_registry_fd(fx->registry), poll_fd);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        weir_waker_destroy(waker);
        close_pair(fds);
        close(outer);
}

static void g5_level_triggered_outer_set_hears_after_the_cure(void **state) {
        hear_after_cure(*state, 0);
}

static void g5_edge_triggered_outer_set_hears_after_the_cure(void **state) {
        hear_after_cure(*state, EPOLLET);
}

static void g5_cured_ghost_leaves_the_poll_fd_quiet(void **state) {
        struct fixture *fx = *state;
        unsigned tries = 0;
        int left[2], fd;

        fd = weir_poll_fd(fx->poll);
        assert_true(fd >= 0);
        haunt(fx->registry, left);
        /* An outer loop that finds it readable waits without blocking; it must not do so for ever. */
        while (polls_readable(fd, 0)) {
                assert_true(tries++ < 5000);
                assert_int_equal(collect(fx->poll, fx->events, 0, (struct weir_event[1]){ 0 }, 1), 0);
        }
        close_pair(left);
}

static int outer_main(void *arg) {
        int outer = *(int *)arg;
        struct epoll_event event;

        REQUIRE(epoll_wait(outer, &event, 1, DEADLINE_MS) == 1);
        return 0;
}

static void g5_outer_set_that_sleeps_through_the_cure_is_woken_afterwards(void **state) {
        const uint32_t modes[] = { 0, EPOLLET };
        struct fixture *fx = *state;
        struct worker worker;
        unsigned counts[4];
        int fds[2], left[2], outer;

        make_pipe(fds);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE), 0);
        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                memset(counts, 0, sizeof(counts));
                outer = outer_make(fx, modes[m]);
                haunt(fx->registry, left);
                for (unsigned i = 0; i < 20; i++)
                        assert_int_equal(tally(fx->poll, fx->events, 2, counts, 4), 0);
                while (modes[m] && outer_hears(outer, 0))
                        continue;
                worker_start(&worker, outer_main, &outer);
                worker_settle(&worker);
                put(fds[1]);
                assert_int_equal(worker_join(&worker), 0);
                exhaust(fx, counts, 4);
                assert_int_equal(counts[1], 1);
                drain(fds[0]);
                close_pair(left);
                close(outer);
        }
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
}

/* ---------------------------------------------------------------- registrations during the cure */

#define REGISTRATIONS 400
#define REGISTRARS    2

struct registrar {
        struct fixture *fx;
        unsigned id;
        /* No number may be opened anew between a close and the deregister that follows it. */
        pthread_mutex_t *numbers;
        atomic_int seen[REGISTRATIONS];
};

static int register_and_await(void *arg) {
        struct registrar *registrar = arg;
        struct weir_registry *registry = registrar->fx->registry;
        int fds[2], r;

        for (unsigned i = 0; i < REGISTRATIONS; i++) {
                weir_interest mode = i % 3 == 1 ? WEIR_LEVEL : i % 3 == 2 ? WEIR_ONESHOT : 0;

                pthread_mutex_lock(registrar->numbers);
                r = pipe2(fds, O_NONBLOCK | O_CLOEXEC);
                pthread_mutex_unlock(registrar->numbers);
                REQUIRE(r == 0);
                if (i % 2)
                        put(fds[1]);
                REQUIRE(weir_register(registry, fds[0], registrar->id * REGISTRATIONS + i, WEIR_READABLE | mode) == 0);
                if (i % 2 == 0)
                        put(fds[1]);
                REQUIRE(reached(&registrar->seen[i], 1));
                REQUIRE(weir_deregister(registry, fds[0]) == 0);
                close_pair(fds);
        }
        return 0;
}

static void g5_registration_made_during_the_cure_is_not_lost(void **state) {
        static struct registrar registrars[REGISTRARS];
        pthread_mutex_t numbers = PTHREAD_MUTEX_INITIALIZER;
        struct fixture *fx = *state;
        struct worker workers[REGISTRARS];
        struct weir_event event;
        int left[2] = { -1, -1 };

        memset(registrars, 0, sizeof(registrars));
        for (unsigned i = 0; i < REGISTRARS; i++) {
                registrars[i].fx = fx;
                registrars[i].id = i;
                registrars[i].numbers = &numbers;
                worker_start(&workers[i], register_and_await, &registrars[i]);
        }
        for (unsigned round = 0; !worker_done_within(&workers[0], 0) || !worker_done_within(&workers[1], 0); round++) {
                /* Ghost after ghost, so that a cure is under way most of the time. */
                if (round % 4 == 0) {
                        pthread_mutex_lock(&numbers);
                        haunt(fx->registry, left);
                        pthread_mutex_unlock(&numbers);
                }
                assert_true(wait_ms(fx->poll, fx->events, 2) >= 0);
                while (weir_events_next(fx->events, &event)) {
                        assert_true(event.token < REGISTRARS * REGISTRATIONS);
                        atomic_store_explicit(
                                &registrars[event.token / REGISTRATIONS].seen[event.token % REGISTRATIONS], 1,
                                memory_order_relaxed);
                }
                if (round % 4 == 3) {
                        close_pair(left);
                        left[0] = -1;
                }
        }
        for (unsigned i = 0; i < REGISTRARS; i++)
                assert_int_equal(worker_join(&workers[i]), 0);
        if (left[0] >= 0)
                close_pair(left);
        weir_events_clear(fx->events);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g5_level_triggered_outer_set_hears_after_the_cure),
                CASE(g5_edge_triggered_outer_set_hears_after_the_cure),
                CASE(g5_cured_ghost_leaves_the_poll_fd_quiet),
                CASE(g5_outer_set_that_sleeps_through_the_cure_is_woken_afterwards),
                CASE(g5_registration_made_during_the_cure_is_not_lost),
        };

        return cmocka_run_group_tests_name("g05_outer", cases, NULL, NULL);
}
